//! Tests at random that clients are told the truth about what is stored, whatever fails and in whatever
//! order.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_core::runtime::Runtime;
use chat_core::testkit::{Client, Way, World};
use chat_core::transport::Incoming;
use chat_core::{
    ChannelId, ChannelOptions, HistoryOptions, Hub, Limits, OpenChat, Payload, Publish, Published, Rate,
    Refusal, Since, Storage, Subscribe,
};
use chat_tests::scene::{Scene, each_way};
use chat_tests::seed::each_seed;
use chat_tests::store::{FaultyStore, Mood};
use fastrand::Rng;
use futures::FutureExt;

const CHANNELS: [&str; 4] = ["a", "b", "c", "d"];
const STEPS: usize = 250;

/// Maps each epoch of each channel to its messages.
type Said = HashMap<(String, String), BTreeMap<u64, String>>;

/// Lists publications that the server waits for: the channel, the content, and the outcome of each.
type Awaited = Vec<(String, String, Arc<Mutex<Option<Result<Published, Refusal>>>>)>;

/// Holds a client, and its state in each channel.
struct Reader {
    client: Client,
    /// Holds the epoch and the last offset.
    places: HashMap<String, (String, u64)>,
    /// Holds the last offset that the client must still receive, since it was told that it recovered.
    owed: HashMap<String, u64>,
    /// Lists the channels whose join or leave is not answered yet.
    asking: HashSet<String>,
    /// Maps the ids of unanswered requests to what they published.
    asked: HashMap<String, (String, String)>,
    number: usize,
}

struct Play<'a> {
    random: &'a mut Rng,
    store: FaultyStore,
    options: ChannelOptions,
    limits: Limits,
    scene: Scene,
    way: Way,
    readers: Vec<Reader>,
    /// Holds the state of clients that disconnected.
    away: Vec<HashMap<String, (String, u64)>>,
    said: Said,
    /// Holds the last offset of each channel when all frames were last read.
    lasts: HashMap<(String, String), u64>,
    /// Lists the messages that were published in the present hub.
    here: Vec<(String, u64, String)>,
    awaited: Awaited,
    count: u64,
}

impl<'a> Play<'a> {
    fn begin(way: Way, random: &'a mut Rng) -> Self {
        let store = FaultyStore::default();
        let ages = [5, 60].map(Duration::from_secs);
        let entries = [0, 3, 1000][random.usize(..3)];
        let history = HistoryOptions::of(entries, ages[random.usize(..2)]).with_bytes(1 << 20);
        let storage = if random.bool() { Storage::Kept } else { Storage::Durable };
        let options = ChannelOptions::default().with_history(history).with_storage(storage);
        let limits = Limits::default()
            .with_requests(Rate::UNBOUNDED)
            .with_history_bytes([3000, 64 << 20][random.usize(..2)])
            .with_store_bytes([800, 64 << 20][random.usize(..2)]);
        let scene = Self::open(way, &store, options, &limits, random.u64(..));
        Self {
            random,
            store,
            options,
            limits,
            scene,
            way,
            readers: Vec::new(),
            away: Vec::new(),
            said: Said::new(),
            lasts: HashMap::new(),
            here: Vec::new(),
            awaited: Vec::new(),
            count: 0,
        }
    }

    fn open(way: Way, store: &FaultyStore, options: ChannelOptions, limits: &Limits, seed: u64) -> Scene {
        let world = World::seeded(seed);
        store.move_to(&world);
        let hub = Hub::builder(OpenChat::default())
            .channel(|_| options)
            .limits(limits.clone())
            .store(store.clone());
        Scene::of(world, way, hub)
    }

