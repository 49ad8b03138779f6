//! Tests that several nodes lose nothing in silence, whatever goes wrong between them and the broker, in
//! virtual time. A failure prints its seed.

use std::collections::BTreeMap;
use std::time::Duration;

use chat_core::Hub;
use chat_core::testkit::{Client, SimBroker, SimFaults, World};
use chat_tests::nodes::{Anyone, Nodes};
use chat_tests::seed::each_seed;
use fastrand::Rng;

/// Checks what clients heard against the order that the broker gave.
#[derive(Default)]
struct Truth(BTreeMap<(String, String, u64), String>);

impl Truth {
    fn check(&mut self, epoch: &str, channel: &str, offset: u64, content: &str) {
        let key = (epoch.to_owned(), channel.to_owned(), offset);
        let known = self.0.entry(key.clone()).or_insert_with(|| content.to_owned());
        assert_eq!(known, content, "{key:?} has one content");
    }
}

/// Follows a client: where it is in each channel, and what it heard.
struct Follower {
    client: Client,
    places: BTreeMap<String, (String, u64)>,
}

impl Follower {
    fn follow(&mut self, truth: &mut Truth) {
        for line in self.client.heard() {
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                [_, "subscribed", channel, offset, .., epoch] => {
                    let offset = offset.parse().expect("a number");
                    let recovered = line.contains(" recovered ") && !line.contains("not recovered");
                    match self.places.get_mut(channel).filter(|_| recovered) {
                        Some((known, _)) => assert_eq!(known, epoch, "{line}"),
                        None => drop(self.places.insert(channel.to_owned(), (epoch.to_owned(), offset))),
                    }
                }
                ["message", channel, offset, _, content] => {
                    let offset: u64 = offset.parse().expect("a number");
                    let (epoch, last) = self.places.get_mut(channel).expect("it is subscribed");
                    assert_eq!(offset, *last + 1, "no gap goes untold: {line}");
                    *last = offset;
                    truth.check(epoch, channel, offset, content);
                }
                ["unsubscribed", channel, ..] => drop(self.places.remove(channel)),
                // A request to subscribe has its channel as its id.
                [id, "error", ..] => drop(self.places.remove(&id[1..])),
                ["error", ..] | ["ping"] => {}
                _ => panic!("{line}"),
            }
        }
    }
}

/// Holds what happens in one run.
struct Play<'a> {
    nodes: Nodes,
    followers: Vec<Follower>,
    truth: Truth,
    random: &'a mut Rng,
    /// Is true if the engine notices all losses by itself: then there are none without a word.
    reliable: bool,
}

impl<'a> Play<'a> {
    fn new(seed: u64, random: &'a mut Rng) -> Self {
        let keeps = || Hub::builder(Anyone).history(8, Duration::from_secs(60));
        let reliable = random.bool();
        let world = World::seeded(seed);
        let broker = SimBroker::new(world.clone()).with_reliable(reliable);
        let nodes = Nodes::of(broker, world, 3, keeps);
        let mut play = Self { nodes, followers: Vec::new(), truth: Truth::default(), random, reliable };
        for n in 0..9 {
            let client = play.open(n % 3, n);
            play.followers.push(Follower { client, places: BTreeMap::new() });
        }
        play
    }

    fn open(&self, node: usize, n: usize) -> Client {
        self.nodes.world.open(&self.nodes.hubs[node], &format!("user{n}"))
    }

    fn step(&mut self, step: usize) {
        let (n, channel) = (self.random.usize(..self.followers.len()), format!("c{}", self.random.u8(..3)));
        let node = self.random.usize(..3);
        let line = &self.nodes.lines[node];
        match self.random.u8(..20) {
            0..8 => self.followers[n].client.say(&format!("publish {channel} {step}")),
            8..11 if !self.followers[n].places.contains_key(&channel) => {
                let subscribe = format!("#{channel} subscribe {channel} since any 999999");
                self.followers[n].client.say(&subscribe);
            }
            11..13 => self.come_back(n, node),
            13 => line.cut(),
            14 => line.mend(),
            15 if !self.reliable => {
                line.set(SimFaults::default().with_losses(1000 * u32::from(self.random.bool())));
            }
            16 if self.random.u8(..6) == 0 => self.nodes.broker.memory().forget(),
            _ => self.nodes.world.advance(Duration::from_millis(self.random.u64(..4000))),
        }
        self.follow();
    }

    /// Cuts a client's connection, and lets it come back on another node to all of its channels.
    fn come_back(&mut self, n: usize, node: usize) {
        self.followers[n].follow(&mut self.truth);
        self.followers[n].client.cut();
        self.followers[n].client = self.open(node, n);
        for (channel, (epoch, last)) in &self.followers[n].places {
            let subscribe = format!("#{channel} subscribe {channel} since {epoch} {last}");
            self.followers[n].client.say(&subscribe);
        }
    }

    fn follow(&mut self) {
        self.followers.iter_mut().for_each(|follower| follower.follow(&mut self.truth));
    }

    /// Ends all faults, publishes once more to each channel, and checks that all are at its end.
    fn end(mut self) {
        for line in &self.nodes.lines {
            line.set(SimFaults::default());
            line.mend();
        }
        self.nodes.world.advance(Duration::from_secs(45));
        self.follow();
        let publisher = self.open(0, 9);
        publisher.say("#0 publish c0 0\n#1 publish c1 0\n#2 publish c2 0");
        self.nodes.world.advance(Duration::from_secs(1));
        let told = publisher.heard();
        assert!(told.len() == 3 && told.iter().all(|line| line.contains(" published ")), "{told:?}");
        self.follow();
        let mut lasts = BTreeMap::new();
        for (channel, place) in self.followers.iter().flat_map(|follower| &follower.places) {
            let known = lasts.entry(channel).or_insert(place);
            assert_eq!(*known, place, "all are at the end of {channel}");
        }
    }
}

#[test]
fn nothing_is_lost_in_silence_whatever_goes_wrong_between_the_nodes_and_the_broker() {
    each_seed(500, |seed, random| {
        let mut play = Play::new(seed, random);
        (0..150).for_each(|step| play.step(step));
        play.end();
    });
}
