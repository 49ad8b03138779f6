//! Defines what nodes tell each other of the members of a channel.

use crate::model::{Instant, SessionId, SharedInfo};

/// Describes a member of a channel as nodes tell each other of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) who: SharedInfo,
    /// Holds the time at which it joined, or was renewed last.
    pub(crate) since: Instant,
}

/// Tells how far a node's changes in one channel have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Progress {
    /// Tells an earlier stay of the node in the channel from a later one, in which its numbers begin again.
    pub(crate) life: u64,
    /// Counts the changes.
    pub(crate) number: u64,
}

/// Is what a node tells the others about its own members of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MemberWord {
    /// Says that these came, or were renewed, and that those left: one change.
    Changed { joined: Vec<Member>, left: Vec<SessionId> },
    /// Repeats the number of the last change, and perhaps asks the others to do so.
    Stands { asks: bool },
    /// Asks this node for all of its members, or every node.
    Ask(Option<u64>),
    /// Lists all members, or one part of them.
    Whole { part: usize, parts: usize, members: Vec<Member> },
}

/// Holds what a node has told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) node: u64,
    pub(crate) progress: Progress,
    pub(crate) word: MemberWord,
}

/// Holds what other nodes have changed in a channel.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// Lists the changes in their order: one that left may be there again.
    pub(super) all: Vec<Move>,
    /// Is true if something was not taken in, since a bound is met or its id is another's.
    pub(super) refused: bool,
}

/// Is one change of the members on other nodes.
#[derive(Debug)]
pub(super) enum Move {
    Joined(Member),
    Left(SessionId),
}
