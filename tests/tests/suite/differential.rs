//! Tests that each client of a script receives the same events in every protocol.

use std::collections::BTreeSet;
use std::time::Duration;

use chat_core::protocol::{Credentials, Handshake};
use chat_core::testkit::{Client, Way, World};
use chat_core::{Hub, OpenChat};
use chat_tests::scene::each_way;
use chat_tests::seed::each_seed;
use chat_tests::speakers::{Speaker, TONGUES, Told, Tongue};
use fastrand::Rng;

const CLIENTS: usize = 4;
const CHANNELS: [&str; 3] = ["a", "b", "c"];

/// Keeps this many messages of a channel: some of those that an absent client misses, but not all.
const KEPT: usize = 6;

#[derive(Clone, Copy, Debug)]
enum Act {
    Join(&'static str),
    Leave(&'static str),
    Say(&'static str),
    Cut,
    /// Reconnects to the channels that the client was in.
    Return,
}

/// Makes a random script: each step is a client and its action.
fn script(random: &mut Rng) -> Vec<(usize, Act)> {
    let mut clients: Vec<(bool, BTreeSet<&str>)> = vec![(true, BTreeSet::new()); CLIENTS];
    let mut acts = Vec::new();
    while acts.len() < 80 {
        let who = random.usize(..CLIENTS);
        let (there, channels) = &mut clients[who];
        let channel = CHANNELS[random.usize(..CHANNELS.len())];
        let member = channels.contains(channel);
        let act = match random.u8(..12) {
            0 if *there => Act::Cut,
            1.. if !*there && random.u8(..3) == 0 => Act::Return,
            _ if !*there => continue,
            1..=3 if !member => Act::Join(channel),
            4 if member => Act::Leave(channel),
            5.. if member => Act::Say(channel),
            _ => continue,
        };
        match act {
            Act::Cut => *there = false,
            Act::Return => *there = true,
            Act::Join(channel) => drop(channels.insert(channel)),
            Act::Leave(channel) => drop(channels.remove(channel)),
            Act::Say(_) => {}
        }
        acts.push((who, act));
    }
    acts
}

/// Holds one client, its side of its protocol, and all events that it received.
struct Player {
    tongue: &'static Tongue,
    speaker: Box<dyn Speaker>,
    client: Client,
    channels: BTreeSet<&'static str>,
    told: Vec<Told>,
}

struct Play {
    world: World,
    hub: Hub,
    way: Way,
    resumes: bool,
}

impl Play {
    fn new(way: Way, resumes: bool) -> Self {
        let world = World::new();
        let hub = Hub::builder(OpenChat::default()).history(KEPT, Duration::from_secs(60));
        Self { hub: hub.build(world.clone()), world, way, resumes }
    }

    fn connect(&self, tongue: &Tongue) -> Client {
        let protocol = (tongue.protocol)();
        let opener = Handshake::new(Some("vsn=2.0.0"), &[]);
        let credentials = protocol.accept(&opener).map_or(Credentials::Later, |welcome| welcome.credentials);
        self.world.connect(&self.hub, protocol, credentials, self.way)
    }

    fn enter(&self, tongue: &'static Tongue) -> Player {
        let (speaker, client) = ((tongue.speaker)(), self.connect(tongue));
        let mut player = Player { tongue, speaker, client, channels: BTreeSet::new(), told: Vec::new() };
        player.greet();
        player
    }

    /// Returns the events that each client was told, in the channels' own order.
    fn run(&self, tongues: &[&'static Tongue], script: &[(usize, Act)]) -> Vec<Vec<Told>> {
        let mut players: Vec<_> = tongues.iter().map(|tongue| self.enter(tongue)).collect();
        for (n, (who, act)) in script.iter().enumerate() {
            self.act(&mut players[*who], *act, &format!("{who} says {n}"));
            players.iter_mut().for_each(Player::listen);
        }
        players.into_iter().map(|player| player.told).collect()
    }

    fn act(&self, player: &mut Player, act: Act, text: &str) {
        match act {
            Act::Join(channel) => player.join(channel, false),
            Act::Leave(channel) => player.leave(channel),
            Act::Say(channel) => {
                let frame = player.speaker.publish(channel, text);
                player.say(&frame);
            }
            Act::Cut => player.client.cut(),
            Act::Return => {
                player.client = self.connect(player.tongue);
                player.greet();
                for channel in player.channels.clone() {
                    player.join(channel, self.resumes);
                }
            }
        }
    }
}

impl Player {
    fn greet(&mut self) {
        if let Some(frame) = self.speaker.greeting() {
            self.say(&frame);
            self.listen();
        }
    }

    /// Sends a text of one or several frames.
    fn say(&self, frames: &str) {
        frames.lines().for_each(|frame| self.client.say(frame));
    }

    fn join(&mut self, channel: &'static str, resumes: bool) {
        let since = if resumes { self.speaker.place(channel) } else { None };
        let frame = self.speaker.subscribe(channel, since.as_ref());
        self.channels.insert(channel);
        self.say(&frame);
        self.note(Told::In(channel.to_owned(), None));
        self.listen();
    }

    fn leave(&mut self, channel: &'static str) {
        let frame = self.speaker.leave(channel);
        self.channels.remove(channel);
        self.say(&frame);
        self.listen();
        self.note(Told::Out(channel.to_owned()));
    }

    /// Takes note of an event, and of the answers that the protocol leaves out.
    fn note(&mut self, told: Told) {
        if !self.tongue.answers {
            self.told.push(told);
        }
    }

    fn listen(&mut self) {
        for frame in self.client.heard() {
            self.told.extend(self.speaker.hear(&frame));
        }
    }
}

fn all_in(tongue: &'static Tongue) -> [&'static Tongue; CLIENTS] {
    [tongue; CLIENTS]
}

#[test]
fn every_client_hears_the_same_whatever_protocol_it_and_the_others_speak() {
    each_seed(60, |_, random| {
        let script = script(random);
        each_way(|way| {
            let expected = Play::new(way, false).run(&all_in(&TONGUES[0]), &script);
            for tongue in &TONGUES {
                let told = Play::new(way, false).run(&all_in(tongue), &script);
                assert_eq!(told, expected, "{}", tongue.name);
            }
            let mixed: Vec<_> = (0..CLIENTS).map(|n| &TONGUES[(n + script.len()) % TONGUES.len()]).collect();
            assert_eq!(Play::new(way, false).run(&mixed, &script), expected, "all together");
        });
    });
}

#[test]
fn clients_that_go_on_where_they_were_recover_the_same_in_each_protocol_that_can() {
    each_seed(100, |_, random| {
        let script = script(random);
        each_way(|way| {
            let mut played = TONGUES
                .iter()
                .filter(|tongue| tongue.recovers)
                .map(|tongue| (tongue.name, Play::new(way, true).run(&all_in(tongue), &script)));
            let (first, expected) = played.next().expect("one that can");
            for (name, told) in played {
                assert_eq!(told, expected, "{name} beside {first}");
            }
        });
    });
}

#[test]
fn a_place_in_no_life_of_the_channel_is_not_recovered_in_any_protocol_whatever_text_it_is() {
    let long = "x".repeat(1000);
    each_way(|way| {
        for tongue in TONGUES.iter().filter(|tongue| tongue.recovers) {
            for epoch in ["not-the-epoch", "_", "0", "00000000deadbeef", "+000000deadbeef0", &long] {
                let mut player = Play::new(way, true).enter(tongue);
                let place = (epoch.to_owned(), 0);
                let frame = player.speaker.subscribe("a", Some(&place));
                player.say(&frame);
                player.listen();
                assert_eq!(player.told, [Told::In("a".into(), Some(false))], "{}: {epoch:.20}", tongue.name);
            }
        }
    });
}
