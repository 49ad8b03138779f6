//! Tests that stored messages outlive the log, the server and its crash, and that a store that fails delays
//! no session.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_core::store::{HistoryStore, StoreError, Stored, StoredPage};
use chat_core::testkit::{Client, Way, World};
use chat_core::{
    ChannelId, ChannelOptions, Epoch, HistoryOptions, HistoryRequest, Hub, Offset, OpenChat, Payload,
    Publication, Publish, Published, Refusal, Storage, Subscribe,
};
use chat_store_sqlite::SqliteStore;
use chat_tests::scene::{Scene, each_way};
use futures::FutureExt;
use futures::future::{BoxFuture, pending};

const SECOND: Duration = Duration::from_secs(1);

/// Is a real store that fails or hangs on demand.
#[derive(Clone)]
struct Moody(Arc<Inner>);

struct Inner {
    file: SqliteStore,
    mood: Mutex<Mood>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Well,
    Fails,
    Hangs,
}

impl Moody {
    fn new() -> Self {
        Self::over(SqliteStore::open(":memory:").expect("it opens"))
    }

    fn over(file: SqliteStore) -> Self {
        Self(Arc::new(Inner { file, mood: Mutex::new(Mood::Well) }))
    }

    fn be(&self, mood: Mood) {
        *self.0.mood.lock().expect("no panic") = mood;
    }

    /// Answers at once, since virtual time does not wait for the file.
    fn swayed<'a, T: Send + 'a>(
        &self,
        well: BoxFuture<'a, Result<T, StoreError>>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        match *self.0.mood.lock().expect("no panic") {
            Mood::Well => std::future::ready(async_io::block_on(well)).boxed(),
            Mood::Fails => std::future::ready(Err(StoreError::new("the disk is full"))).boxed(),
            Mood::Hangs => pending().boxed(),
        }
    }
}

impl HistoryStore for Moody {
    fn open(
        &self,
        channel: &ChannelId,
        fresh: Epoch,
        tenure: u64,
    ) -> BoxFuture<'_, Result<Stored, StoreError>> {
        self.swayed(self.0.file.open(channel, fresh, tenure))
    }
    fn append(&self, publications: Vec<Arc<Publication>>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.swayed(self.0.file.append(publications))
    }
    fn read(&self, request: HistoryRequest, bytes: usize) -> BoxFuture<'_, Result<StoredPage, StoreError>> {
        self.swayed(self.0.file.read(request, bytes))
    }
    fn trim(&self, channel: &ChannelId, before: Offset) -> BoxFuture<'_, Result<(), StoreError>> {
        self.swayed(self.0.file.trim(channel, before))
    }
    fn close(&self, tenure: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        self.swayed(self.0.file.close(tenure))
    }
}

/// Builds a hub that keeps five publications in its log, and all in the store. To the store, every scene is
/// another process.
fn scene(way: Way, store: &Moody, storage: Storage, seed: u64) -> Scene {
    let history = HistoryOptions::of(5, SECOND * 60).with_bytes(1 << 20);
    let options = ChannelOptions::default().with_history(history).with_storage(storage);
    Scene::of(
        World::seeded(seed),
        way,
        Hub::builder(OpenChat::default()).channel(|_| options).store(store.clone()),
    )
}

fn say(client: &Client, times: std::ops::RangeInclusive<u64>) {
    times.for_each(|n| client.say(&format!("publish room {n}")));
}

fn stop(scene: &Scene) {
    let hub = scene.hub.clone();
    scene.world.run(async move { hub.drain(SECOND * 30).await });
}

fn epoch(scene: &Scene) -> Epoch {
    let channel = "room".parse().expect("a name");
    let request = HistoryRequest::of(channel, 1);
    scene.hub.history(&request).expect("it is there").epoch
}