    fn step(&mut self) {
        match self.random.u8(..40) {
            0..4 => self.come(),
            4..6 => self.go(),
            6..14 => self.ask(),
            14..22 => self.publish(),
            22..25 => self.publish_own(),
            25 => self.put_in(),
            26..28 => self.sway(),
            28 => self.store.be(Mood::Well),
            29 => self.give_up_closing(),
            30 if self.random.bool() => self.kill(),
            31 if self.random.bool() => self.stop(),
            32..36 => {
                let millis = [10, 300, 2000, 7000, 70_000][self.random.usize(..5)];
                self.scene.world.advance(Duration::from_millis(millis));
            }
            _ => (0..self.random.usize(..12)).for_each(|_| {
                self.scene.world.turn();
            }),
        }
        if self.random.u8(..3) > 0 {
            self.listen();
        }
    }

    fn channel(&mut self) -> String {
        CHANNELS[self.random.usize(..CHANNELS.len())].to_owned()
    }

    fn content(&mut self) -> String {
        self.count += 1;
        self.count.to_string()
    }

    fn come(&mut self) {
        if self.readers.len() < 6 {
            let places = match self.away.len() {
                0 => HashMap::new(),
                there => self.away.swap_remove(self.random.usize(..there)),
            };
            let client = self.scene.enter(&format!("u{}", self.random.u8(..4)));
            self.readers.push(Reader {
                client,
                places,
                owed: HashMap::new(),
                asking: HashSet::new(),
                asked: HashMap::new(),
                number: 0,
            });
        }
    }

    fn go(&mut self) {
        if !self.readers.is_empty() {
            self.listen();
            let reader = self.readers.swap_remove(self.random.usize(..self.readers.len()));
            reader.client.wire().cut();
            self.away.push(reader.places);
        }
    }

    /// Says something, without waiting for what comes of it.
    fn tell(&mut self, line: impl FnOnce(&mut Reader, &str) -> String) {
        let channel = self.channel();
        if !self.readers.is_empty() {
            let at = self.random.usize(..self.readers.len());
            let line = line(&mut self.readers[at], &channel);
            self.readers[at].client.wire().put(Ok(Incoming::Text(line)));
        }
    }

    fn ask(&mut self) {
        let leaves = self.random.u8(..3) == 0;
        // One at a time for each channel: then it stands where it says that it does.
        self.tell(|reader, channel| match reader.places.get(channel) {
            _ if !reader.asking.insert(channel.to_owned()) => "ping".to_owned(),
            _ if leaves => format!("#={channel} unsubscribe {channel}"),
            Some((epoch, offset)) => format!("#={channel} subscribe {channel} since {epoch} {offset}"),
            None => format!("#={channel} subscribe {channel} since 0000000000000000 0"),
        });
    }

    fn publish(&mut self) {
        let (content, key) = (self.content(), self.random.bool());
        self.tell(|reader, channel| {
            reader.number += 1;
            let id = reader.number.to_string();
            reader.asked.insert(id.clone(), (channel.to_owned(), content.clone()));
            match key {
                true => format!("#{id} once {channel} k{content} {content}"),
                false => format!("#{id} publish {channel} {content}"),
            }
        });
    }

    fn publish_own(&mut self) {
        let (channel, content) = (self.channel(), self.content());
        let publish = Publish::to(channel.parse().expect("a name"), Payload::json(content.clone()));
        if self.random.bool() {
            self.scene.hub.publish_with(publish);
            return;
        }
        let (slot, hub) = (Arc::new(Mutex::new(None)), self.scene.hub.clone());
        let (filled, impatient) = (slot.clone(), self.random.bool());
        let world = self.scene.world.clone();
        self.scene.world.spawn(Box::pin(async move {
            let publishing = Box::pin(hub.publish_durable(publish));
            let patience = world.sleep_until(world.after(Duration::from_millis(200)));
            match impatient {
                true => {
                    if let futures::future::Either::Left((done, _)) =
                        futures::future::select(publishing, patience).await
                    {
                        *filled.lock().expect("no panic") = Some(done);
                    }
                }
                false => *filled.lock().expect("no panic") = Some(publishing.await),
            }
        }));
        self.awaited.push((channel, content, slot));
    }

