//! Tests that the promises made before a restart hold after it, whether it is in order or a crash.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chat_core::store::{HistoryStore, ReadMark, Recall, Recalled, StoreError, Stored, StoredPage};
use chat_core::testkit::{Way, World};
use chat_core::{
    ChannelId, ChannelOptions, Epoch, HistoryOptions, HistoryRequest, Hub, Offset, OpenChat, Publication,
    Publish, Storage,
};
use chat_store_sqlite::SqliteStore;
use chat_tests::scene::{Scene, each_way};
use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use tempfile::TempDir;

const MINUTE: Duration = Duration::from_secs(60);

/// Is a store in a file that answers at once, since virtual time does not wait for a thread.
struct AtOnce(SqliteStore);

fn now<'a, T: Send + 'a>(done: BoxFuture<'a, Result<T, StoreError>>) -> BoxFuture<'a, Result<T, StoreError>> {
    std::future::ready(async_io::block_on(done)).boxed()
}

impl HistoryStore for AtOnce {
    fn open(
        &self,
        channel: &ChannelId,
        fresh: Epoch,
        tenure: u64,
    ) -> BoxFuture<'_, Result<Stored, StoreError>> {
        now(self.0.open(channel, fresh, tenure))
    }
    fn resume(
        &self,
        channel: &ChannelId,
        fresh: Epoch,
        tenure: u64,
    ) -> BoxFuture<'_, Result<Option<Stored>, StoreError>> {
        now(self.0.resume(channel, fresh, tenure))
    }
    fn recall(
        &self,
        channel: &ChannelId,
        since: DateTime<Utc>,
        most: Recall,
    ) -> BoxFuture<'_, Result<Recalled, StoreError>> {
        now(self.0.recall(channel, since, most))
    }
    fn mark_read(&self, marks: Vec<ReadMark>) -> BoxFuture<'_, Result<(), StoreError>> {
        now(self.0.mark_read(marks))
    }
    fn append(&self, publications: Vec<Arc<Publication>>) -> BoxFuture<'_, Result<(), StoreError>> {
        now(self.0.append(publications))
    }
    fn read(&self, request: HistoryRequest, bytes: usize) -> BoxFuture<'_, Result<StoredPage, StoreError>> {
        now(self.0.read(request, bytes))
    }
    fn trim(&self, channel: &ChannelId, before: Offset) -> BoxFuture<'_, Result<(), StoreError>> {
        now(self.0.trim(channel, before))
    }
    fn close(&self, tenure: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        now(self.0.close(tenure))
    }
}

/// Holds the machine that a server runs on.
struct Machine {
    way: Way,
    storage: Storage,
    disk: TempDir,
    /// Holds the time since the first server started.
    since: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Stop,
    Crash,
}

impl Machine {
    fn new(way: Way, storage: Storage) -> Self {
        Self { way, storage, disk: tempfile::tempdir().expect("a folder"), since: Duration::ZERO }
    }

    fn start(&self) -> Scene {
        let history = HistoryOptions::of(3, MINUTE).with_bytes(1 << 20);
        let storage = self.storage;
        let options =
            ChannelOptions::default().with_history(history).with_storage(storage).with_presence(true);
        let store = AtOnce(SqliteStore::open(self.disk.path().join("chat.db")).expect("it opens"));
        let world = World::new();
        world.advance(self.since);
        Scene::of(world, self.way, Hub::builder(OpenChat::default()).channel(|_| options).store(store))
    }

    /// Ends the server in this manner, and starts the next one after so long.
    fn restart(&mut self, scene: &Scene, end: End, after: Duration) -> Scene {
        if end == End::Stop {
            let hub = scene.hub.clone();
            scene.world.run(async move { hub.drain(MINUTE).await });
        }
        let disk = tempfile::tempdir().expect("a folder");
        copy(self.disk.path(), disk.path());
        self.disk = disk;
        self.since += after;
        self.start()
    }
}

/// Copies the disk as it is at this moment, which is what a crash leaves.
fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(from).expect("a folder").flatten() {
        fs::copy(file.path(), to.join(file.file_name())).expect("it copies");
    }
}

fn each_end(play: impl Fn(&mut Machine, End)) {
    each_way(|way| {
        for (storage, end) in
            [(Storage::Kept, End::Stop), (Storage::Durable, End::Stop), (Storage::Durable, End::Crash)]
        {
            play(&mut Machine::new(way, storage), end);
        }
    });
}