#[test]
fn after_a_stop_in_order_channels_go_on_where_they_were_and_who_comes_back_recovers() {
    each_way(|way| {
        let store = Moody::new();
        let first = scene(way, &store, Storage::Kept, 1);
        let ann = first.join("ann", "room");
        say(&ann, 1..=8);
        let before = epoch(&first);
        stop(&first);
        let second = scene(way, &store, Storage::Kept, 2);
        let (ann, bob) = (second.enter("ann"), second.enter("bob"));
        ann.say(&format!("subscribe room since {before} 6"));
        assert_eq!(
            ann.heard(),
            [
                format!("subscribed room 8 recovered {before}"),
                "message room 7 ann 7".into(),
                "message room 8 ann 8".into()
            ]
        );
        bob.say(&format!("subscribe room since {before} 2"));
        assert_eq!(bob.heard(), [format!("subscribed room 8 not recovered: too old {before}")]);
        say(&ann, 9..=9);
        assert_eq!(bob.heard(), ["message room 9 ann 9"]);
    });
}

#[test]
fn who_wrote_what_is_stored_is_known_after_a_stop() {
    each_way(|way| {
        let store = Moody::new();
        let first = scene(way, &store, Storage::Kept, 1);
        say(&first.join("ann", "room"), 1..=1);
        first.hub.publish("room", Payload::json("2")).expect("a name");
        stop(&first);
        let second = scene(way, &store, Storage::Kept, 2);
        let (ann, bob) = (second.join("ann", "room"), second.join("bob", "room"));
        bob.say("edit room 1 3");
        ann.say("edit room 2 3");
        let refused = ["error 103 only its author may edit or delete a message"];
        assert_eq!(
            (ann.heard(), bob.heard()),
            (refused.map(String::from).into(), refused.map(String::from).into())
        );
        ann.say("edit room 1 3");
        assert_eq!(bob.heard(), ["edit/1 room 3 ann 3"]);
    });
}

#[test]
fn after_a_crash_channels_keep_what_is_stored_and_nobody_is_told_that_it_recovered() {
    each_way(|way| {
        let store = Moody::new();
        let first = scene(way, &store, Storage::Kept, 1);
        let ann = first.join("ann", "room");
        say(&ann, 1..=8);
        let before = epoch(&first);
        drop((ann, first));
        let second = scene(way, &store, Storage::Kept, 2);
        let ann = second.enter("ann");
        ann.say(&format!("subscribe room since {before} 8"));
        let after = epoch(&second);
        assert_ne!(before, after);
        assert_eq!(ann.heard(), [format!("subscribed room 8 not recovered: epoch changed {after}")]);
        ann.say("history room 3 reverse");
        assert_eq!(ann.heard(), ["history room 8 more 8:8 7:7 6:6"]);
    });
}

#[test]
fn what_the_log_does_not_hold_any_more_is_read_from_the_store_in_either_direction() {
    each_way(|way| {
        let scene = scene(way, &Moody::new(), Storage::Kept, 1);
        let ann = scene.join("ann", "room");
        say(&ann, 1..=12);
        ann.heard();
        for (asked, answered) in [
            ("", "history room 12 1:1 2:2 3:3 4:4 5:5 6:6 7:7 8:8 9:9 10:10 11:11 12:12"),
            ("4", "history room 12 more 1:1 2:2 3:3 4:4"),
            ("4 after 5", "history room 12 more 6:6 7:7 8:8 9:9"),
            ("4 after 8", "history room 12 9:9 10:10 11:11 12:12"),
            ("4 before 4", "history room 12 1:1 2:2 3:3"),
            ("6 reverse", "history room 12 more 12:12 11:11 10:10 9:9 8:8 7:7"),
            ("5 reverse", "history room 12 more 12:12 11:11 10:10 9:9 8:8"),
            ("6 reverse before 4", "history room 12 3:3 2:2 1:1"),
            ("9 reverse after 2 before 9", "history room 12 8:8 7:7 6:6 5:5 4:4 3:3"),
        ] {
            ann.say(&format!("history room {asked}"));
            assert_eq!(ann.heard(), [answered], "{asked:?}");
        }
    });
}

#[test]
fn a_channel_that_nobody_was_in_for_long_comes_back_as_it_was() {
    each_way(|way| {
        let scene = scene(way, &Moody::new(), Storage::Kept, 1);
        let ann = scene.join("ann", "room");
        say(&ann, 1..=3);
        let before = epoch(&scene);
        ann.cut();
        scene.world.advance(SECOND * 70);
        assert_eq!(scene.hub.stats().channels, 0);
        let bob = scene.enter("bob");
        bob.say(&format!("subscribe room since {before} 3"));
        assert_eq!(bob.heard(), [format!("subscribed room 3 recovered {before}")]);
    });
}

