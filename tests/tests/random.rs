//! Sessions that come, go, speak, stall and die at random: whatever happens, each hears its channels in order and without a gap.

use std::cell::Cell;
use std::collections::HashMap;

use chat_core::testkit::{Client, Way, World};
use chat_core::{Incoming, Limits, OpenChat, Payload};
use chat_tests::scene::Scene;
use chat_tests::seed::each_seed;
use fastrand::Rng;

const CHANNELS: [&str; 3] = ["a", "b", "c"];
const CLIENTS: usize = 6;
const STEPS: usize = 400;

/// What one client may conclude from what it heard.
#[derive(Default)]
struct Listener {
    /// The last offset of every channel it is in.
    places: HashMap<String, u64>,
    closed: bool,
}

/// What was said at every place, as the first who heard it tells.
type Record = HashMap<(String, u64), String>;

impl Listener {
    fn hear(&mut self, line: &str, record: &mut Record) {
        assert!(!self.closed, "{line:?} came after the close");
        let mut words = line.split(' ');
        let (kind, channel, offset) = (words.next().unwrap_or_default(), words.next(), words.next());
        let name = channel.unwrap_or_default().to_owned();
        let already = line.ends_with(" already");
        match kind {
            "subscribed" if !already => {
                let offset = offset.and_then(|offset| offset.parse().ok()).expect("an offset");
                assert_eq!(self.places.insert(name, offset), None, "joined twice: {line}");
            }
            "unsubscribed" if !already => {
                assert!(self.places.remove(&name).is_some(), "left twice: {line}");
            }
            "message" => {
                let offset = offset.and_then(|offset| offset.parse().ok()).expect("an offset");
                let place = self.places.get_mut(&name).unwrap_or_else(|| panic!("it is not in: {line}"));
                assert_eq!(offset, *place + 1, "a gap or a repetition: {line}");
                *place = offset;
                let said = record.entry((name, offset)).or_insert_with(|| line.to_owned());
                assert_eq!(said, line, "two orders");
            }
            "close" => self.closed = true,
            _ => {}
        }
    }
}

fn do_something(scene: &Scene, clients: &mut [Client], n: usize, random: &mut Rng) {
    let at = random.usize(..CLIENTS);
    let client = &clients[at];
    let channel = CHANNELS[random.usize(..CHANNELS.len())];
    let say = |text: String| client.wire().put(Ok(Incoming::Text(text)));
    match random.u32(..20) {
        0..4 => say(format!("subscribe {channel}")),
        4..6 => say(format!("unsubscribe {channel}")),
        6..11 => (0..random.usize(1..5)).for_each(|m| say(format!("publish {channel} {n}.{m}"))),
        11 => drop(scene.hub.publish(channel, Payload::json(format!("{n}")))),
        12 => client.wire().stall(),
        13 => client.wire().give_room(random.usize(..200)),
        14 => client.wire().flow(),
        15 => say("nonsense".to_owned()),
        16..19 => scene.world.settle(),
        _ if random.u32(..4) == 0 => client.wire().cut(),
        _ => {}
    }
}

/// Says how many messages were heard; none if the one that keeps the channels alive was too slow.
fn play(seed: u64, random: &mut Rng, way: Way) -> usize {
    let limits = Limits { outbox_frames: 40, outbox_bytes: 2000, strikes: u32::MAX, ..Limits::default() };
    let scene = Scene::within(World::seeded(seed), way, OpenChat::default(), limits);
    let anchor = scene.enter("anchor");
    CHANNELS.iter().for_each(|channel| anchor.say(&format!("subscribe {channel}")));
    let mut clients: Vec<_> = (0..CLIENTS).map(|n| scene.enter(&format!("c{n}"))).collect();
    let mut ears: Vec<_> = (0..=CLIENTS).map(|_| Listener::default()).collect();
    let mut record = Record::new();
    for n in 0..STEPS {
        do_something(&scene, &mut clients, n, random);
    }
    clients.iter().for_each(|client| client.wire().flow());
    // With it the channels may have gone, and places may have been given twice.
    if anchor.close().is_some() {
        return 0;
    }
    for (ear, client) in ears.iter_mut().zip(clients.iter().chain([&anchor])) {
        client.heard().iter().for_each(|line| ear.hear(line, &mut record));
    }
    let last = &ears[CLIENTS].places;
    let mut subscriptions = CHANNELS.len();
    for (ear, client) in ears[..CLIENTS].iter().zip(&clients) {
        if client.close().is_none() {
            subscriptions += ear.places.len();
            let missing: Vec<_> = ear.places.iter().filter(|(name, place)| last[*name] != **place).collect();
            assert!(missing.is_empty(), "of {last:?} it has only {missing:?}");
        }
    }
    assert_eq!(scene.hub.stats().subscriptions, subscriptions as u64);
    record.len()
}

#[test]
fn every_listener_hears_its_channels_in_order_and_without_a_gap() {
    for way in [Way::Frames, Way::Bytes] {
        let heard = Cell::new(0);
        each_seed(300, |seed, random| heard.set(heard.get() + play(seed, random, way)));
        assert!(heard.get() > 100, "hardly anything was said");
    }
}
