//! What is promised of stored channels holds whatever their store does, and channels that nobody is in keep to their bound.

use std::time::Duration;

use chat_core::testkit::{Client, Way, World};
use chat_core::{
    ChannelId, ChannelOptions, Connect, Endpoint, Epoch, HistoryOptions, HistoryRequest, Hub, Identity,
    Incoming, Limits, OpenChat, Payload, Publish, Rate, Refusal, Runtime, SessionId, SessionInfo, Standing,
    Storage, Subscribe,
};
use chat_tests::scene::{Scene, each_way};
use chat_tests::seed::each_seed;
use chat_tests::store::{Call, FaultyStore, Mood};
use futures::FutureExt;

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

fn kept(entries: usize) -> ChannelOptions {
    let history = HistoryOptions { entries, bytes: 1 << 20, age: SECOND * 60 };
    ChannelOptions { history, storage: Storage::Kept, ..ChannelOptions::default() }
}

fn durable(entries: usize) -> ChannelOptions {
    ChannelOptions { storage: Storage::Durable, ..kept(entries) }
}

/// A hub over this store, in a world of its own: another process to the store.
fn scene(way: Way, store: &FaultyStore, options: ChannelOptions) -> Scene {
    scene_of(way, store, OpenChat::default(), options, Limits::default())
}

fn scene_of(
    way: Way,
    store: &FaultyStore,
    endpoint: impl Endpoint,
    options: ChannelOptions,
    limits: Limits,
) -> Scene {
    let world = World::new();
    store.move_to(&world);
    Scene::of(world, way, Hub::builder(endpoint).limits(limits).channel(options).store(store.clone()))
}

fn stop(scene: &Scene) {
    let hub = scene.hub.clone();
    scene.world.run(async move { hub.drain(SECOND * 30).await });
}

fn close(scene: &Scene, patience: Duration) -> bool {
    let hub = scene.hub.clone();
    scene.world.run(async move { hub.close_store(patience).await })
}

fn id(name: &str) -> ChannelId {
    name.parse().expect("a name")
}

fn epoch(scene: &Scene, channel: &str) -> Epoch {
    scene.hub.history(&HistoryRequest::of(id(channel), 1)).expect("it is there").epoch
}

fn publish(scene: &Scene, channel: &str, content: &str) -> u64 {
    scene.hub.publish(channel, Payload::json(content)).expect("a name").offset.0
}

fn come_back(scene: &Scene, name: &str, epoch: Epoch, offset: u64) -> (Client, Vec<String>) {
    let client = scene.enter(name);
    client.say(&format!("subscribe room since {epoch} {offset}"));
    let heard = client.heard();
    (client, heard)
}

fn is_recovered(heard: &[String]) -> bool {
    heard.iter().any(|line| line.starts_with("subscribed ") && line.contains(" recovered "))
}

/// Stored, but for channels whose names begin with this.
struct But(&'static str, HistoryOptions);

impl Endpoint for But {
    fn channel(&self, channel: &ChannelId, defaults: ChannelOptions) -> ChannelOptions {
        if channel.as_str().starts_with(self.0) {
            ChannelOptions { storage: Storage::None, history: self.1, ..defaults }
        } else {
            defaults
        }
    }
}

#[test]
fn what_was_said_while_a_store_could_not_restore_a_channel_is_counted_and_ends_its_epoch() {
    each_way(|way| {
        for mood in [Mood::Hangs, Mood::Fails, Mood::Panics, Mood::Swallows, Mood::Lies] {
            let store = FaultyStore::default();
            let scene = scene(way, &store, kept(5));
            let ann = scene.join("ann", "room");
            ann.say("publish room 1");
            let before = epoch(&scene, "room");
            ann.cut();
            scene.world.advance(SECOND * 70);
            store.be(mood);
            let dan = scene.enter("dan");
            dan.say("subscribe room");
            scene.world.advance(SECOND * 5);
            dan.say("publish room 2");
            dan.say("publish room 3");
            dan.cut();
            scene.world.advance(SECOND * 70);
            store.be(Mood::Well);
            let (_ann, heard) = come_back(&scene, "ann", before, 1);
            assert!(!is_recovered(&heard), "{mood:?}: {heard:?}");
            assert_eq!((scene.hub.stats().unstored, store.offsets("room")), (2, vec![1]), "{mood:?}");
        }
    });
}

/// Puts ann into two channels, one of them busy with what is not stored.
struct PutIn;

impl Endpoint for PutIn {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let name = connect.name.expect("a name");
        let into: &[_] = if name.as_str() == "ann" { &["a", "b"] } else { &[] };
        let subscriptions = into.iter().map(|channel| Subscribe::to(id(channel))).collect();
        Ok(Identity { subscriptions, ..Identity::named(name) })
    }

    fn channel(&self, channel: &ChannelId, defaults: ChannelOptions) -> ChannelOptions {
        But("busy", defaults.history).channel(channel, defaults)
    }
}

