use std::sync::Arc;
use std::time::Duration;

use async_channel::Receiver;

use super::{SimBroker, SimFaults, SimLine, SimNode};
use crate::model::{ChannelId, HistoryOptions, Offset};
use crate::port::Runtime;
use crate::port::broker::{Broker, Draft, Heard, Join, Placed};
use crate::testkit::{World, broker_conformance};

/// Holds a node that listens, and what it hears.
struct Listener {
    world: World,
    node: Arc<SimNode>,
    heard: Receiver<Heard>,
}

fn channel(name: &str) -> ChannelId {
    name.parse().expect("a name")
}

fn keep() -> HistoryOptions {
    HistoryOptions::of(100, Duration::from_secs(60))
}

impl Listener {
    fn of(broker: &SimBroker, world: &World) -> Self {
        let (sender, heard) = async_channel::bounded(1024);
        let node = Arc::new(broker.node());
        let runs = node.clone();
        world.spawn(Box::pin(async move { runs.run(sender).await }));
        world.settle();
        let listener = Self { world: world.clone(), node, heard };
        assert_eq!(listener.hears(), [Heard::Back]);
        listener
    }

    fn line(&self) -> SimLine {
        self.node.line()
    }

    fn hears(&self) -> Vec<Heard> {
        self.world.settle();
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }

    /// Returns what was heard as text: `a1` is the first publication of the channel `a`.
    fn says(&self) -> Vec<String> {
        let text = |heard| match heard {
            Heard::Published { channel, stand, .. } => format!("{channel}{}", stand.offset),
            Heard::Told { body, .. } => body.to_string(),
            other => format!("{other:?}"),
        };
        self.hears().into_iter().map(text).collect()
    }

    fn join(&self, names: &[&str]) {
        let joins = names.iter().map(|name| Join::new(channel(name), keep())).collect();
        let node = self.node.clone();
        self.world.run(async move { node.join(joins).await.map(drop) }).expect("it joins");
    }

    /// Publishes to each of these channels; none stands for one that failed.
    fn publish(&self, names: &[&str]) -> Vec<Option<Placed>> {
        let batch = names.iter().map(|name| Draft::new(channel(name), "1", keep())).collect();
        let node = self.node.clone();
        let placed = self.world.run(async move { node.publish(0, batch).await });
        placed.into_iter().map(Result::ok).collect()
    }

    fn offset(&self, name: &str) -> u64 {
        let (node, names) = (self.node.clone(), vec![channel(name)]);
        self.world.run(async move { node.stands(names).await }).expect("it answers")[0].offset.0
    }
}

/// Returns a broker, a node that publishes without faults, and one that listens to the channels `a` and `b`.
fn pair(reliable: bool) -> (SimBroker, Listener, Listener) {
    let world = World::seeded(7);
    let broker = SimBroker::new(world.clone()).with_reliable(reliable);
    let (here, there) = (Listener::of(&broker, &world), Listener::of(&broker, &world));
    there.join(&["a", "b"]);
    (broker, here, there)
}

#[test]
fn a_broker_on_which_nothing_goes_wrong_passes_all_cases() {
    for (reliable, lanes) in [(true, 1), (false, 4)] {
        let world = World::new();
        let of = world.clone();
        let make = move || {
            let broker = SimBroker::new(of.clone()).with_reliable(reliable).with_lanes(lanes);
            async move { [broker.node(), broker.node()] }
        };
        let all = world.run(broker_conformance(Arc::new(world.clone()), make));
        assert!(all.failed.is_empty() && all.passed.len() > 40, "{all}");
    }
}

#[test]
fn a_loss_is_told_by_a_reliable_broker_and_by_no_other() {
    for (reliable, heard) in [(true, vec!["Deaf", "Back", "a3"]), (false, vec!["a3"])] {
        let (_, here, there) = pair(reliable);
        there.line().set(SimFaults::default().with_losses(1000));
        here.publish(&["a", "a"]);
        here.world.settle();
        there.line().set(SimFaults::default());
        here.world.advance(Duration::from_secs(1));
        here.publish(&["a"]);
        assert_eq!(there.says(), heard);
    }
}

#[test]
fn a_lost_word_is_told_by_nobody_and_none_comes_twice() {
    let (_, here, there) = pair(true);
    let tell = |word: &'static str| {
        let node = here.node.clone();
        here.world.run(async move { node.tell(None, word.into()).await }).expect("it is told");
    };
    there.line().set(SimFaults::default().with_lost_words(1000).with_losses(1000));
    tell("1");
    there.world.settle();
    there.line().set(SimFaults::default().with_doubles(1000));
    tell("2");
    assert_eq!(there.says(), ["2"]);
}

#[test]
fn a_publication_comes_twice_but_no_signal() {
    let (_, here, there) = pair(true);
    there.line().set(SimFaults::default().with_doubles(1000).with_time(Duration::from_secs(1)));
    here.publish(&["a", "b"]);
    here.world.advance(Duration::from_secs(2));
    let mut heard = there.says();
    heard.sort();
    assert_eq!(heard, ["a1", "a1", "b1", "b1"]);
    let signal = vec![Draft::new(channel("a"), "1", keep()).with_ephemeral(true)];
    here.world.run(async move { here.node.publish(0, signal).await });
    there.world.advance(Duration::from_secs(2));
    assert_eq!(there.says().len(), 1);
}