    fn put_in(&mut self) {
        let name = self.channel();
        let channel: ChannelId = name.parse().expect("a name");
        let user = format!("u{}", self.random.u8(..4)).parse().expect("a name");
        let since = Some(Since { epoch: Some(chat_core::Epoch(0)), offset: chat_core::Offset(0) });
        self.scene.hub.subscribe_user(&user, &Subscribe::to(channel).with_since(since));
    }

    fn sway(&mut self) {
        let (mut random, share) = (self.random.fork(), self.random.u8(10..100));
        let moods = [
            Mood::Slow(Duration::from_millis(700)),
            Mood::Slow(Duration::from_secs(7)),
            Mood::Fails,
            Mood::Lies,
            Mood::Hangs,
            Mood::Swallows,
            Mood::Panics,
        ];
        self.store.decide(move |_, _| match random.u8(..100) < share {
            true => moods[random.usize(..moods.len())],
            false => Mood::Well,
        });
    }

    /// Closes a store that hangs, and drops that midway or gives up at once; the hub goes on.
    fn give_up_closing(&mut self) {
        self.store.be(Mood::Hangs);
        let patience = Duration::from_secs(self.random.u64(..2));
        let closed = self.scene.hub.close_store(patience).now_or_never();
        assert!(!matches!(closed, Some(Ok(()))), "a store that hangs is not closed");
    }

    /// Ends the process, and begins the next one.
    fn kill(&mut self) {
        self.listen();
        self.next_process();
    }

    fn next_process(&mut self) {
        self.away.extend(self.readers.drain(..).map(|reader| reader.places));
        self.awaited.clear();
        self.here.clear();
        self.store.be(Mood::Well);
        self.scene = Self::open(self.way, &self.store, self.options, &self.limits, self.random.u64(..));
    }

    /// Stops the hub in order, perhaps with a store that never ends; what is not stored then is counted.
    fn stop(&mut self) {
        // Nobody begins to publish any more.
        self.listen();
        let hub = self.scene.hub.clone();
        let before = self.scene.hub.stats().unstored;
        self.scene.world.run(async move { hub.drain(Duration::from_secs(10)).await });
        self.scene.world.settle();
        self.listen();
        let after = self.scene.hub.stats().unstored;
        let lost: Vec<_> = self.here.iter().filter(|one| !self.is_stored(one)).collect();
        assert!(
            lost.len() as u64 <= after,
            "{} are lost, {before} then {after} counted: {lost:?}",
            lost.len()
        );
        self.next_process();
    }

    fn is_stored(&self, (channel, offset, content): &(String, u64, String)) -> bool {
        self.store.contents(channel).contains(&(*offset, content.clone()))
    }

    /// Reads all frames of all clients.
    fn listen(&mut self) {
        let last = |life: &BTreeMap<u64, String>| life.last_key_value().map_or(0, |(last, _)| *last);
        self.lasts = self.said.iter().map(|(life, said)| (life.clone(), last(said))).collect();
        self.scene.world.settle();
        for at in 0..self.readers.len() {
            for line in self.readers[at].client.heard() {
                self.hear(at, &line);
            }
            let owed = &self.readers[at].owed;
            assert!(owed.is_empty(), "it was told that it recovered, and did not get {owed:?}");
        }
        let done: Vec<_> = self
            .awaited
            .iter()
            .filter_map(|(channel, content, slot)| {
                Some((channel.clone(), content.clone(), slot.lock().expect("no panic").take()?))
            })
            .collect();
        for (channel, content, ended) in done {
            if let Ok(published) = ended {
                let (Published::Placed { epoch, offset, .. }
                | Published::Duplicate { epoch, offset: Some(offset) }) = published
                else {
                    panic!("a stored message has a place: {published:?}")
                };
                let offset = offset.0;
                self.was_said(&channel, Some(epoch.to_string()), offset, &content);
                self.was_promised(&channel, offset, &content);
            }
        }
        let gone = |reader: &Reader| reader.client.close().is_some();
        let (left, here) = self.readers.drain(..).partition::<Vec<_>, _>(gone);
        self.readers = here;
        self.away.extend(left.into_iter().map(|reader| reader.places));
    }

