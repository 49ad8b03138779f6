//! Tests that a stored channel is restored before it is used, and stays until then, whatever its store does.

use chat_core::testkit::{Way, World};
use chat_core::transport::Incoming;
use chat_core::{
    ChannelId, ChannelOptions, Connect, Endpoint, HistoryOptions, HistoryRequest, Hub, Identity, Limits,
    Payload, Publish, PublishContext, Rate, Refusal, SessionId, SessionInfo, Storage, Subscribe,
};
use chat_tests::keeping::{
    MILLI, SECOND, close, come_back, durable, epoch, id, is_recovered, kept, publish, scene, scene_of,
};
use chat_tests::scene::{Scene, each_way};
use chat_tests::seed::each_seed;
use chat_tests::store::{Call, FaultyStore, Mood};

/// Stores all channels, except those whose names begin with this.
struct But(&'static str, HistoryOptions);

impl Endpoint for But {
    fn channel(&self, channel: &ChannelId, defaults: ChannelOptions) -> ChannelOptions {
        if channel.as_str().starts_with(self.0) {
            defaults.with_storage(Storage::None).with_history(self.1)
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
        Ok(Identity::named(name).with_subscriptions(subscriptions))
    }

    fn channel(&self, channel: &ChannelId, defaults: ChannelOptions) -> ChannelOptions {
        But("busy", defaults.history).channel(channel, defaults)
    }
}

#[test]
fn a_channel_that_was_restored_stays_until_it_is_used_however_full_all_histories_are() {
    each_way(|way| {
        let store = FaultyStore::default();
        let options = kept(0).with_history(HistoryOptions::default());
        for options in [kept(1000), options] {
            let limits = Limits::default().with_history_bytes(2_000);
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
        let hub = Hub::builder(endpoint).shards(1).channel(|_| kept(5)).store(store.clone());
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
    let limits = Limits::default().with_history_bytes(1 << 18).with_requests(Rate::UNBOUNDED);
    let hub = Hub::builder(But("dm-", kept(100).history)).limits(limits).channel(|_| kept(100));
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
    async fn publish(&self, _: &SessionInfo, what: Publish, _: PublishContext) -> Result<Publish, Refusal> {
        Ok(what.with_channel(id("out")))
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
fn a_user_is_put_into_a_channel_that_is_stored_however_full_all_histories_are() {
    each_way(|way| {
        each_seed(20, |seed, random| {
            let world = World::seeded(seed);
            let store = FaultyStore::within(&world);
            store.be(Mood::Slow(MILLI));
            let limits = Limits::default().with_history_bytes(2_000);
            let hub = Hub::builder(But("busy", kept(5).history)).limits(limits).channel(|_| kept(5));
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

#[test]
fn a_history_that_the_store_cannot_read_is_not_told_as_none() {
    each_way(|way| {
        for mood in [Mood::Fails, Mood::Hangs, Mood::Panics] {
            let store = FaultyStore::default();
            let scene = scene(way, &store, kept(5));
            publish(&scene, "room", "1");
            scene.world.advance(SECOND * 400);
            assert_eq!(scene.hub.stats().channels, 0, "it is in the store alone");
            store.be(mood);
            let (hub, request) = (scene.hub.clone(), HistoryRequest::of(id("room"), 9));
            let asked = request.clone();
            let read = scene.world.run(async move { hub.try_read_history(&asked).await });
            assert_eq!(read.expect_err("it is not known").code(), 100, "{mood:?}");
            store.be(Mood::Well);
            let hub = scene.hub.clone();
            let page =
                scene.world.run(async move { hub.try_read_history(&request).await }).expect("it is read");
            assert_eq!(page.expect("it is there").publications.len(), 1, "{mood:?}");
        }
    });
}

#[test]
fn what_a_store_was_given_up_in_takes_no_place_of_what_is_published_after_it() {
    each_way(|way| {
        let store = FaultyStore::default();
        let scene = scene(way, &store, durable(0));
        store.be_at(Call::Append, Mood::Slow(SECOND * 3));
        scene.hub.publish_with(Publish::to(id("room"), Payload::json("\"late\"")));
        scene.world.settle();
        assert!(!close(&scene, SECOND), "the store takes longer");
        store.be(Mood::Well);
        let ann = scene.join("ann", "room");
        ann.say("#1 publish room \"next\"");
        scene.world.advance(SECOND * 20);
        let told = ann.heard();
        let stored = store.contents("room").iter().any(|(_, content)| content == "\"next\"");
        assert_eq!(told.iter().any(|line| line.starts_with("#1 published")), stored, "{told:?}");
    });
}