#[test]
fn a_channel_that_was_restored_stays_until_it_is_used_however_full_all_histories_are() {
    each_way(|way| {
        let store = FaultyStore::default();
        let options = ChannelOptions { history: HistoryOptions::default(), ..kept(0) };
        for options in [kept(1000), options] {
            let limits = Limits { history_bytes: 2_000, ..Limits::default() };
            let scene = scene_of(way, &store, PutIn, options, limits);
            let dan = scene.join("dan", "a");
            dan.say("publish a 1");
            dan.say("unsubscribe a");
            dan.say("subscribe busy");
            scene.world.advance(SECOND * 10);
            store.be_for("b", Mood::Slow(MILLI * 500));
            let ann = scene.enter("ann");
            (0..100).for_each(|n| _ = publish(&scene, "busy", &n.to_string()));
            scene.world.advance(SECOND);
            let before = store.offsets("a").len();
            ann.say("publish a 2");
            assert_eq!(store.offsets("a").len(), before + 1, "{:?}", ann.heard());
            assert_eq!(scene.hub.stats().unstored, 0);
        }
    });
}

#[test]
fn a_channel_is_restored_while_others_of_its_shard_come_and_go() {
    each_way(|way| {
        let world = World::new();
        let store = FaultyStore::within(&world);
        store.be(Mood::Slow(MILLI * 50));
        let endpoint = But("plain", HistoryOptions::default());
        let hub = Hub::builder(endpoint).shards(1).channel(kept(5)).store(store.clone());
        let scene = Scene::of(world, way, hub);
        let (ann, eve) = (scene.enter("ann"), scene.enter("eve"));
        ann.wire().put(Ok(Incoming::Text("subscribe room".into())));
        for _ in 0..50 {
            eve.say("subscribe plain");
            eve.say("unsubscribe plain");
            scene.world.advance(MILLI * 40);
        }
        assert_eq!(ann.heard(), ["subscribed room 0"]);
        assert_eq!(store.calls(), [Call::Resume], "once");
    });
}

#[test]
fn many_channels_are_restored_while_all_histories_are_full() {
    let world = World::new();
    let store = FaultyStore::within(&world);
    store.be(Mood::Slow(MILLI * 5));
    let limits = Limits { history_bytes: 1 << 18, requests: Rate::UNBOUNDED, ..Limits::default() };
    let hub = Hub::builder(But("dm-", kept(100).history)).limits(limits).channel(kept(100));
    let scene = Scene::of(world, Way::Bytes, hub.store(store));
    let mut count = 0;
    let mut say = || {
        count += 1;
        publish(&scene, &format!("dm-{count}"), "\"hello\"");
    };
    (0..1500).for_each(|_| say());
    let clients: Vec<_> = (0..100).map(|n| scene.enter(&format!("c{n}"))).collect();
    for (n, client) in clients.iter().enumerate() {
        client.wire().put(Ok(Incoming::Text(format!("subscribe room-{n}"))));
    }
    for _ in 0..500 {
        say();
        scene.world.advance(MILLI);
    }
    assert_eq!(scene.hub.stats().subscriptions, 100);
}

/// Publishes all elsewhere.
struct Elsewhere;

impl Endpoint for Elsewhere {
    async fn publish(&self, _: &SessionInfo, what: Publish, _: Standing) -> Result<Publish, Refusal> {
        Ok(Publish { channel: id("out"), ..what })
    }
}