    /// Records a message, and checks that one offset has one content.
    fn was_said(&mut self, channel: &str, epoch: Option<String>, offset: u64, content: &str) {
        let epoch = epoch.unwrap_or_default();
        let life = self.said.entry((channel.to_owned(), epoch.clone())).or_default();
        if let Some(before) = life.insert(offset, content.to_owned()) {
            assert_eq!(before, content, "{channel} {offset} in {epoch}");
        } else {
            self.here.push((channel.to_owned(), offset, content.to_owned()));
        }
    }

    /// Checks that a durable publication that was answered is stored.
    fn was_promised(&self, channel: &str, offset: u64, content: &str) {
        if self.options.storage == Storage::Durable {
            let stored = self.is_stored(&(channel.to_owned(), offset, content.to_owned()));
            assert!(stored, "{channel} {offset} {content} was answered and is not stored");
        }
    }

    fn hear(&mut self, at: usize, line: &str) {
        let mut words: Vec<_> = line.split(' ').collect();
        if let Some(channel) = words[0].strip_prefix("#=") {
            self.readers[at].asking.remove(channel);
            words.remove(0);
        }
        match &words[..] {
            ["subscribed", channel, offset, rest @ .., epoch]
                if rest.contains(&"recovered") || rest.contains(&"recovered:") =>
            {
                let (now, epoch) = (offset.parse::<u64>().expect("an offset"), (*epoch).to_owned());
                let reader = &mut self.readers[at];
                if rest.first() != Some(&"recovered") {
                    reader.places.insert((*channel).to_owned(), (epoch, now));
                    return;
                }
                let before = &reader.places[*channel];
                assert_eq!(before.0, epoch, "it goes on in its epoch");
                let last = self.lasts.get(&((*channel).to_owned(), epoch)).copied().unwrap_or_default();
                assert!(
                    last <= now,
                    "{channel}: it is told that it recovered to {now}, and {last} was heard"
                );
                if before.1 < now {
                    reader.owed.insert((*channel).to_owned(), now);
                }
            }
            ["message", channel, offset, _, content] => {
                let offset = offset.parse::<u64>().expect("an offset");
                let reader = &mut self.readers[at];
                let place = reader.places.get_mut(*channel).expect("it is in the channel");
                assert_eq!(offset, place.1 + 1, "{channel}: nothing is left out");
                place.1 = offset;
                let epoch = place.0.clone();
                if reader.owed.get(*channel) == Some(&offset) {
                    reader.owed.remove(*channel);
                }
                self.was_said(channel, Some(epoch), offset, content);
            }
            [id, "published", _, offset, ..] => {
                let asked = self.readers[at].asked.remove(&id[1..]).expect("it was asked");
                self.was_promised(&asked.0, offset.parse().expect("an offset"), &asked.1);
            }
            ["lost", ..] => panic!("{line}"),
            _ => {}
        }
    }

    /// Checks that nothing is left once all clients are gone and time has passed.
    fn end(mut self) {
        self.store.be(Mood::Well);
        self.listen();
        for reader in self.readers.drain(..) {
            reader.client.cut();
        }
        let stats = || self.scene.hub.stats();
        let hangs = |stats: &chat_core::Stats| stats.channels > 0;
        self.scene.world.advance(Duration::from_secs(400));
        if hangs(&stats()) {
            // What a store never answers is given up by who closes it.
            let hub = self.scene.hub.clone();
            let _ = self.scene.world.run(async move { hub.close_store(Duration::from_secs(5)).await });
            self.scene.world.advance(Duration::from_secs(400));
        }
        assert_eq!((stats().channels, stats().history_bytes), (0, 0), "all of it has gone");
    }
}

#[test]
fn nobody_is_told_that_it_recovered_or_that_something_is_stored_unless_it_is_so() {
    each_way(|way| {
        each_seed(40, |_, random| {
            let mut play = Play::begin(way, random);
            (0..STEPS).for_each(|_| play.step());
            play.end();
        });
    });
}
