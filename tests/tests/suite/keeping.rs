//! Tests that messages of stored channels are stored or counted as lost, whatever their store does.

use chat_core::runtime::Runtime;
use chat_core::transport::Incoming;
use chat_core::{HistoryRequest, Limits, OpenChat, Payload, Publish, Subscribe};
use chat_tests::keeping::{
    SECOND, close, come_back, durable, epoch, id, is_recovered, kept, publish, scene, scene_of, stop,
};
use chat_tests::scene::each_way;
use chat_tests::store::{Call, FaultyStore, Mood};
use futures::FutureExt;

#[test]
fn a_batch_that_nobody_waits_for_any_more_is_neither_lost_nor_called_stored() {
    each_way(|way| {
        for mood in [Mood::Hangs, Mood::Swallows, Mood::Slow(SECOND * 60)] {
            let store = FaultyStore::default();
            let first = scene(way, &store, kept(5));
            let ann = first.join("ann", "room");
            ann.say("publish room 1");
            let before = epoch(&first, "room");
            store.be_at(Call::Append, mood);
            ann.say("publish room 2");
            // Who closes it midway loses nothing; the writer has it still.
            assert!(first.hub.close_store(SECOND).now_or_never().is_none());
            assert_eq!(first.hub.stats().unstored, 0);
            assert!(!close(&first, SECOND), "{mood:?}");
            assert_eq!(first.hub.stats().unstored, 1);
            store.be(Mood::Well);
            assert!(!close(&first, SECOND), "once lost, it is not all stored: {mood:?}");
            ann.cut();
            first.world.advance(SECOND * 600);
            assert_eq!(first.hub.stats().channels, 0, "{mood:?}");
            let second = scene(way, &store, kept(5));
            let (_bob, heard) = come_back(&second, "bob", before, 1);
            assert!(!is_recovered(&heard), "{mood:?}: {heard:?}");
        }
    });
}

#[test]
fn a_close_that_is_dropped_or_given_up_leaves_a_batch_to_the_writer_that_is_only_slow() {
    each_way(|way| {
        let store = FaultyStore::default();
        let first = scene(way, &store, kept(5));
        let ann = first.join("ann", "room");
        store.be_at(Call::Append, Mood::Slow(SECOND));
        ann.say("publish room 1");
        let before = epoch(&first, "room");
        assert!(first.hub.close_store(SECOND * 5).now_or_never().is_none());
        assert!(close(&first, SECOND * 5));
        assert_eq!((first.hub.stats().unstored, store.offsets("room")), (0, vec![1]));
        let second = scene(way, &store, kept(5));
        let (_bob, heard) = come_back(&second, "bob", before, 0);
        assert!(is_recovered(&heard), "{heard:?}");
    });
}

#[test]
fn a_durable_publish_is_answered_as_stored_when_it_is_tried_again_after_the_log_moved_on() {
    each_way(|way| {
        let store = FaultyStore::default();
        let scene = scene(way, &store, durable(2));
        let ann = scene.enter("ann");
        ann.say("subscribe room quietly");
        ann.say("#1 once room k 1");
        (2..=5).for_each(|n| ann.say(&format!("publish room {n}")));
        ann.say("#2 once room k 1");
        assert_eq!(ann.heard().last().expect("an answer"), "#2 published room 1 already");
        // And one that could not be stored is stored by trying again, though the log holds it no more.
        store.be(Mood::Fails);
        ann.say("#3 once room l 6");
        store.be(Mood::Well);
        (7..=9).for_each(|n| ann.say(&format!("publish room {n}")));
        ann.heard();
        assert_eq!(store.offsets("room"), [1, 2, 3, 4, 5, 7, 8, 9]);
        ann.say("#4 once room l 6");
        assert_eq!(ann.heard(), ["#4 published room 6 already"]);
        assert_eq!(store.offsets("room").len(), 9);
    });
}

#[test]
fn a_drain_over_a_store_that_hangs_says_what_is_not_stored() {
    each_way(|way| {
        for mood in [Mood::Hangs, Mood::Swallows] {
            let store = FaultyStore::default();
            let scene = scene(way, &store, durable(5));
            let ann = scene.join("ann", "room");
            ann.say("publish room 1");
            store.be(mood);
            ann.say("publish room 2");
            ann.say("#3 publish room 3");
            publish(&scene, "other", "4");
            stop(&scene);
            assert_eq!(ann.close().expect("it ends").code(), 1001);
            let stats = scene.hub.stats();
            assert_eq!((stats.unstored, stats.store_errors), (3, 2), "{mood:?}");
            store.be(Mood::Well);
            assert!(!close(&scene, SECOND), "what was dropped once is not stored");
        }
    });
}

