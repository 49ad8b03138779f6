//! Tests sessions that are not read for a time, since they sent requests faster than allowed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_core::protocol::{Message, Protocol, Requests};
use chat_core::testkit::Client;
use chat_core::transport::Incoming;
use chat_core::{
    Call, Close, Connect, Endpoint, Identity, Limits, OpenChat, Payload, Rate, Refusal, SessionId,
    SessionInfo, UserId,
};
use chat_protocol::centrifuge::Centrifuge;
use chat_tests::scene::{Scene, each_way};
use futures::channel::oneshot::{Receiver, channel};

const SECOND: Duration = Duration::from_secs(1);

fn count(client: &Client, begin: &str) -> usize {
    client.heard().iter().filter(|line| line.starts_with(begin)).count()
}

/// Tests that five requests a second are within ten a second, whenever the server reads them.
#[test]
fn pings_that_came_in_their_rate_while_the_session_was_not_read_end_nothing() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let ann = scene.enter("ann");
        // Read within ten seconds, at the default rate.
        (0..1200).for_each(|_| ann.wire().put(Ok(Incoming::Text("ping".into()))));
        for _ in 0..50 {
            ann.put(Ok(Incoming::Ping(vec![])));
            scene.world.advance(SECOND / 5);
        }
        scene.world.advance(SECOND * 60);
        assert_eq!((ann.close(), count(&ann, "pong")), (None, 1250));
    });
}

/// Gives users an id other than their name, as tokens do, so that their rates are remembered.
struct Named;

impl Endpoint for Named {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let name = connect.name.expect("a name");
        let user = format!("u-{name}").parse::<UserId>()?;
        Ok(Identity::named(name).with_user(user))
    }
}

#[test]
fn what_is_remembered_of_a_rate_shuts_nobody_out_for_longer_than_ten_minutes() {
    each_way(|way| {
        let scene = Scene::new(way, Named, Limits::default());
        let ann = scene.enter("ann");
        ann.say(&vec!["ping"; Limits::default().message_bytes / 5].join("\n"));
        assert_eq!(ann.close(), Some(Close::TOO_MANY_REQUESTS));
        let again = scene.enter("ann");
        again.say("ping");
        scene.world.advance(SECOND * 10);
        assert_eq!(again.heard(), ["pong"], "ten seconds on");
    });
}

#[test]
fn who_is_not_read_is_closed_expired_and_drained_all_the_same() {
    each_way(|way| {
        let requests = Rate { per_second: 1, burst: 20 };
        let limits = || Limits::default().with_requests(requests);
        let flood = |client: &Client| (0..6).for_each(|_| client.say(&vec!["ping"; 20].join("\n")));
        // Disconnected.
        let scene = Scene::new(way, OpenChat::default(), limits());
        let ann = scene.enter("ann");
        flood(&ann);
        ann.wire().ignore_close();
        scene.hub.disconnect_user(&"ann".parse().expect("a name"), &Close::NORMAL);
        scene.world.advance(SECOND * 6);
        assert_eq!(ann.close(), Some(Close::NORMAL));
        // Drained.
        let bob = scene.enter("bob");
        flood(&bob);
        let hub = scene.hub.clone();
        let before = scene.world_seconds();
        scene.world.run(async move { hub.drain(SECOND).await });
        assert!(scene.world_seconds() - before < 10);
        assert_eq!(bob.close().map(|close| close.code()), Some(1001));
        // Expired.
        struct Soon;
        impl Endpoint for Soon {
            async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
                let expires = chrono::DateTime::from_timestamp(1_767_225_600 + 30, 0);
                Ok(Identity::named(connect.name.expect("a name")).with_expires(expires))
            }
        }
        let scene = Scene::new(way, Soon, limits());
        let eve = scene.enter("eve");
        flood(&eve);
        scene.world.advance(SECOND * 31);
        assert_eq!(eve.close(), Some(Close::EXPIRED));
        // A wire that is gone is seen by the next ping.
        let scene = Scene::new(way, OpenChat::default(), limits());
        let zoe = scene.enter("zoe");
        flood(&zoe);
        zoe.cut();
        scene.world.advance(SECOND * 26);
        assert_eq!(zoe.close(), Some(Close::DISCONNECTED));
    });
}

