//! Tests that channels without subscribers keep their history within the bound on all, and have epochs of
//! their own.

use chat_core::testkit::{Way, World};
use chat_core::transport::Incoming;
use chat_core::{
    ChannelOptions, Epoch, HistoryOptions, HistoryRequest, Hub, Limits, OpenChat, Rate, Storage,
};
use chat_tests::keeping::{SECOND, come_back, epoch, id, is_recovered, kept, publish, scene, scene_of, stop};
use chat_tests::scene::{Scene, each_way};
use chat_tests::seed::each_seed;
use chat_tests::store::FaultyStore;

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
        let limits = Limits::default().with_history_bytes(50_000);
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
        let options = kept(0).with_history(HistoryOptions::default());
        let limits = Limits::default().with_requests(Rate::UNBOUNDED);
        let hub = Hub::builder(OpenChat::default())
            .limits(limits)
            .shards(1)
            .channel(|_| options)
            .store(store.clone());
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
        let options = kept(9).with_storage(Storage::None);
        let scene = Scene::of(World::new(), way, Hub::builder(OpenChat::default()).channel(|_| options));
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
    let options = kept(9).with_storage(Storage::None);
    let bound = 4 << 20;
    let limits = Limits::default().with_history_bytes(bound).with_requests(Rate::UNBOUNDED);
    let hub = Hub::builder(OpenChat::default()).limits(limits).channel(|_| options);
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
        let options = ChannelOptions::default().with_history(HistoryOptions::default());
        let scene = Scene::of(World::new(), way, Hub::builder(OpenChat::default()).channel(|_| options));
        let ann = scene.join("ann", "room");
        ann.say("once room key 1");
        assert!(scene.hub.stats().history_bytes > 0);
        scene.world.advance(SECOND * 301);
        ann.say("unsubscribe room");
        assert_eq!((scene.hub.stats().channels, scene.hub.stats().history_bytes), (0, 0));
    });
}
