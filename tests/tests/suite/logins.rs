//! Tests clients that their transport has authenticated before their first frame, by a cookie or a header,
//! and whose protocol has credentials of its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_core::protocol::Credentials;
use chat_core::testkit::{Client, Way};
use chat_core::transport::Incoming;
use chat_core::{
    Connect, Endpoint, Identity, Limits, Offset, OpenChat, Payload, Refusal, SessionId, Since, Subscribe,
};
use chat_http::Gate;
use chat_protocol::centrifuge::Centrifuge;
use chat_protocol::json::Json;
use chat_protocol::serverpod::MethodStreams;
use chat_tests::dart;
use chat_tests::raw::HANDSHAKE;
use chat_tests::scene::{Scene, each_way};
use hyper::Request;
use hyper::header::{HeaderName, HeaderValue};

/// Lets everybody in, puts everybody into `own`, and remembers as what each came.
#[derive(Clone, Default)]
struct Porter(Arc<Mutex<Vec<Connect>>>);

impl Endpoint for Porter {
    async fn stream_opened(&self, session: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let name = connect.name.clone();
        self.0.lock().expect("nobody panics").push(connect);
        let name = name.map_or_else(|| format!("guest-{session}").parse(), Ok)?;
        let subscriptions = vec![Subscribe::to("own".parse()?)];
        Ok(Identity::named(name).with_subscriptions(subscriptions))
    }
}

impl Porter {
    fn came(&self) -> Vec<Connect> {
        self.0.lock().expect("nobody panics").clone()
    }
}

fn ann() -> Connect {
    Connect::named(Some("ann".parse().expect("a name"))).with_token(Some("a cookie".into()))
}

fn enter(scene: &Scene, way: Way, known: Connect) -> Client {
    scene.world.connect(&scene.hub, Arc::new(Centrifuge::default()), Credentials::Now(known), way)
}