#[test]
fn what_an_endpoint_publishes_elsewhere_is_stored_there() {
    each_way(|way| {
        let store = FaultyStore::default();
        let scene = scene_of(way, &store, Elsewhere, durable(5), Limits::default());
        let ann = scene.join("ann", "in");
        ann.say("#1 publish in 1");
        assert_eq!(ann.heard(), ["#1 published out 1"]);
        assert_eq!((store.names(), store.offsets("out")), (vec!["out".to_owned()], vec![1]));
    });
}

#[test]
fn what_a_server_publishes_first_is_heard_first_whichever_channel_is_slow() {
    each_way(|way| {
        for slow in ["other", "room"] {
            let store = FaultyStore::default();
            let scene = scene(way, &store, kept(5));
            store.be_for(slow, Mood::Slow(SECOND));
            publish(&scene, "other", "0");
            publish(&scene, "room", "1");
            let ann = scene.enter("ann");
            ann.say("subscribe room");
            publish(&scene, "room", "2");
            scene.world.advance(SECOND * 2);
            ann.say("history room");
            let heard = ann.heard();
            assert_eq!(heard.last().expect("an answer"), "history room 2 1:1 2:2", "{heard:?}");
            assert_eq!(store.contents("room"), [(1, "1".to_owned()), (2, "2".to_owned())]);
        }
    });
}

#[test]
fn one_channel_that_is_never_restored_holds_up_no_other_for_long() {
    each_way(|way| {
        let store = FaultyStore::default();
        let scene = scene(way, &store, kept(5));
        store.be_for("stuck", Mood::Hangs);
        publish(&scene, "stuck", "0");
        (0..50).for_each(|n| _ = publish(&scene, &format!("room{n}"), "1"));
        scene.world.advance(SECOND * 2);
        assert_eq!(store.names().len(), 50);
        scene.world.advance(SECOND * 4);
        assert_eq!(scene.hub.stats().unstored, 1, "that one goes on without the store");
    });
}

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
            assert_eq!(first.hub.close_store(SECOND).now_or_never(), None);
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
        assert_eq!(first.hub.close_store(SECOND * 5).now_or_never(), None);
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
fn what_is_restored_keeps_to_the_bound_of_histories() {
    each_way(|way| {
        let store = FaultyStore::default();
        let first = scene(way, &store, kept(1000));
        let ann = first.enter("ann");
        for n in 0..20 {
            ann.say(&format!("subscribe room{n}"));
            (0..4).for_each(|_| ann.say(&format!("publish room{n} \"{}\"", "x".repeat(5000))));
            first.world.advance(SECOND);
        }
        stop(&first);
        let limits = Limits { history_bytes: 50_000, ..Limits::default() };
        let second = scene_of(way, &store, OpenChat::default(), kept(1000), limits);
        let bob = second.enter("bob");
        for n in 0..20 {
            bob.say(&format!("subscribe room{n}"));
            assert!(second.hub.stats().history_bytes <= 50_000, "{}", second.hub.stats().history_bytes);
            if n % 2 == 0 {
                bob.say(&format!("unsubscribe room{n}"));
            }
        }
        for n in 0..20 {
            let read = second.world.run({
                let hub = second.hub.clone();
                async move { hub.read_history(&HistoryRequest::of(id(&format!("room{n}")), 9)).await }
            });
            assert_eq!(read.expect("it is there").publications.len(), 4, "the store has it all the same");
            assert!(second.hub.stats().history_bytes <= 50_000);
        }
    });
}

