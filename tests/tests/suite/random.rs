//! Tests at random that sessions receive their channels in order and are told of every gap, while others
//! connect, leave, publish, stall and crash.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use chat_core::testkit::{Client, Way, World};
use chat_core::transport::Incoming;
use chat_core::{Hub, Limits, OpenChat, Payload, Rate};
use chat_tests::scene::Scene;
use chat_tests::seed::each_seed;
use fastrand::Rng;

const CHANNELS: [&str; 3] = ["a", "b", "c"];
const OVERFLOWS: [&str; 5] = ["", "drop-oldest", "drop-newest", "only-latest", "resync"];
const CLIENTS: usize = 6;
const STEPS: usize = 400;

/// Holds the conclusions that one client may draw from the frames that it received.
#[derive(Default)]
struct Listener {
    /// Maps every channel that the client is in to its last offset.
    places: HashMap<String, u64>,
    /// Maps every channel that the client knows to its epoch and last offset.
    known: HashMap<String, (String, u64)>,
    /// Lists the positions from which the client asked to recover, in the order of its requests.
    asked: HashMap<String, VecDeque<u64>>,
    closed: bool,
    lost: usize,
    recovered: usize,
}

/// Maps every offset to its message, as the first client received it.
type Record = HashMap<(String, u64), String>;

impl Listener {
    /// Returns the subscribe request that recovers from the client's position.
    fn subscribe(&mut self, channel: &str, overflow: &str) -> String {
        let (epoch, offset) = self.known.get(channel).cloned().unwrap_or_else(|| ("0".repeat(16), 0));
        self.asked.entry(channel.to_owned()).or_default().push_back(offset);
        format!("subscribe {channel} {overflow} since {epoch} {offset}")
    }

    fn hear(&mut self, line: &str, record: &mut Record) {
        assert!(!self.closed, "{line:?} came after the close");
        let words: Vec<_> = line.split(' ').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
        let name = words.get(1).copied().unwrap_or_default().to_owned();
        let already = line.ends_with(" already");
        match words[0] {
            "subscribed" => {
                let asked = self.asked.get_mut(&name).and_then(VecDeque::pop_front).expect("it asked");
                if !already {
                    let recovered = words[3] == "recovered";
                    self.recovered += usize::from(recovered);
                    let place = if recovered { asked } else { number(2).expect("an offset") };
                    assert_eq!(self.places.insert(name.clone(), place), None, "joined twice: {line}");
                    self.known.insert(name, (words[words.len() - 1].to_owned(), place));
                }
            }
            "unsubscribed" if !already => {
                assert!(self.places.remove(&name).is_some(), "left twice: {line}");
            }
            "message" => {
                let offset = number(2).expect("an offset");
                self.go_on(&name, offset, offset, line);
                let said = record.entry((name, offset)).or_insert_with(|| line.to_owned());
                assert_eq!(said, line, "two orders");
            }
            "lost" => {
                let (from, to) = (number(2).expect("an offset"), number(3).expect("an offset"));
                assert!(from <= to, "{line}");
                self.lost += 1;
                self.go_on(&name, from, to, line);
            }
            "close" => self.closed = true,
            _ => {}
        }
    }

    fn go_on(&mut self, name: &str, from: u64, to: u64, line: &str) {
        let place = self.places.get_mut(name).unwrap_or_else(|| panic!("it is not in: {line}"));
        assert_eq!(from, *place + 1, "a gap or a repetition: {line}");
        *place = to;
        self.known.get_mut(name).expect("it knows where it is").1 = to;
    }
}

/// Holds the clients and the conclusions of each.
struct Crowd {
    scene: Scene,
    clients: Vec<Client>,
    ears: Vec<Listener>,
    record: Record,
}

impl Crowd {
    fn gather(scene: Scene) -> Self {
        let anchor = scene.enter("anchor");
        let clients: Vec<_> = (0..CLIENTS).map(|n| scene.enter(&format!("c{n}"))).chain([anchor]).collect();
        let ears = clients.iter().map(|_| Listener::default()).collect();
        let mut crowd = Self { scene, clients, ears, record: Record::new() };
        for channel in CHANNELS {
            crowd.subscribe(CLIENTS, channel, "");
        }
        crowd.listen();
        crowd
    }

