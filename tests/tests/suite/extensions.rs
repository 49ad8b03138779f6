//! Tests that what a transport knows of a client's request reaches the endpoint, whichever way the client
//! connects, and is dropped once the endpoint has answered.

use std::sync::{Arc, Mutex, Weak};

use chat_core::protocol::{Credentials, Protocol};
use chat_core::testkit::{Client, Script, Way};
use chat_core::transport::{Peer, Permit};
use chat_core::{Connect, Endpoint, Extensions, Identity, Limits, Refusal, SessionId};
use chat_protocol::centrifuge::Centrifuge;
use chat_protocol::json::Json;
use chat_protocol::phoenix::Phoenix;
use chat_protocol::serverpod::MethodStreams;
use chat_tests::dart;
use chat_tests::scene::{Scene, each_way};

/// Holds the user of a cookie, as a server's middleware knows it.
struct User(&'static str);

/// Admits users by what the transport knows of them, whatever clients say.
#[derive(Clone, Default)]
struct Cookies(Arc<Mutex<Vec<Connect>>>);

impl Endpoint for Cookies {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let user = connect.extensions.get().map(|User(name)| *name);
        self.0.lock().expect("nobody panics").push(connect.with_extensions(Extensions::new()));
        Ok(Identity::named(user.ok_or_else(|| Refusal::unauthorized("no cookie"))?.parse()?))
    }
}

impl Cookies {
    fn scene(way: Way) -> (Self, Scene) {
        let cookies = Self::default();
        (cookies.clone(), Scene::new(way, cookies, Limits::default()))
    }

    fn asked(&self) -> usize {
        self.0.lock().expect("nobody panics").len()
    }
}

fn permit(scene: &Scene, user: &'static str) -> (Permit, Weak<User>) {
    let extensions = Extensions::new().with(User(user));
    let kept = Arc::downgrade(&extensions.share().expect("it is there"));
    (scene.hub.acceptor().permit().expect("there is room").with(extensions), kept)
}

fn sessions(scene: &Scene, user: &str) -> usize {
    scene.hub.sessions_of(&user.parse().expect("a name")).len()
}

fn eve() -> Connect {
    Connect::named(Some("eve".parse().expect("a name")))
}

#[test]
fn what_the_transport_knows_reaches_the_endpoint_whichever_way_the_client_connects() {
    let json = || -> Arc<dyn Protocol> { Arc::new(Json) };
    let centrifuge = || -> Arc<dyn Protocol> { Arc::new(Centrifuge::default()) };
    let calls = || -> Arc<dyn Protocol> { Arc::new(MethodStreams::default()) };
    let call = dart::subscribe("00000000-0000-4000-8000-000000000001", "room");
    let connect = r#"{"type":"connect","name":"eve"}"#;
    let subscribe = r#"{"type":"subscribe","channelId":"room"}"#;
    let greeting = r#"{"id":1,"connect":{"data":{"name":"eve"}}}"#;
    each_way(|way| {
        for (protocol, credentials, said) in [
            (json(), Credentials::Now(eve()), None),
            (json(), Credentials::Known(eve()), None),
            (json(), Credentials::Later, Some(connect)),
            (json(), Credentials::Later, Some(subscribe)),
            (centrifuge(), Credentials::Later, Some(greeting)),
            (centrifuge(), Credentials::Now(eve()), Some(greeting)),
            (centrifuge(), Credentials::Now(Connect::default()), Some(greeting)),
            (calls(), Credentials::Later, Some(&*call)),
            (calls(), Credentials::Now(eve()), None),
        ] {
            let (cookies, scene) = Cookies::scene(way);
            let (permit, kept) = permit(&scene, "ann");
            let told = format!("{} {credentials:?} {said:?}", protocol.name());
            let client = scene.world.connect_on(permit, protocol, credentials, way);
            assert_eq!(cookies.asked(), usize::from(said.is_none()), "{told}");
            assert_eq!(kept.strong_count(), usize::from(said.is_some()), "{told}: until it is asked");
            said.into_iter().for_each(|said| client.say(said));
            assert_eq!((cookies.asked(), sessions(&scene, "ann")), (1, 1), "{told}");
            assert_eq!(kept.strong_count(), 0, "{told}: and then no longer");
        }
    });
}

#[test]
fn an_endpoint_that_is_asked_before_the_transport_is_open_knows_the_request_too() {
    each_way(|way| {
        let (cookies, scene) = Cookies::scene(way);
        let (mut permit, kept) = permit(&scene, "ann");
        let credentials = Credentials::Now(eve());
        let asked = scene.world.run(async move { permit.ask(&credentials).await.map(|()| permit) });
        let permit = asked.expect("it is admitted");
        assert_eq!(cookies.asked(), 1);
        let phoenix = Arc::new(Phoenix::default());
        let client = scene.world.connect_on(permit, phoenix, Credentials::Now(eve()), way);
        assert_eq!((cookies.asked(), sessions(&scene, "ann"), kept.strong_count()), (1, 1, 0));
        assert_eq!(client.close(), None);
    });
}