#[test]
fn a_server_publishes_to_a_channel_that_has_to_be_taken_up_first() {
    each_way(|way| {
        let scene = scene(way, &Moody::new(), Storage::Kept, 1);
        let publish = |n: u64| scene.hub.publish("room", Payload::json(n.to_string())).expect("a name");
        let published: Vec<_> = (1..=3).map(publish).collect();
        assert_eq!(published, [Published::Deferred; 3], "their places are given later");
        scene.world.settle();
        let ann = scene.join("ann", "room");
        ann.say("history room");
        assert_eq!(ann.heard(), ["history room 3 1:1 2:2 3:3"]);
    });
}

#[test]
fn a_server_puts_a_user_into_a_channel_that_has_to_be_taken_up_first() {
    each_way(|way| {
        let store = Moody::new();
        let first = scene(way, &store, Storage::Kept, 1);
        say(&first.join("ann", "room"), 1..=3);
        stop(&first);
        let second = scene(way, &store, Storage::Kept, 2);
        let bob = second.enter("bob");
        let user = "bob".parse().expect("a name");
        second.hub.subscribe_user(&user, &Subscribe::to("room".parse().expect("a name")));
        assert_eq!(bob.heard(), ["subscribed room 3"]);
        say(&bob, 4..=4);
        assert_eq!(bob.heard(), ["message room 4 bob 4"]);
    });
}

#[test]
fn a_store_that_hangs_or_fails_holds_up_nobodys_messages_and_is_counted() {
    each_way(|way| {
        for (mood, errors) in [(Mood::Fails, 2), (Mood::Hangs, 0)] {
            let store = Moody::new();
            let scene = scene(way, &store, Storage::Kept, 1);
            let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
            store.be(mood);
            say(&ann, 1..=2);
            assert_eq!(bob.heard(), ["message room 1 ann 1", "message room 2 ann 2"]);
            assert_eq!(scene.hub.stats().store_errors, errors);
            // A channel that has to be taken up goes on without the store, after a while.
            bob.say("subscribe other");
            scene.world.advance(SECOND * 5);
            bob.say("publish other 7");
            assert_eq!(bob.heard(), ["subscribed other 0", "message other 1 bob 7"]);
            assert!(scene.hub.stats().store_errors > errors);
        }
    });
}

#[test]
fn what_was_not_stored_is_never_claimed_to_be_recovered_after_a_restart() {
    each_way(|way| {
        let store = Moody::new();
        let first = scene(way, &store, Storage::Kept, 1);
        let ann = first.join("ann", "room");
        say(&ann, 1..=3);
        let before = epoch(&first);
        store.be(Mood::Fails);
        say(&ann, 4..=4);
        store.be(Mood::Well);
        assert_eq!(first.hub.stats().unstored, 1);
        stop(&first);
        let second = scene(way, &store, Storage::Kept, 2);
        let ann = second.enter("ann");
        ann.say(&format!("subscribe room since {before} 3"));
        assert!(ann.heard()[0].contains("not recovered: epoch changed"));
    });
}

#[test]
fn a_store_that_is_bounded_keeps_the_newest_of_each_channel_and_their_offsets() {
    each_way(|way| {
        let store = Moody::over(SqliteStore::open(":memory:").expect("it opens").keep(3));
        let scene = scene(way, &store, Storage::Kept, 1);
        let ann = scene.join("ann", "room");
        ann.say("subscribe other");
        ann.say("publish other 7");
        say(&ann, 1..=3);
        assert_eq!(stored(&store, "room"), [1, 2, 3]);
        say(&ann, 4..=4);
        assert_eq!((stored(&store, "room"), stored(&store, "other")), (vec![2, 3, 4], vec![1]));
        stop(&scene);
        let second = self::scene(way, &store, Storage::Kept, 2);
        let bob = second.enter("bob");
        bob.say("subscribe room");
        assert_eq!(bob.heard(), ["subscribed room 4"]);
    });
}

fn stored(store: &Moody, channel: &str) -> Vec<u64> {
    let all = HistoryRequest::of(channel.parse().expect("a name"), 99);
    let page = async_io::block_on(store.0.file.read(all, 9999)).expect("it reads");
    page.publications.iter().map(|publication| publication.offset.0).collect()
}