#[test]
fn who_its_transport_has_let_in_is_told_so_when_it_says_connect() {
    each_way(|way| {
        let porter = Porter::default();
        let scene = Scene::new(way, porter.clone(), Limits::default());
        let client = enter(&scene, way, ann());
        assert_eq!(client.heard(), [""; 0], "it hears nothing before");
        client.say(r#"{"id":1,"connect":{"data":{"name":"eve"},"name":"js"}}"#);
        let heard = client.heard();
        assert!(heard[0].starts_with(r#"{"id":1,"connect":{"client":""#), "{heard:?}");
        assert!(heard[0].contains(r#""subs":{"own":{"#) && heard.len() == 1, "told once: {heard:?}");
        let came = porter.came();
        assert_eq!(came.len(), 1, "it is asked about once");
        assert_eq!(
            (&came[0].name, &came[0].token),
            (&ann().name, &ann().token),
            "as whom its transport knows"
        );
        client.say(r#"{"id":2,"publish":{"channel":"own","data":1}}"#);
        let said = client.heard();
        assert!(said.iter().any(|line| line.contains(r#""info":{"user":"ann""#)), "{said:?}");
        client.say(r#"{"id":3,"connect":{}}"#);
        assert!(client.heard()[0].contains(r#""id":3,"error":{"code":107"#), "it connects once");
    });
}

#[test]
fn the_same_holds_in_protobuf() {
    each_way(|way| {
        let porter = Porter::default();
        let scene = Scene::new(way, porter.clone(), Limits::default());
        let protocol = Centrifuge::default().in_protobuf();
        let client = scene.world.connect(&scene.hub, protocol, Credentials::Now(ann()), way);
        client.put(Ok(Incoming::Binary(vec![4, 8, 1, 34, 0])));
        let heard = client.heard();
        assert!(heard.len() == 1 && heard[0].contains("chat-core"), "{heard:?}");
        assert_eq!(porter.came()[0].name, ann().name);
    });
}

#[test]
fn the_first_call_of_a_method_stream_is_made_as_who_the_transport_knows() {
    each_way(|way| {
        let porter = Porter::default();
        let scene = Scene::new(way, porter.clone(), Limits::default());
        let protocol = Arc::new(MethodStreams::default());
        let client = scene.world.connect(&scene.hub, protocol, Credentials::Now(ann()), way);
        client.say(&dart::subscribe("00000000-0000-4000-8000-000000000001", "room"));
        assert_eq!(
            client.heard(),
            [dart::omsr("00000000-0000-4000-8000-000000000001", "subscribe", "success")]
        );
        assert_eq!(porter.came().len(), 1);
        assert_eq!(porter.came()[0].name, ann().name);
    });
}

#[test]
fn it_goes_on_where_it_was_in_the_channels_that_it_is_put_into() {
    each_way(|way| {
        let limits = Limits::default();
        let hub =
            chat_core::Hub::builder(Porter::default()).limits(limits).history(10, Duration::from_secs(60));
        let scene = Scene::of(chat_core::testkit::World::new(), way, hub);
        let client = enter(&scene, way, ann());
        client.say(r#"{"id":1,"connect":{}}"#);
        let heard = client.heard().remove(0);
        let (_, epoch) = heard.split_once(r#""epoch":""#).expect("an epoch");
        let epoch = &epoch[..epoch.find('"').expect("it ends")];
        client.cut();
        scene.hub.publish("own", Payload::json("\"missed\"")).expect("a name");
        let back = enter(&scene, way, ann());
        let own = format!(r#"{{"own":{{"recover":true,"epoch":"{epoch}","offset":0}}}}"#);
        back.say(&format!(r#"{{"id":1,"connect":{{"subs":{own}}}}}"#));
        let heard = back.heard();
        assert!(heard[0].contains(r#""recovered":true"#), "{heard:?}");
        assert!(heard[1].contains("missed"), "{heard:?}");
    });
}

#[test]
fn where_the_transport_knows_all_it_is_in_at_once_and_told_who_it_is_when_it_asks() {
    each_way(|way| {
        let porter = Porter::default();
        let scene = Scene::new(way, porter.clone(), Limits::default());
        let since = vec![("own".parse().expect("a name"), Since { epoch: None, offset: Offset(0) })];
        let client = enter(&scene, way, ann().with_since(since));
        assert_eq!(scene.hub.sessions_of(&"ann".parse().expect("a name")).len(), 1);
        scene.hub.publish("own", Payload::json("1")).expect("a name");
        assert!(client.heard().last().is_some_and(|last| last.contains(r#""pub":{"data":1"#)));
        client.say(r#"{"id":1,"connect":{"token":"its own"}}"#);
        assert!(client.heard()[0].contains(r#""id":1,"error":{"code":107"#));
        client.say(r#"{"id":2,"connect":{}}"#);
        let heard = client.heard();
        assert!(heard[0].starts_with(r#"{"id":2,"connect":{"client":""#), "{heard:?}");
        assert!(heard[0].contains(r#""subs":{"own":{"#) && heard[0].contains(r#""offset":1"#), "{heard:?}");
        client.say(r#"{"id":3,"connect":{}}"#);
        assert!(client.heard()[0].contains(r#""id":3,"error":{"code":107"#), "it connects once");
        assert_eq!(porter.came().len(), 1);
    });
}

#[test]
fn one_that_shows_a_token_of_its_own_is_refused_and_may_say_it_again_without() {
    each_way(|way| {
        let porter = Porter::default();
        let scene = Scene::new(way, porter.clone(), Limits::default());
        let client = enter(&scene, way, ann());
        client.say(r#"{"id":1,"connect":{"token":"eve's"}}"#);
        assert!(client.heard()[0].contains(r#""id":1,"error":{"code":107"#));
        assert_eq!(porter.came(), [], "nobody was asked");
        client.say(r#"{"id":2,"connect":{}}"#);
        assert!(client.heard()[0].starts_with(r#"{"id":2,"connect":{"#));
        assert_eq!(porter.came()[0].name, ann().name);
    });
}

#[test]
fn what_the_transport_has_to_say_to_the_endpoint_is_not_the_clients_to_change() {
    each_way(|way| {
        let own = Some(Payload::json(r#"{"user":7}"#));
        for (known, said, data) in [
            (ann().with_data(own.clone()), r#"{"user":8}"#, own.clone()),
            (ann(), r#"{"device":"phone"}"#, Some(Payload::json(r#"{"device":"phone"}"#))),
        ] {
            let porter = Porter::default();
            let scene = Scene::new(way, porter.clone(), Limits::default());
            enter(&scene, way, known).say(&format!(r#"{{"id":1,"connect":{{"data":{said}}}}}"#));
            assert_eq!(porter.came()[0].data, data);
        }
    });
}

#[test]
fn a_transport_that_knows_nothing_leaves_it_to_the_client() {
    each_way(|way| {
        let porter = Porter::default();
        let scene = Scene::new(way, porter.clone(), Limits::default());
        let client = enter(&scene, way, Connect::default());
        client.say(r#"{"id":1,"connect":{"token":"its own","data":{"name":"ann"}}}"#);
        assert!(client.heard()[0].starts_with(r#"{"id":1,"connect":{"#));
        let came = porter.came();
        assert_eq!((&came[0].name, came[0].token.is_some()), (&ann().name, true));
    });
}

#[test]
fn one_that_its_transport_knows_nothing_of_connects_once_too() {
    each_way(|way| {
        let scene = Scene::new(way, OpenChat::default(), Limits::default());
        let client =
            scene.world.connect(&scene.hub, Arc::new(Centrifuge::default()), Credentials::Later, way);
        client.say(r#"{"id":1,"connect":{"data":{"name":"ann"}}}"#);
        assert!(client.heard()[0].starts_with(r#"{"id":1,"connect":{"#));
        client.say(r#"{"id":2,"connect":{}}"#);
        assert!(client.heard()[0].contains(r#""id":2,"error":{"code":107"#), "it is open already");
    });
}

#[test]
fn a_login_among_a_requests_extensions_stands_in_place_of_what_the_url_says() {
    let scene = Scene::new(Way::Bytes, OpenChat::default(), Limits::default());
    let gate = Gate::new(scene.hub.clone(), Json);
    let mut request = Request::get("/ws?name=eve").header("host", "a.example").body(()).expect("a request");
    for (name, value) in HANDSHAKE {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let credentials = |request: &Request<()>| gate.open(request).expect("it is let in").1.credentials;
    assert_eq!(credentials(&request), Credentials::Now(Connect::named(Some("eve".parse().expect("a name")))));
    request.extensions_mut().insert(Credentials::Now(ann()));
    assert_eq!(credentials(&request), Credentials::Known(ann()));
}

#[test]
fn one_that_never_says_connect_is_stale_and_others_open_without() {
    each_way(|way| {
        let scene = Scene::new(way, OpenChat::default(), Limits::default());
        let silent = enter(&scene, way, ann());
        let plain = scene.world.connect(&scene.hub, Arc::new(Json), Credentials::Now(ann()), way);
        scene.world.advance(Limits::default().open_timeout + Duration::from_millis(1));
        assert_eq!(silent.close().map(|close| close.code()), Some(3502));
        assert_eq!(plain.close(), None, "where no connect is needed");
    });
}

#[test]
fn a_client_of_the_plain_protocol_that_a_server_has_let_in_is_told_so_once_when_it_says_connect() {
    each_way(|way| {
        let scene = Scene::new(way, OpenChat::default(), Limits::default());
        let ann = scene.world.connect(&scene.hub, Arc::new(Json), Credentials::Known(ann()), way);
        ann.say(r#"{"type":"connect","id":1}"#);
        let heard = ann.heard();
        assert!(heard[0].contains(r#""type":"connected","id":1"#), "{heard:?}");
        ann.say(r#"{"type":"connect","id":2}"#);
        assert!(ann.heard()[0].contains(r#""code":107"#), "it connects once");
    });
}
