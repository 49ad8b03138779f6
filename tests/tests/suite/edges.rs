//! Tests the promises to a session that joins, leaves, publishes or is slow, whatever the others do.

use chat_core::testkit::Way;
use chat_core::{Close, Limits, OpenChat, Payload, SessionId};
use chat_tests::scene::{Scene, each_way};

fn small_outbox() -> Limits {
    Limits::default().with_outbox_frames(10).with_outbox_bytes(1000)
}

#[test]
fn who_wants_not_to_hear_itself_hears_the_others() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let (ann, bob) = (scene.enter("ann"), scene.join("bob", "room"));
        ann.say("subscribe room quietly");
        ann.say("publish room 1");
        bob.say("publish room 2");
        ann.say("publish room 3");
        assert_eq!(ann.heard(), ["subscribed room 0", "message room 2 bob 2"]);
        assert_eq!(bob.heard(), ["message room 1 ann 1", "message room 2 bob 2", "message room 3 ann 3"]);
    });
}

#[test]
fn a_server_publishes_in_its_own_name_to_who_is_there() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let ann = scene.join("ann", "room");
        let there = scene.hub.publish("room", Payload::json("1")).expect("a name");
        let nobody = scene.hub.publish("elsewhere", Payload::json("2")).expect("a name");
        assert_eq!((there.subscribers(), nobody.subscribers()), (1, 0));
        assert!(scene.hub.publish("", Payload::null()).is_err());
        assert_eq!(ann.heard(), ["message room 1 server 1"]);
        assert_eq!(scene.hub.stats().channels, 1);
    });
}

#[test]
fn a_reader_that_is_over_its_frames_is_closed_as_slow_and_no_other() {
    each_way(|way| {
        let scene = Scene::new(way, OpenChat::default(), small_outbox());
        let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
        bob.wire().stall();
        for n in 0..11 {
            assert_eq!(bob.close(), None, "{n} wait");
            ann.say(&format!("publish room {n}"));
        }
        bob.wire().flow();
        assert_eq!(bob.close(), Some(Close::SLOW));
        assert_eq!(bob.heard().last().expect("a close"), "close 3008 slow");
        assert_eq!(ann.heard().len(), 11);
        let stats = scene.hub.stats();
        assert_eq!((stats.sessions, stats.subscriptions), (1, 1));
        assert_eq!(
            (stats.deliveries, stats.dropped["slow"]),
            (21, 11),
            "ten were handed over and then dropped"
        );
    });
}

#[test]
fn a_reader_that_is_over_its_bytes_is_closed_as_slow() {
    each_way(|way| {
        let scene = Scene::new(way, OpenChat::default(), small_outbox());
        let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
        bob.wire().stall();
        ann.say(&format!("publish room {}", "x".repeat(600)));
        assert_eq!(scene.hub.stats().sessions, 2);
        ann.say(&format!("publish room {}", "y".repeat(600)));
        bob.wire().flow();
        assert_eq!(bob.close(), Some(Close::SLOW));
    });
}

#[test]
fn a_reader_that_is_slow_but_within_its_bounds_gets_everything_in_order() {
    each_way(|way| {
        let scene = Scene::new(way, OpenChat::default(), small_outbox());
        let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
        let mut heard = Vec::new();
        for round in 0..20 {
            bob.wire().give_room(round % 3);
            for n in 0..8 {
                ann.say(&format!("publish room {n}"));
            }
            bob.wire().flow();
            heard.extend(bob.heard());
        }
        assert_eq!(heard, ann.heard());
        assert_eq!(heard.len(), 160);
    });
}

#[test]
fn a_reader_of_a_byte_at_a_time_gets_whole_frames() {
    let scene = Scene::open_chat(Way::Bytes);
    let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
    bob.wire().stall();
    ann.say("publish room 1");
    bob.say("#1 call what");
    ann.say("publish room 2");
    let mut heard = Vec::new();
    for _ in 0..200 {
        bob.wire().give_room(1);
        heard.extend(bob.heard());
    }
    assert_eq!(
        heard,
        ["#1 error 104 there is no method \"what\"", "message room 1 ann 1", "message room 2 ann 2"],
        "answers do not wait behind publications"
    );
}