#[test]
fn a_durable_publish_is_answered_when_it_is_stored_and_heard_before() {
    each_way(|way| {
        let store = Moody::new();
        let scene = scene(way, &store, Storage::Durable, 1);
        let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
        ann.say("#1 publish room 1");
        assert!(ann.heard().contains(&"#1 published room 1".to_owned()));
        store.be(Mood::Hangs);
        ann.say("#2 publish room 2");
        assert_eq!(ann.heard(), ["message room 2 ann 2"]);
        scene.world.advance(SECOND * 5);
        assert_eq!(ann.heard(), ["#2 error 100 it was published, and is not stored"]);
        assert_eq!(bob.heard(), ["message room 1 ann 1", "message room 2 ann 2"]);
    });
}

#[test]
fn what_the_server_publishes_stored_has_its_real_place_and_is_stored_when_it_is_answered() {
    each_way(|way| {
        let store = Moody::new();
        let publish = |scene: &Scene, content: &str| {
            let (hub, said) = (scene.hub.clone(), Payload::json(content));
            let wish = Publish::to("room".parse().expect("a name"), said);
            scene.world.run(async move {
                hub.publish_durable(wish).await.map(|said| said.offset().expect("a place").0)
            })
        };
        let first = scene(way, &store, Storage::Durable, 1);
        let ann = first.join("ann", "room");
        assert_eq!((publish(&first, "1"), stored(&store, "room")), (Ok(1), vec![1]));
        stop(&first);
        drop(ann);
        // Nobody is in the channel of this hub yet.
        let second = scene(way, &store, Storage::Durable, 2);
        assert_eq!((publish(&second, "2"), stored(&store, "room")), (Ok(2), vec![1, 2]));
        store.be(Mood::Fails);
        assert_eq!(publish(&second, "3"), Err(Refusal::internal("it was published, and is not stored")));
    });
}

#[test]
fn a_durable_publish_that_could_not_be_stored_says_so_and_may_be_tried_again_with_its_key() {
    each_way(|way| {
        let store = Moody::new();
        let scene = scene(way, &store, Storage::Durable, 1);
        let ann = scene.join("ann", "room");
        store.be(Mood::Fails);
        ann.say("#1 once room key 1");
        store.be(Mood::Well);
        ann.say("#2 once room key 1");
        let heard = ann.heard();
        assert!(heard.contains(&"#1 error 100 it was published, and is not stored".to_owned()), "{heard:?}");
        assert_eq!(heard.last().expect("an answer"), "#2 published room 1 already");
        let page = async_io::block_on(
            store.0.file.read(HistoryRequest::of("room".parse().expect("a name"), 9), 9999),
        );
        assert_eq!(page.expect("it reads").publications.len(), 1);
    });
}

#[test]
fn an_edit_that_waits_for_the_store_is_answered_again_only_with_it_though_what_it_edits_is_kept_no_more() {
    each_way(|way| {
        let store = Moody::new();
        let scene = scene(way, &store, Storage::Durable, 1);
        let say = |client: &Client, id: u64| {
            let about = "\"channelId\":\"room\",\"content\":2,\"edits\":1,\"key\":\"k\"";
            client.say(&format!("{{\"type\":\"publish\",\"id\":{id},{about}}}"));
        };
        let [ann, again] = [1, 2].map(|_| scene.enter_in(chat_protocol::json::Json, "ann"));
        for client in [&ann, &again] {
            client.say(r#"{"type":"subscribe","channelId":"room","echo":false}"#);
        }
        ann.say(r#"{"type":"publish","id":1,"channelId":"room","content":1}"#);
        store.be(Mood::Hangs);
        say(&ann, 2);
        for _ in 0..6 {
            scene.hub.publish("room", Payload::json("0")).expect("a name");
        }
        say(&again, 3);
        let answers = |client: &Client| -> Vec<_> {
            client.heard().into_iter().filter(|frame| frame.contains("\"id\":")).collect()
        };
        assert!(answers(&again).is_empty(), "nobody knows yet");
        scene.world.advance(SECOND * 60);
        let heard = answers(&again);
        assert!(heard.len() == 1 && heard[0].contains("\"code\":100"), "{heard:?}");
    });
}
