//! Plays three nodes with clients of every protocol, while everything goes wrong that may.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chat_core::protocol::Protocol;
use chat_core::testkit::{SimBroker, SimFaults, Way, World};
use chat_core::{Close, Hub, Limits, Payload, Publish, Rate};
use chat_tests::nodes::{Anyone, Nodes};
use chat_tests::speakers::TONGUES;
use fastrand::Rng;

use super::ledger::Ledger;
use super::member::Member;
use super::truth::Truth;
use super::watcher::Watcher;

const NODES: usize = 3;

/// Is one run.
pub(super) struct Play<'a> {
    nodes: Nodes,
    /// Is true if the engine notices all losses by itself.
    reliable: bool,
    channels: Vec<String>,
    protocols: Vec<Arc<dyn Protocol>>,
    members: Vec<Member>,
    /// Lists one on each node, in the first channel, if channels keep presence.
    watchers: Vec<Watcher>,
    ledger: Ledger,
    random: &'a mut Rng,
    /// Counts how many turns to go until the clients read again.
    unread: usize,
}

impl<'a> Play<'a> {
    pub(super) fn new(seed: u64, random: &'a mut Rng) -> Self {
        let world = World::seeded(seed);
        let (reliable, knows) = (random.bool(), random.u8(..3) == 0);
        let lanes = random.usize(1..4);
        let broker = SimBroker::new(world.clone()).with_reliable(reliable).with_lanes(lanes);
        let kept = [3, 10, 50][random.usize(..3)];
        let limits = Limits::default()
            .with_ping_interval(Duration::ZERO)
            .with_requests(Rate::UNBOUNDED)
            .with_outbox_frames([16, 4096][random.usize(..2)]);
        let make = || {
            let hub = Hub::builder(Anyone).limits(limits.clone()).history(kept, Duration::from_secs(60));
            hub.channel(move |channel| channel.with_presence(knows))
        };
        let nodes = Nodes::behind(broker, world.clone(), NODES, make);
        let channels: Vec<_> = (0..random.usize(1..5)).map(|n| format!("c{n}")).collect();
        let ledger = Ledger::new(Truth::new(&world, nodes.broker.memory(), &channels));
        let watch = |(n, hub)| Watcher::enter(&world, hub, &channels[0], format!("watcher{n}"));
        let watchers = nodes.hubs.iter().enumerate().filter(|_| knows).map(watch).collect();
        let protocols = TONGUES.iter().map(|tongue| (tongue.protocol)()).collect();
        let mut play = Self {
            nodes,
            reliable,
            channels,
            protocols,
            members: Vec::new(),
            watchers,
            ledger,
            random,
            unread: 0,
        };
        // Mostly few, so that there are many plays; but at times many.
        let members = if play.random.u8(..80) == 0 { 200 } else { play.random.usize(3..12) };
        (0..members).for_each(|n| play.enter(n));
        play
    }

    fn enter(&mut self, n: usize) {
        let tongue = self.random.usize(..TONGUES.len());
        let way = [Way::Frames, Way::Bytes][self.random.usize(..2)];
        // Some are guests, and some users have two sessions.
        let name = (self.random.u8(..6) > 0).then(|| format!("u{}", n - n % 2 * self.random.usize(..2)));
        let hub = &self.nodes.hubs[self.random.usize(..NODES)];
        let protocol = self.protocols[tongue].clone();
        self.members.push(Member::enter(&self.nodes.world, hub, (tongue, way), protocol, name));
    }

    pub(super) fn step(&mut self) {
        let channel = self.channels[self.random.usize(..self.channels.len())].clone();
        let n = self.random.usize(..self.members.len());
        match self.random.u8(..32) {
            0..10 => self.publish(&channel),
            10..16 => self.members[n].join_or_leave(&channel),
            16..18 => self.cut(n),
            18 => self.disconnect(n),
            19 => self.members[n].client().wire().stall(),
            20 => self.members[n].client().wire().flow(),
            21 => self.members[n].publish_again(),
            22..25 => self.change_line(),
            25 => self.change_memory(&channel),
            _ => self.wait(),
        }
        self.unread += 1;
        if self.unread > self.members.len() / 20 {
            self.follow();
        }
    }

