//! Tests that all nodes come to know who is in a channel, whatever goes wrong between them and the broker, in
//! virtual time. A failure prints its seed.

use std::collections::BTreeSet;
use std::time::Duration;

use chat_core::testkit::{Client, SimFaults, World};
use chat_core::{ChannelId, Hub};
use chat_tests::nodes::{Anyone, Nodes};
use chat_tests::seed::each_seed;
use fastrand::Rng;

fn enter(nodes: &Nodes, node: usize, name: &str) -> Client {
    nodes.world.open(&nodes.hubs[node], name)
}

fn room() -> ChannelId {
    "room".parse().expect("a name")
}

/// Plays sessions that come and go on three nodes, with faults between them and the broker.
struct Play<'a> {
    nodes: Nodes,
    /// Holds each session that has asked to join the room, with its user.
    sessions: Vec<(String, Client)>,
    /// Holds an observer on each node, and whom it knows; none while it is not in the room.
    observers: Vec<(Client, Option<BTreeSet<String>>)>,
    random: &'a mut Rng,
}

impl<'a> Play<'a> {
    fn new(seed: u64, random: &'a mut Rng) -> Self {
        let keeps = || {
            let keeps = Hub::builder(Anyone).history(100, Duration::from_secs(60));
            keeps.channel(|channel| channel.with_presence(true))
        };
        let nodes = Nodes::of(World::seeded(seed), 3, random.bool(), keeps);
        let observers = (0..3).map(|node| {
            let client = enter(&nodes, node, &format!("observer{node}"));
            client.say("subscribe room present");
            (client, None)
        });
        let observers = observers.collect();
        Self { nodes, sessions: Vec::new(), observers, random }
    }

    fn step(&mut self) {
        let node = self.random.usize(..3);
        let line = &self.nodes.lines[node];
        match self.random.u8(..16) {
            0..5 => {
                let name = format!("user{}", self.random.u8(..6));
                let client = enter(&self.nodes, node, &name);
                client.say("subscribe room");
                self.sessions.push((name, client));
            }
            5..9 if !self.sessions.is_empty() => {
                let (_, client) = self.sessions.swap_remove(self.random.usize(..self.sessions.len()));
                if self.random.bool() { client.cut() } else { client.say("unsubscribe room") }
            }
            9 => line.cut(),
            10 => line.mend(),
            11 => line.set(SimFaults::default().with_lost_words(1000 * u32::from(self.random.bool()))),
            12 => {
                let out = self.observers[node].1.is_some();
                let says = if out { "unsubscribe room" } else { "subscribe room present" };
                self.observers[node].0.say(says);
            }
            _ => self.nodes.world.advance(Duration::from_millis(self.random.u64(..5000))),
        }
        self.follow();
    }

    fn follow(&mut self) {
        for (client, known) in &mut self.observers {
            for line in client.heard() {
                let words: Vec<_> = line.split(' ').collect();
                match words[..] {
                    ["subscribed", "room", _, "present", users] => {
                        *known = Some(users.split(',').map(str::to_owned).collect());
                    }
                    ["presence", "room", ..] => {
                        let known = known.as_mut().expect("only who is in the room is told");
                        for change in &words[2..] {
                            match change.strip_prefix('+') {
                                Some(user) => known.insert(user.to_owned()),
                                None => known.remove(&change[1..]),
                            };
                        }
                    }
                    ["unsubscribed", "room", ..] => *known = None,
                    ["subscribed", "room", _, "already", ..] | ["error", ..] | ["ping"] => {}
                    _ => panic!("{line}"),
                }
            }
        }
    }

    /// Ends all faults, and checks that all nodes know who is there.
    fn end(mut self) {
        for line in &self.nodes.lines {
            line.set(SimFaults::default());
            line.mend();
        }
        self.nodes.world.advance(Duration::from_secs(6));
        self.follow();
        for (client, _) in self.observers.iter().filter(|(_, known)| known.is_none()) {
            client.say("subscribe room present");
        }
        self.nodes.world.advance(Duration::from_secs(114));
        self.follow();
        // While the broker was away nobody joined a channel that its node had left.
        let joined = |client: &Client| client.heard().iter().any(|line| line.starts_with("subscribed"));
        self.sessions.retain(|(_, client)| joined(client));
        let mut truth: BTreeSet<_> = (0..3).map(|node| format!("observer{node}")).collect();
        truth.extend(self.sessions.iter().map(|(name, _)| name.clone()));
        let pages: Vec<_> =
            (0..3).map(|node| self.nodes.hubs[node].presence(&room()).expect("it keeps presence")).collect();
        let total = self.sessions.len() + 3;
        for (node, (_, known)) in self.observers.iter().enumerate() {
            let users: BTreeSet<_> = pages[node].present.iter().map(|it| it.user.to_string()).collect();
            assert_eq!((&users, pages[node].sessions), (&truth, total), "node {node}");
            assert_eq!(known.as_ref(), Some(&truth), "the observer on node {node}");
        }
        assert!(pages.iter().all(|page| page == &pages[0]), "all nodes list the same: {pages:?}");
        assert_eq!(self.nodes.hubs.iter().map(|hub| hub.stats().broker_corrupt).sum::<u64>(), 0);
    }
}

#[test]
fn at_rest_all_nodes_know_who_is_there_whatever_went_wrong() {
    each_seed(300, |seed, random| {
        let mut play = Play::new(seed, random);
        (0..120).for_each(|_| play.step());
        play.end();
    });
}