#[test]
fn a_walk_of_an_earlier_life_of_a_stored_channel_leaves_the_present_one_alone() {
    each_seed(3, |seed, _| {
        let world = World::seeded(seed);
        let store = FaultyStore::within(&world);
        let options = ChannelOptions { history: HistoryOptions::default(), ..kept(0) };
        let limits = Limits { requests: Rate::UNBOUNDED, ..Limits::default() };
        let hub =
            Hub::builder(OpenChat::default()).limits(limits).shards(1).channel(options).store(store.clone());
        let scene = Scene::of(world, Way::Bytes, hub);
        let clients: Vec<_> = (0..1100).map(|n| scene.enter(&format!("c{n}"))).collect();
        let all = |text: &str| clients.iter().for_each(|one| one.wire().put(Ok(Incoming::Text(text.into()))));
        all("subscribe room");
        scene.world.settle();
        publish(&scene, "room", "0");
        while store.offsets("room").is_empty() {
            assert!(scene.world.turn());
        }
        all("unsubscribe room");
        while scene.hub.stats().channels > 0 && scene.world.turn() {}
        all("subscribe room");
        while scene.hub.stats().subscriptions < 1100 && scene.world.turn() {}
        let mut said = 0;
        while scene.world.turn() {
            if said < 20 {
                said += 1;
                publish(&scene, "room", &said.to_string());
            }
        }
        for client in &clients {
            let heard = client.heard();
            let from = heard.iter().rposition(|line| line.starts_with("subscribed")).expect("it is in");
            let offset = |line: &String| line.split(' ').nth(2).and_then(|word| word.parse::<u64>().ok());
            let offsets: Vec<_> = heard[from..].iter().filter_map(offset).collect();
            assert!(offsets.is_sorted_by(|one, next| one + 1 == *next), "{offsets:?}");
        }
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
            assert_eq!(ann.close().expect("it ends").code, 1001);
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
        scene.world.spawn(Box::pin(async move { drop(hub.publish_stored(wish).await) }));
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
        let publishing = async move { hub.publish_stored(first).await.map(|said| said.offset.0) };
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
            let options = ChannelOptions { presence: true, ..durable(5) };
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
        assert_eq!(scene.hub.publish_stored(publish).now_or_never(), None);
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
        let limits = Limits { store_bytes: 600, ..Limits::default() };
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

#[test]
fn a_channel_whose_opening_failed_takes_no_other_with_it() {
    each_way(|way| {
        let store = FaultyStore::default();
        let scene = scene(way, &store, kept(9));
        let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "other"));
        bob.say("publish other 1");
        let room = id("room");
        store.decide(move |call, channel| match call {
            Call::Open if channel == Some(&room) => Mood::Fails,
            Call::Append => Mood::Slow(SECOND),
            _ => Mood::Well,
        });
        // They wait together while a batch of another is on its way.
        bob.say("publish other 2");
        ann.say("publish room 1");
        scene.world.advance(MILLI * 1500);
        ann.say("publish room 2");
        bob.say("publish other 3");
        store.be(Mood::Well);
        ann.say("publish room 3");
        scene.world.advance(SECOND * 5);
        assert_eq!(store.offsets("other"), [1, 2, 3]);
        assert_eq!(store.offsets("room").len() as u64 + scene.hub.stats().unstored, 3);
        assert_eq!(store.offsets("room").last(), Some(&3));
    });
}

#[test]
fn a_history_of_an_unknown_name_makes_neither_a_row_nor_a_channel_and_a_name_that_was_joined_no_row() {
    each_way(|way| {
        let store = FaultyStore::default();
        let scene = scene(way, &store, kept(9));
        let hub = scene.hub.clone();
        let page = scene.world.run(async move { hub.read_history(&HistoryRequest::of(id("no"), 9)).await });
        assert_eq!((page, scene.hub.stats().channels), (None, 0));
        let ann = scene.join("ann", "room");
        ann.say("signal room 1");
        ann.say("unsubscribe room");
        scene.world.advance(SECOND * 70);
        assert_eq!((store.names().len(), scene.hub.stats().channels), (0, 0));
    });
}

#[test]
fn hubs_of_one_process_have_different_lives_in_a_store() {
    each_way(|way| {
        let store = FaultyStore::default();
        let first = scene(way, &store, kept(9));
        first.join("ann", "room").say("publish room 1");
        let before = epoch(&first, "room");
        // The same clock, the same randomness; the first never closed.
        let second = scene(way, &store, kept(9));
        let (_ann, heard) = come_back(&second, "ann", before, 1);
        assert!(!is_recovered(&heard), "{heard:?}");
    });
}

#[test]
fn a_personal_channel_keeps_its_place_for_as_long_as_its_history_lasts() {
    each_way(|way| {
        let options = ChannelOptions { storage: Storage::None, ..kept(9) };
        let scene = Scene::of(World::new(), way, Hub::builder(OpenChat::default()).channel(options));
        let (ann, heard) = come_back(&scene, "ann", Epoch(0), 0);
        assert!(!is_recovered(&heard));
        let epoch = epoch(&scene, "room");
        ann.cut();
        scene.world.advance(SECOND);
        let (ann, heard) = come_back(&scene, "ann", epoch, 0);
        assert_eq!(heard, [format!("subscribed room 0 recovered {epoch}")]);
        ann.cut();
        publish(&scene, "room", "1");
        scene.world.advance(SECOND * 59);
        let (ann, heard) = come_back(&scene, "ann", epoch, 0);
        assert_eq!(heard, [format!("subscribed room 1 recovered {epoch}"), "message room 1 server 1".into()]);
        ann.cut();
        scene.world.advance(SECOND * 62);
        let (_ann, heard) = come_back(&scene, "ann", epoch, 1);
        assert!(!is_recovered(&heard), "its time is over");
    });
}

#[test]
fn a_crowd_of_names_comes_to_nothing_in_time_and_stays_within_the_bound_the_oldest_going_first() {
    const NAMES: usize = 20_000;
    let options = ChannelOptions { storage: Storage::None, ..kept(9) };
    let bound = 4 << 20;
    let limits = Limits { history_bytes: bound, requests: Rate::UNBOUNDED, ..Limits::default() };
    let hub = Hub::builder(OpenChat::default()).limits(limits).channel(options);
    let scene = Scene::of(World::new(), Way::Bytes, hub);
    let ann = scene.enter("ann");
    for n in 0..NAMES {
        ann.say(&format!("subscribe user:{n}"));
        ann.say(&format!("unsubscribe user:{n}"));
        if n % 100 == 0 {
            ann.heard();
            let bytes = scene.hub.stats().history_bytes;
            assert!(bytes <= bound, "{bytes} after {n}");
        }
    }
    let there = |n: usize| scene.hub.history(&HistoryRequest::of(id(&format!("user:{n}")), 1)).is_some();
    let left = scene.hub.stats().channels;
    assert!((5_000..NAMES).contains(&left), "{left}");
    let first = NAMES - left;
    assert!((0..NAMES).all(|n| there(n) == (n >= first)), "over all shards, the freshest stay");
    scene.world.advance(SECOND * 62);
    assert_eq!((scene.hub.stats().channels, scene.hub.stats().history_bytes), (0, 0));
}

#[test]
fn what_keys_weigh_comes_to_nothing_with_them() {
    each_way(|way| {
        let options = ChannelOptions { history: HistoryOptions::default(), ..ChannelOptions::default() };
        let scene = Scene::of(World::new(), way, Hub::builder(OpenChat::default()).channel(options));
        let ann = scene.join("ann", "room");
        ann.say("once room key 1");
        assert!(scene.hub.stats().history_bytes > 0);
        scene.world.advance(SECOND * 301);
        ann.say("unsubscribe room");
        assert_eq!((scene.hub.stats().channels, scene.hub.stats().history_bytes), (0, 0));
    });
}

#[test]
fn a_user_is_put_into_a_channel_that_is_stored_however_full_all_histories_are() {
    each_way(|way| {
        each_seed(20, |seed, random| {
            let world = World::seeded(seed);
            let store = FaultyStore::within(&world);
            store.be(Mood::Slow(MILLI));
            let limits = Limits { history_bytes: 2_000, ..Limits::default() };
            let hub = Hub::builder(But("busy", kept(5).history)).limits(limits).channel(kept(5));
            let scene = Scene::of(world, way, hub.store(store.clone()));
            let bob = scene.enter("bob");
            (0..20).for_each(|n| _ = publish(&scene, &format!("busy{n}"), "1"));
            scene.hub.subscribe_user(&"bob".parse().expect("a name"), &Subscribe::to(id("room")));
            for n in 0..20 {
                (0..random.usize(..4)).for_each(|_| _ = scene.world.turn());
                publish(&scene, &format!("busy-{n}"), "1");
                scene.world.advance(MILLI / 4);
            }
            scene.world.advance(SECOND);
            assert_eq!(bob.heard(), ["subscribed room 0"]);
            bob.say("publish room 1");
            scene.world.advance(SECOND);
            assert_eq!((store.offsets("room"), scene.hub.stats().unstored), (vec![1], 0));
        });
    });
}