    /// Lets one who is in a channel publish to it, or the server.
    fn publish(&mut self, channel: &str) {
        let there: Vec<_> = (0..self.members.len()).filter(|n| self.members[*n].is_in(channel)).collect();
        match there.get(self.random.usize(..there.len().max(1))) {
            Some(n) if self.random.u8(..8) > 0 => self.members[*n].publish(channel, &mut self.ledger),
            _ => {
                let text = self.ledger.ask(channel);
                let hub = &self.nodes.hubs[self.random.usize(..NODES)];
                let _ = hub.publish(channel, Payload::json(format!("{text:?}")));
                self.nodes.world.settle();
            }
        }
    }

    /// Cuts a connection; its client comes back on any node.
    fn cut(&mut self, n: usize) {
        self.members[n].client().cut();
        self.ledger.truth.follow();
        self.members[n].follow(&mut self.ledger);
        self.come_back(n);
    }

    fn come_back(&mut self, n: usize) {
        let hub = &self.nodes.hubs[self.random.usize(..NODES)];
        self.members[n].come_back(&self.nodes.world, hub);
    }

    fn disconnect(&mut self, n: usize) {
        let Some(name) = &self.members[n].name else { return };
        let hub = &self.nodes.hubs[self.random.usize(..NODES)];
        hub.disconnect_user(&name.parse().expect("a name"), &Close::EXPIRED);
        self.nodes.world.settle();
    }

    fn change_line(&mut self) {
        let line = &self.nodes.lines[self.random.usize(..NODES)];
        match self.random.u8(..8) {
            0 => line.cut(),
            1 => line.deafen(),
            2..4 => line.mend(),
            4 => line.set(SimFaults::default()),
            5 => line.lose_answers(self.random.usize(..4)),
            _ => line.set(SimFaults::rough().with_time(Duration::from_millis(self.random.u64(1..8000)))),
        }
    }

    fn change_memory(&mut self, channel: &str) {
        match self.random.u8(..8) {
            0 => self.nodes.broker.memory().forget(),
            1..3 => self.nodes.broker.restart_without(self.random.usize(..10)),
            3 => self.nodes.broker.begin_epoch(&channel.parse().expect("a name")),
            _ => {}
        }
    }

    fn wait(&mut self) {
        let most = if self.random.u8(..50) == 0 { 90_000 } else { 4000 };
        self.nodes.world.advance(Duration::from_millis(self.random.u64(..most)));
    }

    fn follow(&mut self) {
        self.unread = 0;
        self.nodes.world.settle();
        self.ledger.truth.follow();
        for n in 0..self.members.len() {
            self.members[n].follow(&mut self.ledger);
            if self.members[n].is_closed() {
                self.come_back(n);
            }
        }
        for (watcher, hub) in self.watchers.iter_mut().zip(&self.nodes.hubs) {
            watcher.follow();
            watcher.come_back(&self.nodes.world, hub);
        }
    }

    /// Ends all faults, lets time pass, and checks that everybody has heard what there is. Then each channel
    /// gets one more message.
    pub(super) fn end(mut self) -> (usize, usize) {
        for line in &self.nodes.lines {
            line.set(SimFaults::default());
            line.mend();
        }
        self.members.iter().for_each(|member| member.client().wire().flow());
        // As long as it takes until channels are compared, and nodes that have left one are missed.
        self.rest(if self.watchers.is_empty() { 41 } else { 50 });
        self.members.iter().for_each(|member| member.check(&self.ledger, false, !self.reliable));
        if !self.watchers.is_empty() {
            self.check_presence();
        }
        // The first lets all notice in which epoch their channels are.
        for _ in 0..2 {
            self.publish_to_all();
            self.rest(1);
        }
        self.members.iter().for_each(|member| member.check(&self.ledger, true, true));
        self.check_hubs();
        let counts = self.ledger.counts();
        self.stop();
        counts
    }

