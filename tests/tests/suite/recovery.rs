//! Tests that a client that reconnects gets everything that it missed, and is told `recovered` exactly then,
//! for every cut, window, age and epoch, in virtual time.

use std::collections::VecDeque;
use std::time::Duration;

use chat_core::testkit::{Client, Way, World};
use chat_core::{
    ChannelId, ChannelOptions, Endpoint, Epoch, HistoryOptions, HistoryRequest, Hub, Limits, Payload,
};
use chat_tests::scene::{Scene, each_way};
use chat_tests::seed::each_seed;
use fastrand::Rng;

const AGE: u64 = 60;
const MOST: usize = 12;

/// Keeps as many publications as the name of the channel says: `NUMBER-ENTRIES`.
struct ByName;

impl Endpoint for ByName {
    fn channel(&self, channel: &ChannelId, _: ChannelOptions) -> ChannelOptions {
        let entries = channel.as_str().rsplit('-').next().and_then(|word| word.parse().ok());
        let history =
            HistoryOptions::of(entries.expect("a number"), Duration::from_secs(AGE)).with_bytes(1 << 20);
        ChannelOptions::default().with_history(history)
    }
}

/// Holds the expected state of a channel.
#[derive(Default)]
struct Model {
    entries: usize,
    members: usize,
    last: u64,
    /// Lists offsets, and when they were published.
    kept: VecDeque<(u64, u64)>,
    /// Holds the time of the last member or publication.
    used: u64,
    is_there: bool,
    lives: u32,
}

impl Model {
    fn begin(&mut self) {
        if !self.is_there {
            (self.last, self.lives, self.is_there) = (0, self.lives + 1, true);
        }
    }

    fn publish(&mut self, now: u64) {
        self.begin();
        (self.last, self.used) = (self.last + 1, now);
        self.kept.push_back((self.last, now));
        while self.kept.len() > self.entries {
            self.kept.pop_front();
        }
    }

    fn grow_old(&mut self, now: u64) {
        self.kept.retain(|(_, at)| at + AGE > now);
        self.is_there &= self.members > 0 || self.used + AGE > now;
    }

    /// Returns what a client that comes back must be told.
    fn recovery(&self, life: u32, offset: u64) -> Option<&'static str> {
        let first = self.kept.front().map_or(self.last + 1, |(offset, _)| *offset);
        if life != self.lives {
            Some("epoch changed")
        } else if offset > self.last {
            Some("unknown offset")
        } else if offset + 1 < first {
            Some("too old")
        } else if self.last - offset > MOST as u64 {
            Some("too many")
        } else {
            None
        }
    }
}

/// Holds one channel, and a client that is cut off from it and reconnects.
struct Case<'a> {
    scene: &'a Scene,
    random: &'a mut Rng,
    name: String,
    model: Model,
    second: &'a mut u64,
}