#[test]
fn what_is_late_is_passed_by_other_channels_but_not_by_its_own() {
    let (_, here, there) = pair(true);
    let names: Vec<_> = (0..100).map(|n| ["a", "b"][n % 2]).collect();
    let hear = |faults: SimFaults| {
        there.line().set(faults.with_time(Duration::from_millis(100)));
        here.publish(&names);
        assert!(there.says().len() < names.len(), "some are late");
        here.world.advance(Duration::from_secs(20));
        there.says()
    };
    let (late, passed) = (SimFaults::default().with_delays(500), SimFaults::default().with_reorders(500));
    let swaps = |heard: &[String]| heard.windows(2).filter(|two| two[0][..1] == two[1][..1]).count();
    assert_eq!(swaps(&hear(late)), 0, "all wait for what is late");
    let heard = hear(passed);
    assert!(swaps(&heard) > 0, "{heard:?}");
    for name in ["a", "b"] {
        let offsets: Vec<u64> =
            heard.iter().filter_map(|text| text.strip_prefix(name)?.parse().ok()).collect();
        assert!(offsets.is_sorted(), "{offsets:?}");
    }
}

#[test]
fn a_call_fails_before_it_happens_or_after() {
    let (_, here, there) = pair(true);
    here.line().set(SimFaults::default().with_failures(1000));
    assert_eq!((here.publish(&["a"]), there.offset("a")), (vec![None], 0));
    here.line().set(SimFaults::default().with_lost_answers(1000));
    assert_eq!((here.publish(&["a"]), there.offset("a")), (vec![None], 1));
    here.line().set(SimFaults::default());
    here.line().lose_answers(1);
    let placed = here.publish(&["a", "a"]);
    assert_eq!((placed[0], placed[1].is_some(), there.offset("a")), (None, true, 3));
    assert_eq!(there.says(), ["a1", "a2", "a3"]);
    here.line().cut();
    assert_eq!((here.publish(&["a"]), there.offset("a")), (vec![None], 3));
}

#[test]
fn a_node_that_is_cut_or_deaf_hears_nothing_until_it_is_told_that_it_hears_again() {
    let (_, here, there) = pair(true);
    for act in [SimLine::cut, SimLine::deafen] {
        act(&there.line());
        here.publish(&["a"]);
        assert_eq!(there.says(), ["Deaf"]);
        there.line().mend();
        here.world.settle();
        here.publish(&["b"]);
        let heard = there.says();
        assert!(heard.len() == 2 && heard[0] == "Back", "{heard:?}");
    }
}

#[test]
fn a_cut_that_nobody_notices_is_told_once_it_is_mended() {
    let (_, here, there) = pair(true);
    there.line().cut_unnoticed();
    here.publish(&["a"]);
    here.world.advance(Duration::from_secs(9));
    assert_eq!(there.says(), [""; 0]);
    there.line().mend();
    here.world.advance(Duration::from_secs(1));
    here.publish(&["a"]);
    assert_eq!(there.says(), ["Deaf", "Back", "a2"]);
}

#[test]
fn a_restart_forgets_the_last_publications_over_all_channels_and_begins_new_epochs() {
    let (broker, here, there) = pair(true);
    let before = here.publish(&["a", "b", "a", "b", "a"]);
    broker.restart_without(2);
    assert_eq!((here.offset("a"), here.offset("b")), (2, 1));
    let after = here.publish(&["b"])[0].expect("it is placed");
    let old = before[3].expect("it is placed");
    assert_eq!((after.stand.offset, old.stand.offset), (Offset(2), Offset(2)));
    assert_ne!(after.stand.epoch, old.stand.epoch);
    broker.begin_epoch(&channel("b"));
    let newer = here.publish(&["b"])[0].expect("it is placed");
    assert_eq!(newer.stand.offset, Offset(3));
    assert_ne!(newer.stand.epoch, after.stand.epoch);
    assert_eq!(there.says(), ["a1", "b1", "a2", "b2", "a3", "b2", "b3"]);
}

#[test]
fn a_seed_decides_all_that_goes_wrong() {
    let play = |seed| {
        let world = World::seeded(seed);
        let broker = SimBroker::new(world.clone());
        let (here, there) = (Listener::of(&broker, &world), Listener::of(&broker, &world));
        there.join(&["a", "b"]);
        [&here, &there].into_iter().for_each(|node| node.line().set(SimFaults::rough()));
        let placed: Vec<_> = (0..100).map(|n| here.publish(&[["a", "b"][n % 2]])).collect();
        world.advance(Duration::from_secs(10));
        (placed, there.hears())
    };
    assert_eq!(play(1), play(1));
    assert_ne!(play(1), play(2));
}