/// Checks that the task of a session that is not read does not run.
#[test]
fn who_is_not_read_costs_no_turns() {
    each_way(|way| {
        let requests = Rate { per_second: 1, burst: 20 };
        let scene = Scene::new(way, OpenChat::default(), Limits::default().with_requests(requests));
        let ann = scene.enter("ann");
        (0..6).for_each(|_| ann.say(&vec!["ping"; 20].join("\n")));
        scene.world.settle();
        assert!(!scene.world.turn());
        let mut turns = 0;
        for _ in 0..100 {
            ann.wire().put(Ok(Incoming::Text("ping".into())));
            while scene.world.turn() {
                turns += 1;
            }
        }
        assert!(turns <= 1, "{turns} turns for what is not read");
    });
}

#[test]
fn what_a_user_asked_for_before_it_came_back_counts_with_what_it_asks_for_then() {
    each_way(|way| {
        let scene = Scene::new(way, Named, Limits::default());
        let said = |times: usize| vec!["publish room 1"; times].join("\n");
        for _ in 0..5 {
            let ann = scene.enter("ann");
            ann.say(&format!("subscribe room\n{}", said(198)));
            // One that is not read hears of nothing but the server's own close.
            scene.hub.disconnect_user(&"u-ann".parse().expect("a name"), &Close::NORMAL);
            assert_eq!(ann.close(), Some(Close::NORMAL));
        }
        let published = scene.hub.stats().publications;
        assert!(published <= 2 * 198, "{published} at once, of one who came back and back");
        let ann = scene.enter("ann");
        ann.say(&format!("subscribe room\n{}", said(10)));
        scene.world.advance(SECOND * 20);
        assert_eq!(scene.hub.stats().publications, published + 10, "it is heard once there is room");
    });
}

#[test]
fn a_message_is_decoded_no_further_than_a_session_may_ask_for() {
    let limits = Limits::default();
    let json = "{\"send\":{}}\n".repeat(10_000);
    let pongs = "{}\n".repeat(10_000);
    let protobuf = b"\x02\x62\x00".repeat(10_000);
    let in_bytes = Centrifuge::default().in_protobuf();
    for (protocol, connect, message) in [
        (
            &Centrifuge::default() as &dyn Protocol,
            Message::Text(r#"{"id":1,"connect":{}}"#),
            Message::Text(&json),
        ),
        (&Centrifuge::default(), Message::Text(r#"{"id":1,"connect":{}}"#), Message::Text(&pongs)),
        (&*in_bytes, Message::Binary(b"\x04\x08\x01\x22\x00"), Message::Binary(&protobuf)),
    ] {
        let mut codec = protocol.session_codec(SessionId(1), &limits);
        codec.decode(connect, &mut Requests::at_most(1));
        let mut requests = Requests::at_most(329);
        codec.decode(message, &mut requests);
        assert!(requests.is_full() && requests.all().len() <= 329, "{}", requests.all().len());
    }
}

/// Has calls that wait until they may go on, as for a lock that others want too, and counts those that did.
#[derive(Clone, Default)]
struct Waits {
    gate: Arc<Mutex<Option<Receiver<()>>>>,
    went_on: Arc<AtomicUsize>,
}

impl Endpoint for Waits {
    async fn call(&self, _: &SessionInfo, _: Call) -> Result<Payload, Refusal> {
        let gate = self.gate.lock().expect("nobody panics").take();
        gate.expect("there is one call").await.expect("it opens");
        self.went_on.fetch_add(1, Ordering::Relaxed);
        Ok(Payload::null())
    }
}

#[test]
fn a_hook_that_was_begun_goes_on_though_its_client_takes_no_answer() {
    each_way(|way| {
        let (waits, (open, gate)) = (Waits::default(), channel());
        *waits.gate.lock().expect("nobody panics") = Some(gate);
        let scene = Scene::new(way, waits.clone(), Limits::default());
        let ann = scene.enter("ann");
        ann.wire().stall();
        ann.say("call wait 1\ncall never 1");
        let session = scene.hub.sessions_of(&"ann".parse().expect("a name"))[0];
        let enough = Limits::default().outbox_frames / 4;
        (0..=enough).for_each(|_| _ = scene.hub.send(session, &Payload::null()));
        scene.world.settle();
        open.send(()).expect("the hook waits");
        scene.world.settle();
        assert_eq!(waits.went_on.load(Ordering::Relaxed), 1, "and the next request is not begun");
        assert_eq!(ann.close(), None);
    });
}