#[test]
fn a_drain_waits_for_what_the_server_published_to_channels_that_are_restored() {
    each_way(|way| {
        let store = FaultyStore::default();
        let scene = scene(way, &store, durable(5));
        store.be(Mood::Slow(SECOND));
        (0..5).for_each(|n| _ = publish(&scene, &format!("room{n}"), "1"));
        let (hub, wish) = (scene.hub.clone(), Publish::to(id("room5"), Payload::json("1")));
        scene.world.spawn(Box::pin(async move { drop(hub.publish_durable(wish).await) }));
        scene.world.settle();
        stop(&scene);
        assert_eq!((store.names().len(), scene.hub.stats().unstored), (6, 0));
        assert!((0..6).all(|n| store.offsets(&format!("room{n}")) == [1]));
    });
}

#[test]
fn what_the_server_waits_for_keeps_its_place_among_all_that_it_publishes_to_a_channel() {
    each_way(|way| {
        let store = FaultyStore::default();
        let scene = scene(way, &store, durable(5));
        store.be_for("room", Mood::Slow(SECOND));
        let (hub, first) = (scene.hub.clone(), Publish::to(id("room"), Payload::json("1")));
        let publishing =
            async move { hub.publish_durable(first).await.map(|said| said.offset().expect("a place").0) };
        let mut publishing = Box::pin(publishing);
        assert_eq!((&mut publishing).now_or_never(), None);
        publish(&scene, "room", "2");
        assert_eq!(scene.world.run(publishing), Ok(1));
        scene.world.settle();
        assert_eq!(store.contents("room"), [(1, "1".to_owned()), (2, "2".to_owned())]);
    });
}

#[test]
fn a_store_that_panics_ends_nothing() {
    each_way(|way| {
        for call in [Call::Open, Call::Append, Call::Read, Call::Recall, Call::Resume, Call::MarkRead] {
            let store = FaultyStore::default();
            let options = durable(5).with_presence(true);
            let first = scene(way, &store, options);
            let ann = first.join("ann", "old");
            ann.say("publish old 0");
            stop(&first);
            let second = scene(way, &store, options);
            store.be_at(call, Mood::Panics);
            publish(&second, "old", "1");
            let ann = second.join("ann", "room");
            ann.say("#1 publish room 1");
            ann.say("read room 1");
            second.world.settle();
            assert!(second.hub.stats().store_errors > 0, "{call:?}");
            store.be(Mood::Well);
            ann.heard();
            ann.say("subscribe later");
            ann.say("#2 publish later 2");
            assert!(ann.heard().contains(&"#2 published later 1".to_owned()), "{call:?}");
            publish(&second, "room2", "3");
            second.world.settle();
            assert_eq!((store.offsets("later"), store.offsets("room2")), (vec![1], vec![1]), "{call:?}");
        }
        let store = FaultyStore::default();
        let scene = scene(way, &store, kept(5));
        scene.join("ann", "room").say("publish room 1");
        store.be_at(Call::Close, Mood::Panics);
        assert!(!close(&scene, SECOND));
        store.be(Mood::Well);
        assert!(close(&scene, SECOND));
    });
}

#[test]
fn futures_that_are_dropped_midway_leave_nothing_behind() {
    each_way(|way| {
        let store = FaultyStore::default();
        let scene = scene(way, &store, kept(5));
        store.be(Mood::Slow(SECOND));
        let publish = Publish::to(id("room"), Payload::json("1"));
        assert_eq!(scene.hub.publish_durable(publish).now_or_never(), None);
        let (room, other) = (HistoryRequest::of(id("room"), 9), HistoryRequest::of(id("other"), 9));
        assert_eq!(scene.hub.read_history(&room).now_or_never(), None);
        assert_eq!(scene.hub.read_history(&other).now_or_never(), None);
        let ann = scene.enter("ann");
        ann.wire().put(Ok(Incoming::Text("subscribe third".into())));
        let bob = scene.enter("bob");
        scene.hub.subscribe_user(&"bob".parse().expect("a name"), &Subscribe::to(id("fourth")));
        scene.world.settle();
        ann.cut();
        bob.cut();
        scene.world.advance(SECOND * 10);
        assert_eq!(store.names(), ["room"], "it is published, for nobody took it back");
        scene.world.advance(SECOND * 70);
        let stats = scene.hub.stats();
        assert_eq!((stats.channels, stats.history_bytes, stats.unstored), (0, 0, 0));
    });
}

#[test]
fn a_queue_for_the_store_that_is_full_ends_the_epoch_at_once() {
    each_way(|way| {
        let store = FaultyStore::default();
        let limits = Limits::default().with_store_bytes(600);
        let first = scene_of(way, &store, OpenChat::default(), kept(9), limits.clone());
        let ann = first.join("ann", "room");
        ann.say("publish room 1");
        let before = epoch(&first, "room");
        store.be(Mood::Hangs);
        (2..=6).for_each(|n| ann.say(&format!("publish room {n}")));
        let lost = first.hub.stats().unstored;
        assert!(lost > 0);
        // Another channel that is closed in order has nothing to do with that life any more.
        store.be(Mood::Well);
        assert!(!close(&first, SECOND));
        let second = scene_of(way, &store, OpenChat::default(), kept(9), limits);
        let (_bob, heard) = come_back(&second, "bob", before, 1);
        assert!(!is_recovered(&heard), "{heard:?}");
    });
}