impl Case<'_> {
    fn publish(&mut self, times: usize) {
        for _ in 0..times {
            self.scene.hub.publish(self.name.as_str(), Payload::json("1")).expect("a name");
            self.model.publish(*self.second);
        }
    }

    fn wait(&mut self) {
        // Beyond the age, or well within.
        let seconds = if self.random.u8(..4) == 0 { AGE + 5 } else { self.random.u64(..3) };
        self.scene.world.advance(Duration::from_secs(seconds));
        *self.second += seconds;
        self.model.grow_old(*self.second);
    }

    fn join(&mut self, name: &str) -> Client {
        self.model.begin();
        self.model.members += 1;
        self.scene.join(name, &self.name)
    }

    fn leave(&mut self, client: &Client) {
        match self.random.bool() {
            true => client.cut(),
            false => client.say(&format!("unsubscribe {}", self.name)),
        }
        (self.model.members, self.model.used) = (self.model.members - 1, *self.second);
    }

    fn epoch(&self) -> Epoch {
        let channel = self.name.parse().expect("a name");
        let request = HistoryRequest::of(channel, 1);
        self.scene.hub.history(&request).expect("somebody is in it").epoch
    }

    /// Plays the case; whether it was recovered.
    fn play(mut self) -> bool {
        let stays = self.random.bool().then(|| self.join("stays"));
        let heard = self.random.usize(..6);
        let ann = self.join("ann");
        self.publish(heard);
        let (epoch, life, at) = (self.epoch(), self.model.lives, self.model.last);
        self.leave(&ann);
        for _ in 0..self.random.u8(1..4) {
            let missed = self.random.usize(..10);
            self.publish(missed);
            self.wait();
        }
        ann.cut();
        let claimed = if self.random.u8(..20) == 0 { at + 1000 } else { at };
        let recovered = self.come_back(epoch, life, claimed);
        stays.inspect(Client::cut);
        recovered
    }

    fn come_back(&mut self, epoch: Epoch, life: u32, claimed: u64) -> bool {
        self.model.begin();
        self.model.members += 1;
        let why = self.model.recovery(life, claimed);
        let (name, before) = (self.name.clone(), self.model.last);
        let back = self.scene.enter("ann");
        back.say(&format!("subscribe {name} since {epoch} {claimed}"));
        let live = self.random.usize(..4);
        self.publish(live);
        let now = self.epoch();
        let answer = match why {
            None => format!("subscribed {name} {before} recovered {now}"),
            Some(why) => format!("subscribed {name} {before} not recovered: {why} {now}"),
        };
        let first = if why.is_none() { claimed + 1 } else { before + 1 };
        let messages = (first..=self.model.last).map(|offset| format!("message {name} {offset} server 1"));
        let expected: Vec<String> = std::iter::once(answer).chain(messages).collect();
        assert_eq!(back.heard(), expected);
        back.cut();
        why.is_none()
    }
}

#[test]
fn a_hundred_thousand_cuts_are_recovered_exactly_when_all_that_was_missed_is_kept() {
    const SEEDS: u64 = 200;
    const CASES: u64 = 500;
    let recovered = std::cell::Cell::new(0);
    each_seed(SEEDS, |seed, random| {
        let way = if random.bool() { Way::Frames } else { Way::Bytes };
        let limits = Limits::default().with_answer_entries(MOST);
        let scene = Scene::of(World::seeded(seed), way, Hub::builder(ByName).limits(limits));
        let mut second = 0;
        for case in 0..CASES {
            let entries = random.usize(1..25);
            let name = format!("{case}-{entries}");
            let model = Model { entries, ..Model::default() };
            let case = Case { scene: &scene, random, name, model, second: &mut second };
            recovered.set(recovered.get() + u64::from(case.play()));
        }
    });
    let share = recovered.get() as f64 / (SEEDS * CASES) as f64;
    assert!(std::env::var("SEED").is_ok() || (0.2..0.8).contains(&share), "{share} were recovered");
}

#[test]
fn who_wants_all_or_nothing_is_refused_and_hears_nothing_until_it_can_have_all() {
    each_way(|way| {
        let scene = Scene::of(World::new(), way, Hub::builder(ByName));
        let ann = scene.join("ann", "room-2");
        let publish = |content: &str| {
            scene.hub.publish("room-2", Payload::json(content)).expect("a name");
        };
        ["1", "2", "3", "4"].into_iter().for_each(publish);
        let bob = scene.enter("bob");
        bob.say("subscribe room-2 whole since any 1");
        publish("5");
        assert_eq!(bob.heard(), ["error 112 too old"]);
        bob.say("subscribe room-2 whole since any 3");
        let heard = bob.heard();
        assert!(heard[0].starts_with("subscribed room-2 5 recovered "), "{heard:?}");
        assert_eq!(heard[1..], ["message room-2 4 server 4", "message room-2 5 server 5"]);
        assert_eq!(ann.heard().len(), 5);
    });
}
