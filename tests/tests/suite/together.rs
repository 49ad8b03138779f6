//! Tests the bounds on all sessions and all channels together, each at the bound and one past it.

use std::time::Duration;

use chat_core::testkit::{Way, World};
use chat_core::{Close, Hub, HubBuilder, Limits, OpenChat, Payload, Rate};
use chat_tests::scene::{Scene, each_way};

const SECOND: Duration = Duration::from_secs(1);

/// Is the number of bytes before each message on a wire that carries bytes.
const MARK: usize = 5;

fn keeping(limits: Limits) -> HubBuilder {
    Hub::builder(OpenChat::default()).limits(limits).history(1000, SECOND * 600)
}

#[test]
fn what_waits_for_all_has_a_bound_and_the_slowest_go_first() {
    // A frame weighs 32 bytes beside its own.
    each_way(|way| {
        let said = "message r 1 server ".len() + 1000 + 32;
        let limits = Limits::default().with_total_outbox_bytes(10 * said);
        let scene = Scene::new(way, OpenChat::default(), limits);
        let (slowest, slow) = (scene.join("slowest", "r"), scene.join("slow", "s"));
        slowest.wire().stall();
        slow.wire().stall();
        let content = Payload::json_unchecked("x".repeat(1000));
        let publish = |channel: &str| {
            scene.hub.publish(channel, content.clone()).expect("a name");
        };
        (0..3).for_each(|_| publish("s"));
        (0..7).for_each(|_| publish("r"));
        assert_eq!((slowest.close(), slow.close()), (None, None));
        publish("r");
        slowest.wire().flow();
        assert_eq!((slowest.close(), slow.close()), (Some(Close::SLOW), None));
    });
}

#[test]
fn answers_that_nobody_takes_count_for_all_together_too() {
    each_way(|way| {
        let mark = if way == Way::Bytes { MARK } else { 0 };
        let said = "history r 1 1:".len() + 1000 + mark + 32;
        let limits = Limits::default().with_total_outbox_bytes(10 * said);
        let scene = Scene::of(World::new(), way, keeping(limits));
        let (slowest, slow) = (scene.join("slowest", "r"), scene.join("slow", "r"));
        scene.hub.publish("r", Payload::json_unchecked("x".repeat(1000))).expect("a name");
        assert_eq!((slowest.heard().len(), slow.heard().len()), (1, 1));
        slowest.wire().stall();
        slow.wire().stall();
        (0..3).for_each(|_| slow.say("history r"));
        (0..7).for_each(|_| slowest.say("history r"));
        assert_eq!((slowest.close(), slow.close()), (None, None));
        slow.say("history r");
        slowest.wire().flow();
        assert_eq!((slowest.close(), slow.close()), (Some(Close::SLOW), None));
    });
}

#[test]
fn frames_that_others_have_begun_and_do_not_take_cost_nobody_else_the_session() {
    let limits = Limits::default().with_total_outbox_bytes(10_000);
    let scene = Scene::new(Way::Bytes, OpenChat::default(), limits);
    let well = scene.join("well", "r");
    let stalled: Vec<_> = (0..20).map(|n| scene.join(&format!("s{n}"), "r")).collect();
    stalled.iter().for_each(|client| client.wire().give_room(10));
    for n in 1..=5 {
        scene.hub.publish("r", Payload::json_unchecked("x".repeat(1000))).expect("a name");
        assert_eq!(well.heard().len(), 1, "message {n}");
        scene.world.settle();
    }
    assert_eq!(well.close(), None);
    assert!(scene.hub.stats().outbox_bytes <= 10_000);
    assert!(stalled.iter().any(|client| client.close().is_some()));
}