    fn say(&self, at: usize, text: String) {
        self.clients[at].wire().put(Ok(Incoming::Text(text)));
    }

    fn subscribe(&mut self, at: usize, channel: &str, overflow: &str) {
        let text = self.ears[at].subscribe(channel, overflow);
        self.say(at, text);
    }

    fn listen(&mut self) {
        for (ear, client) in self.ears.iter_mut().zip(&self.clients) {
            client.heard().iter().for_each(|line| ear.hear(line, &mut self.record));
        }
    }

    fn do_something(&mut self, n: usize, random: &mut Rng) {
        let at = random.usize(..CLIENTS);
        let channel = CHANNELS[random.usize(..CHANNELS.len())];
        let wire = self.clients[at].wire().clone();
        match random.u32(..20) {
            0..4 => self.subscribe(at, channel, OVERFLOWS[random.usize(..OVERFLOWS.len())]),
            4..6 => self.say(at, format!("unsubscribe {channel}")),
            6..10 => (0..random.usize(1..5)).for_each(|m| self.say(at, format!("publish {channel} {n}.{m}"))),
            10 => self.say(at, format!("signal {channel} {n}")),
            11 => drop(self.scene.hub.publish(channel, Payload::json(format!("{n}")))),
            12 => wire.stall(),
            13 => wire.give_room(random.usize(..200)),
            14 => wire.flow(),
            15 => self.say(at, "nonsense".to_owned()),
            16..18 => self.scene.world.settle(),
            18 => self.listen(),
            _ if random.u32(..4) == 0 => wire.cut(),
            _ => {}
        }
    }

    fn finish(&mut self) {
        self.clients.iter().for_each(|client| client.wire().flow());
        self.listen();
    }
}

/// Counts the outcome of a play: messages received, gaps told and recoveries made.
type Sums = (usize, usize, usize);

/// Plays once. Returns zeros if the client that keeps the channels alive was too slow, since offsets may then
/// have been given twice.
fn play(seed: u64, random: &mut Rng, way: Way) -> Sums {
    let limits = Limits::default()
        .with_outbox_frames(40)
        .with_outbox_bytes(3000)
        .with_strikes(u32::MAX)
        .with_requests(Rate::UNBOUNDED);
    let world = World::seeded(seed);
    let hub = Hub::builder(OpenChat::default()).limits(limits).history(30, Duration::from_secs(60));
    let mut crowd = Crowd::gather(Scene::of(world, way, hub));
    for n in 0..STEPS {
        crowd.do_something(n, random);
    }
    crowd.finish();
    if crowd.clients[CLIENTS].close().is_some() {
        return (0, 0, 0);
    }
    let last = &crowd.ears[CLIENTS].places;
    let mut subscriptions = CHANNELS.len();
    for (ear, client) in crowd.ears[..CLIENTS].iter().zip(&crowd.clients) {
        if client.close().is_none() {
            subscriptions += ear.places.len();
            let missing: Vec<_> = ear.places.iter().filter(|(name, place)| last[*name] != **place).collect();
            assert!(missing.is_empty(), "of {last:?} it has only {missing:?}");
        }
    }
    assert_eq!(crowd.scene.hub.stats().subscriptions, subscriptions as u64);
    let sum = |of: fn(&Listener) -> usize| crowd.ears.iter().map(of).sum();
    (crowd.record.len(), sum(|ear| ear.lost), sum(|ear| ear.recovered))
}

#[test]
fn every_listener_hears_its_channels_in_order_and_is_told_what_it_does_not_hear() {
    for way in [Way::Frames, Way::Bytes] {
        let sums = Cell::new((0, 0, 0));
        each_seed(300, |seed, random| {
            let (heard, lost, recovered) = play(seed, random, way);
            let before = sums.get();
            sums.set((before.0 + heard, before.1 + lost, before.2 + recovered));
        });
        let (heard, lost, recovered) = sums.get();
        assert!(heard > 100 && lost > 10 && recovered > 10, "hardly anything happened: {:?}", sums.get());
    }
}