#[test]
fn nothing_of_a_channel_follows_the_answer_to_unsubscribe_though_it_was_waiting() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
        bob.say("subscribe other");
        ann.say("subscribe other");
        assert_eq!(bob.heard(), ["subscribed other 0"]);
        bob.wire().stall();
        ann.say("publish room 1");
        ann.say("publish other 2");
        bob.say("unsubscribe room");
        ann.say("publish room 3");
        bob.wire().flow();
        assert_eq!(bob.heard(), ["unsubscribed room", "message other 1 ann 2"]);
        assert_eq!(scene.hub.stats().dropped["left"], 1);
    });
}

#[test]
fn what_was_published_before_an_unsubscribe_comes_before_its_answer() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let ann = scene.join("ann", "room");
        ann.wire().put(Ok(chat_core::transport::Incoming::Text("publish room 1".into())));
        ann.wire().put(Ok(chat_core::transport::Incoming::Text("unsubscribe room".into())));
        ann.say("publish room 2");
        assert_eq!(
            ann.heard(),
            [
                "message room 1 ann 1",
                "unsubscribed room",
                "error 103 only subscribers of \"room\" may publish to it"
            ]
        );
    });
}

#[test]
fn a_client_that_asks_and_never_reads_is_closed_as_slow() {
    each_way(|way| {
        let scene = Scene::new(way, OpenChat::default(), small_outbox());
        let ann = scene.enter("ann");
        ann.wire().stall();
        (0..12).for_each(|_| ann.say("ping"));
        scene.world.advance(scene.hub.limits().write_timeout);
        ann.wire().flow();
        assert_eq!(ann.close(), Some(Close::SLOW));
    });
}

#[test]
fn a_session_that_overruns_itself_while_it_is_at_work_is_closed_at_once() {
    each_way(|way| {
        let scene = Scene::new(way, OpenChat::default(), small_outbox());
        let ann = scene.join("ann", "room");
        ann.wire().stall();
        scene.hub.publish("room", Payload::null()).expect("a name");
        (0..11).for_each(|n| {
            ann.wire().put(Ok(chat_core::transport::Incoming::Text(format!("publish room {n}"))));
        });
        scene.world.settle();
        assert_eq!(scene.hub.stats().subscriptions, 0);
        ann.wire().flow();
        assert_eq!(ann.close(), Some(Close::SLOW));
    });
}

#[test]
fn a_flood_of_one_session_does_not_hold_up_another() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
        for n in 0..1000 {
            ann.wire().put(Ok(chat_core::transport::Incoming::Text(format!("publish room {n}"))));
        }
        bob.say("publish room \"me too\"");
        let place = bob.heard().iter().position(|line| line.ends_with("\"me too\"")).expect("it was said");
        assert!(place <= 2 * Limits::default().turn_messages, "it came after {place} others");
    });
}

#[test]
fn a_channel_is_gone_with_its_last_subscriber_however_that_one_goes() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let clients: Vec<_> = (0..5).map(|n| scene.join(&format!("c{n}"), "room")).collect();
        clients[0].say("unsubscribe room");
        clients[1].put(Ok(chat_core::transport::Incoming::Close(Some(1000))));
        clients[2].cut();
        clients[3].wire().break_writes();
        assert_eq!(scene.hub.stats().subscriptions, 2, "a broken wire shows when something is written");
        scene.hub.publish("room", Payload::null()).expect("a name");
        scene.world.settle();
        assert_eq!(scene.hub.stats().subscriptions, 1);
        assert!(scene.hub.disconnect(SessionId(5), Close::new(4000, "enough")));
        assert_eq!(clients[4].heard().last().expect("a close"), "close 4000 enough");
        let stats = scene.hub.stats();
        assert_eq!((stats.channels, stats.subscriptions, stats.sessions), (0, 0, 1));
        assert!(!scene.hub.disconnect(SessionId(5), Close::NORMAL), "it is gone");
    });
}