#[test]
fn what_was_promised_to_who_comes_back_counts_for_all_together_until_it_is_taken() {
    each_way(|way| {
        let limits = Limits::default().with_total_outbox_bytes(20_000);
        let scene = Scene::of(World::new(), way, keeping(limits));
        let _stays = scene.join("stays", "r");
        let (few, many) = (scene.join("few", "other"), scene.join("many", "other"));
        let room = "r".parse().expect("a name");
        let wish = chat_core::HistoryRequest::of(room, 1);
        let epoch = scene.hub.history(&wish).expect("it is there").epoch;
        (0..18).for_each(|_| {
            scene.hub.publish("r", Payload::json_unchecked("x".repeat(1000))).expect("a name");
        });
        few.wire().stall();
        many.wire().stall();
        scene.hub.publish("other", Payload::json("1")).expect("a name");
        few.say(&format!("subscribe r since {epoch} 17"));
        many.say(&format!("subscribe r since {epoch} 5"));
        assert_eq!((few.close(), many.close()), (None, None));
        few.say("unsubscribe r");
        few.say(&format!("subscribe r since {epoch} 13"));
        many.wire().flow();
        assert_eq!((few.close(), many.close()), (None, Some(Close::SLOW)));
        few.wire().flow();
        assert_eq!(few.heard().iter().filter(|line| line.starts_with("message r ")).count(), 5);
        assert_eq!(scene.hub.stats().outbox_bytes, 0);
    });
}

#[test]
fn a_hub_has_as_many_sessions_as_the_bound_says() {
    let scene = Scene::new(Way::Bytes, OpenChat::default(), Limits::default().with_sessions(3));
    let seats: Vec<_> = (0..3).map(|_| scene.hub.acceptor().permit().expect("there is room")).collect();
    assert!(scene.hub.acceptor().permit().is_err());
    assert_eq!(scene.hub.stats().turned_away, 1);
    drop(seats);
    assert!(scene.hub.acceptor().permit().is_ok());
}

#[test]
fn what_all_channels_keep_has_a_bound_and_those_go_first_that_nobody_is_in() {
    each_way(|way| {
        // What is kept of a publication weighs 256 bytes beside its content, and a channel that nobody is in
        // 800 beside its name.
        let bound = 20 * (1000 + 256) + 800 + "idle".len();
        let limits = Limits::default().with_history_bytes(bound);
        let scene = Scene::of(World::new(), way, keeping(limits));
        let kept = |channel: &str| {
            let channel = channel.parse().expect("a name");
            scene
                .hub
                .history(&chat_core::HistoryRequest::of(channel, 99))
                .map_or(0, |page| page.publications.len())
        };
        let publish = |channel: &str, times| {
            let content = Payload::json_unchecked("x".repeat(1000));
            (0..times).for_each(|_| {
                scene.hub.publish(channel, content.clone()).expect("a name");
            });
        };
        let _ann = scene.join("ann", "room");
        publish("room", 10);
        publish("idle", 10);
        assert_eq!((kept("room"), kept("idle")), (10, 10), "exactly as much as may be");
        publish("room", 1);
        assert_eq!((kept("room"), kept("idle")), (11, 0));
        publish("room", 9);
        assert_eq!(kept("room"), 20);
        publish("room", 1);
        assert_eq!(kept("room"), 20, "no more goes than must");
        assert!(scene.hub.stats().history_bytes <= bound);
    });
}

#[test]
fn keys_weigh_with_what_all_channels_keep_and_the_oldest_are_forgotten_for_new_ones() {
    each_way(|way| {
        // What is kept of a key weighs 256 bytes beside it.
        let limits = Limits::default().with_history_bytes(20 * (256 + 4)).with_requests(Rate::UNBOUNDED);
        let scene = Scene::of(World::new(), way, Hub::builder(OpenChat::default()).limits(limits));
        let ann = scene.join("ann", "room");
        let once = |n: u32| {
            ann.heard();
            ann.say(&format!("#1 once room {n}"));
            ann.heard().iter().any(|line| line.ends_with(" already"))
        };
        (1001..=1020).for_each(|n| assert!(!once(n)));
        assert!(once(1001), "exactly as much as may be");
        assert!(!once(1021));
        assert!(!once(1001), "the oldest went");
        assert!(once(1021) && once(1020));
        assert!(scene.hub.stats().history_bytes <= 20 * (256 + 4));
    });
}