#[test]
fn a_value_of_the_connect_itself_goes_before_that_of_the_transport() {
    each_way(|way| {
        let (_, scene) = Cookies::scene(way);
        let own = eve().with_extensions(Extensions::new().with(User("bob")).with(1_u8));
        scene.world.connect_on(permit(&scene, "ann").0, Arc::new(Json), Credentials::Now(own), way);
        assert_eq!((sessions(&scene, "ann"), sessions(&scene, "bob")), (0, 1));
    });
}

#[test]
fn extensions_alone_are_no_login_and_a_client_may_still_show_a_token() {
    each_way(|way| {
        for protocol in [Arc::new(Json) as Arc<dyn Protocol>, Arc::new(Centrifuge::default())] {
            let (cookies, scene) = Cookies::scene(way);
            let json = protocol.name() == Json.name();
            let said = match json {
                true => r#"{"type":"connect","id":1,"token":"its own"}"#,
                false => r#"{"id":1,"connect":{"token":"its own"}}"#,
            };
            let client = scene.world.connect_on(permit(&scene, "ann").0, protocol, Credentials::Later, way);
            client.say(said);
            assert_eq!(sessions(&scene, "ann"), 1, "{:?}", client.heard());
            assert_eq!(cookies.0.lock().expect("nobody panics")[0].token, Some("its own".into()));
        }
    });
}

#[test]
fn a_client_that_is_refused_or_gone_leaves_nothing_of_its_request_behind() {
    each_way(|way| {
        let (cookies, scene) = Cookies::scene(way);
        let later = |user| {
            let (permit, kept) = permit(&scene, user);
            (scene.world.connect_on(permit, Arc::new(Script), Credentials::Later, way), kept)
        };
        let (gone, kept) = later("ann");
        gone.cut();
        assert_eq!((kept.strong_count(), cookies.asked()), (0, 0), "gone");
        let (stale, kept) = later("ann");
        scene.world.advance(Limits::default().open_timeout * 2);
        assert_eq!((stale.close().map(|close| close.code()), kept.strong_count()), (Some(3502), 0));
        let (refused, kept) = later("");
        refused.say("connect");
        assert_eq!((cookies.asked(), kept.strong_count()), (1, 0), "refused");
        let wrong = Credentials::Wrong(Refusal::bad_request("no name"));
        let (permit, kept) = permit(&scene, "ann");
        let wrong: Client = scene.world.connect_on(permit, Arc::new(Json), wrong, way);
        assert!(wrong.close().is_some() && kept.strong_count() == 0);
    });
}

#[test]
fn a_client_that_comes_back_is_known_by_its_next_request() {
    each_way(|way| {
        let (cookies, scene) = Cookies::scene(way);
        for user in ["ann", "bob"] {
            let (permit, _) = permit(&scene, user);
            let client = scene.world.connect_on(permit, Arc::new(Json), Credentials::Later, way);
            client.say(r#"{"type":"connect","id":1}"#);
            assert_eq!(sessions(&scene, user), 1);
            client.cut();
        }
        assert_eq!(cookies.asked(), 2);
    });
}

#[test]
fn credentials_that_cannot_be_read_cost_the_address_a_strike_before_the_transport_is_open_as_after() {
    let wrong = || Credentials::Wrong(Refusal::bad_request("no name"));
    each_way(|way| {
        for early in [true, false] {
            let (_, scene) = Cookies::scene(way);
            let peer = Peer::from(std::net::IpAddr::from([192, 0, 2, 7]));
            let permit = || scene.hub.acceptor().permit().expect("there is room").of_peer(peer);
            for _ in 0..19 {
                let mut permit = permit();
                match early {
                    true => {
                        let asked = scene.world.run(async move { permit.ask(&wrong()).await });
                        assert_eq!(asked.map_err(|refusal| refusal.code()), Err(107));
                    }
                    false => drop(scene.world.connect_on(permit, Arc::new(Phoenix::default()), wrong(), way)),
                }
            }
            let last = scene.world.connect_on(permit(), Arc::new(Json), Credentials::Later, way);
            last.say("nonsense");
            assert_eq!(last.close().map(|close| close.code()), Some(3509), "early: {early}");
            assert_eq!(scene.hub.stats().bad_requests, 20);
        }
    });
}

#[test]
fn a_login_that_is_refused_is_no_bad_request_before_the_transport_is_open_or_after() {
    each_way(|way| {
        for early in [true, false] {
            let (_, scene) = Cookies::scene(way);
            let peer = Peer::from(std::net::IpAddr::from([192, 0, 2, 7]));
            let permit = || scene.hub.acceptor().permit().expect("there is room").of_peer(peer);
            for _ in 0..40 {
                let mut permit = permit();
                match early {
                    true => {
                        let asked =
                            scene.world.run(async move { permit.ask(&Credentials::Now(eve())).await });
                        assert_eq!(asked.map_err(|refusal| refusal.code()), Err(101));
                    }
                    false => {
                        let json = Arc::new(Json);
                        let client = scene.world.connect_on(permit, json, Credentials::Now(eve()), way);
                        assert_eq!(client.close().map(|close| close.code()), Some(3500));
                    }
                }
            }
            let last = scene.world.connect_on(permit(), Arc::new(Json), Credentials::Later, way);
            last.say("nonsense");
            assert_eq!((last.close(), scene.hub.stats().bad_requests), (None, 1));
        }
    });
}