#[test]
fn a_key_that_was_answered_counts_after_a_restart_for_as_long_as_it_would_have() {
    each_end(|machine, end| {
        let first = machine.start();
        let ann = first.join("ann", "room");
        ann.say("#1 once room key 1");
        (2..=9).for_each(|n| ann.say(&format!("publish room {n}")));
        assert!(ann.heard().contains(&"#1 published room 1".to_owned()));
        let hub = first.hub.clone();
        let own = |content: &str| {
            Publish::to("room".parse().expect("a name"), chat_core::Payload::json(content))
                .with_key(Some("key".into()))
        };
        let publish = own("10");
        let said = first.world.run(async move { hub.publish_durable(publish).await });
        assert_eq!(said.expect("it is stored").offset(), Some(Offset(10)));
        let second = machine.restart(&first, end, MINUTE * 4);
        let (ann, bob) = (second.join("ann", "room"), second.join("bob", "room"));
        ann.say("#2 once room key 1");
        assert_eq!(ann.heard(), ["#2 published room 1 already"], "{end:?}");
        let (hub, publish) = (second.hub.clone(), own("10"));
        let said = second.world.run(async move { hub.publish_durable(publish).await }).expect("it is stored");
        assert_eq!(
            (said.offset(), said.is_duplicate()),
            (Some(Offset(10)), true),
            "the server's key is its own"
        );
        bob.say("#3 once room key 11");
        assert!(bob.heard().contains(&"#3 published room 11".to_owned()), "and so is bob's");
        ann.heard();
        let third = machine.restart(&second, end, MINUTE * 2);
        let ann = third.join("ann", "room");
        ann.say("#4 once room key 12");
        assert!(ann.heard().contains(&"#4 published room 12".to_owned()), "its time is over: {end:?}");
    });
}

#[test]
fn a_mark_of_what_was_read_stays_when_its_user_is_away_and_after_a_restart() {
    each_end(|machine, end| {
        let first = machine.start();
        let ann = first.join("ann", "room");
        (1..=5).for_each(|n| ann.say(&format!("publish room {n}")));
        ann.say("read room 3");
        ann.heard();
        ann.cut();
        first.world.advance(MINUTE * 10);
        assert_eq!(first.hub.stats().channels, 0);
        let ann = first.join("ann", "room");
        ann.say("read room 1");
        assert_eq!(ann.heard(), ["read room 3"], "the channel was put away meanwhile");
        ann.say("read room 4");
        ann.say("read room 5");
        let second = machine.restart(&first, end, MINUTE * 60);
        let (ann, bob) = (second.join("ann", "room"), second.join("bob", "room"));
        ann.heard();
        ann.say("read room 1");
        bob.say("read room 1");
        assert_eq!((ann.heard(), bob.heard()), (vec!["read room 5".into()], vec!["read room 1".into()]));
    });
}

#[test]
fn ones_own_message_is_edited_after_a_restart_and_nobody_elses() {
    each_end(|machine, end| {
        let first = machine.start();
        first.join("ann", "room").say("publish room 1");
        let second = machine.restart(&first, end, MINUTE / 2);
        let (ann, bob) = (second.join("ann", "room"), second.join("bob", "room"));
        bob.say("#1 edit room 1 2");
        assert_eq!(bob.heard(), ["#1 error 103 only its author may edit or delete a message"]);
        ann.say("edit room 1 3");
        assert_eq!(bob.heard(), ["edit/1 room 2 ann 3"], "{end:?}");
    });
}

#[test]
fn channels_go_on_in_their_epoch_after_a_stop_and_in_another_after_a_crash() {
    each_end(|machine, end| {
        let first = machine.start();
        let ann = first.join("ann", "room");
        ann.say("publish room 1");
        let request = HistoryRequest::of("room".parse().expect("a name"), 1);
        let epoch = first.hub.history(&request).expect("it is there").epoch;
        let second = machine.restart(&first, end, MINUTE / 2);
        let ann = second.enter("ann");
        ann.say(&format!("subscribe room since {epoch} 1"));
        let heard = ann.heard().join("; ");
        assert_eq!(heard.starts_with("subscribed room 1 recovered "), end == End::Stop, "{heard}");
    });
}
