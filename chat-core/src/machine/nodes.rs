//! Keeps which other nodes are heard.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::{Instant, later};

/// Sets the time after which a node that is not heard is gone.
const SILENCE: Duration = Duration::from_secs(9);

/// Bounds the time that the other nodes have to answer the first word of a new one.
const GREETING: Duration = Duration::from_millis(300);

/// Bounds the other nodes.
const NODES: usize = 1024;

/// Holds the other nodes, and when each was heard.
///
/// While this node hears nothing, none of the others is taken for gone: each has the whole of the time again
/// from when this one hears.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    heard: HashMap<u64, Instant>,
    hears_since: Option<Instant>,
    /// Is true if a node is new, which does not know of this one yet.
    greets: bool,
}

impl Nodes {
    /// Notes that a node is heard. Returns false if there are too many.
    pub(crate) fn hear(&mut self, node: u64, now: Instant) -> bool {
        let fits = self.heard.len() < NODES || self.heard.contains_key(&node);
        if fits {
            self.greets |= self.heard.insert(node, now).is_none();
        }
        fits
    }

    /// Notes that nothing is heard from now on.
    pub(crate) fn is_deaf(&mut self) {
        self.hears_since = None;
    }

    /// Notes that all nodes are heard from now on.
    pub(crate) fn is_back(&mut self, now: Instant) {
        self.hears_since = Some(now);
    }

    /// Returns whether there may be other nodes: some are heard, or this one hears for too short a time.
    pub(crate) fn may_be_there(&self, now: Instant) -> bool {
        !self.heard.is_empty() || self.hears_since.is_none_or(|since| later(since, GREETING) > now)
    }

    /// Returns whether a node is new that is to be told at once of this one.
    pub(crate) fn greets(&self) -> bool {
        self.greets
    }

    /// Takes whether a node is new that is to be told at once of this one.
    pub(crate) fn take_greeting(&mut self) -> bool {
        std::mem::take(&mut self.greets)
    }

    /// Returns whether the other nodes are heard.
    pub(crate) fn hears(&self) -> bool {
        self.hears_since.is_some()
    }

    /// Returns when the next node is gone, if it is not heard until then.
    pub(crate) fn next_silence(&self) -> Option<Instant> {
        self.silences().map(|(at, _)| at).min()
    }

    fn silences(&self) -> impl Iterator<Item = (Instant, u64)> + '_ {
        let since = self.hears_since.into_iter();
        since.flat_map(|since| {
            self.heard.iter().map(move |(node, heard)| (later(since.max(*heard), SILENCE), *node))
        })
    }

    /// Takes out the nodes that are gone.
    pub(crate) fn take_silent(&mut self, now: Instant) -> Vec<u64> {
        let silent = self.silences().filter(|(at, _)| *at <= now).map(|(_, node)| node).collect::<Vec<_>>();
        self.heard.retain(|node, _| !silent.contains(node));
        silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::START + Duration::from_secs(seconds)
    }

    #[test]
    fn a_node_is_gone_after_nine_seconds_in_which_it_could_be_heard() {
        let mut nodes = Nodes::default();
        nodes.is_back(at(0));
        assert!(nodes.hear(1, at(1)) && nodes.hear(2, at(2)));
        assert!(nodes.take_silent(at(9)).is_empty());
        assert_eq!((nodes.take_silent(at(10)), nodes.take_silent(at(10))), (vec![1], vec![]));
        nodes.is_deaf();
        assert!(nodes.take_silent(at(100)).is_empty(), "nobody is heard");
        nodes.is_back(at(100));
        assert_eq!((nodes.take_silent(at(108)), nodes.take_silent(at(109))), (vec![], vec![2]));
    }

    #[test]
    fn there_are_no_more_nodes_than_may_be() {
        let mut nodes = Nodes::default();
        assert!((0..NODES as u64).all(|node| nodes.hear(node, at(0))));
        assert!(!nodes.hear(u64::MAX, at(0)) && nodes.hear(7, at(1)));
    }
}