    /// Ends all, and checks that no task is left.
    fn stop(self) {
        let Self { nodes: Nodes { world, hubs, .. }, members, watchers, ledger, .. } = self;
        members.iter().for_each(|member| member.client().cut());
        watchers.iter().for_each(|watcher| watcher.client().cut());
        drop((members, watchers, hubs, ledger));
        // What waits for a time holds its hub until then.
        world.advance(Duration::from_secs(10));
        assert_eq!(world.tasks(), 0, "all tasks end with their hubs");
    }

    /// Lets the server publish to each channel, which has to succeed.
    fn publish_to_all(&mut self) {
        for channel in self.channels.clone() {
            let text = self.ledger.ask(&channel);
            let content = Payload::json(format!("{text:?}"));
            let publish = Publish::to(channel.parse().expect("a name"), content);
            let hub = self.nodes.hubs[self.random.usize(..NODES)].clone();
            let placed = self.nodes.world.run(async move { hub.publish_durable(publish).await });
            let offset = placed.expect("it is placed").offset().map(|offset| offset.0);
            self.ledger.truth.follow();
            self.ledger.is_published(&channel, &text, offset);
        }
    }

    /// Lets so much time pass, and then lets those join again who were taken out of a channel.
    fn rest(&mut self, seconds: u64) {
        self.nodes.world.advance(Duration::from_secs(seconds));
        for _ in 0..3 {
            self.follow();
            self.members.iter_mut().for_each(Member::join_again);
            self.nodes.world.advance(Duration::from_secs(1));
        }
        self.follow();
        self.ledger.truth.look(&self.nodes.world, &self.channels);
    }

    /// Checks that all nodes, and all who watch, know exactly those who are in a channel.
    fn check_presence(&self) {
        for channel in &self.channels {
            let name = channel.parse().expect("a name");
            let here = |hub: &Hub| hub.subscribers(&name, None, 300).entries;
            let there: Vec<_> = self.nodes.hubs.iter().flat_map(here).collect();
            let users = there.iter().map(|it| it.session.user.as_ref().expect("all are let in").to_string());
            let users: BTreeSet<_> = users.collect();
            let members = self.members.iter().filter(|member| member.is_in(channel)).count();
            let watchers = if *channel == self.channels[0] { self.watchers.len() } else { 0 };
            assert_eq!(there.len(), members + watchers, "those who think so are in {channel}");
            for (node, hub) in self.nodes.hubs.iter().enumerate() {
                let (hub, name) = (hub.clone(), name.clone());
                let page = self.nodes.world.run(async move { hub.try_presence(&name).await });
                let page = page.expect("it answers").expect("it keeps presence");
                let known: BTreeSet<_> = page.present.iter().map(|it| it.user.to_string()).collect();
                let who = format!("node {node} knows who is in {channel}");
                assert_eq!((&known, page.sessions), (&users, there.len()), "{who}");
            }
            if watchers > 0 {
                self.watchers.iter().for_each(|watcher| watcher.check(&users));
            }
        }
    }

    fn check_hubs(&self) {
        let (mut ids, mut guests) = (BTreeSet::new(), BTreeSet::new());
        for hub in &self.nodes.hubs {
            let stats = hub.stats();
            assert_eq!((hub.deaf_for(), stats.broker_corrupt, stats.hook_panics), (None, 0, 0));
            for session in hub.sessions(None, 300).entries {
                assert!(ids.insert(session.session), "{:?} is on two nodes", session.session);
                let name = session.name.expect("all are let in");
                let guest = name.as_str().starts_with("guest-");
                assert!(!guest || guests.insert(name.clone()), "{name} is on two nodes");
            }
        }
        let all = self.members.len() + self.watchers.len();
        assert_eq!(ids.len(), all, "each has a session");
    }
}
