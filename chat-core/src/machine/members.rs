//! Keeps, for a channel that is one with those of other nodes, who is in it on which node, and what other
//! nodes are to be told.
//!
//! Each node numbers the changes of its own members, and tells its own alone. One that hears a number out of
//! turn asks for the whole. A node repeats its last number, soon after each change and now and then, so that
//! also the loss of a last word is noticed; one whose number is not repeated any more is not in the channel.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use super::member::{Member, MemberWord, Move, Moves, Progress, Told};
use crate::model::{Instant, SessionId, later};

/// Sets the time from a change to the repetition of its number.
const SOON: Duration = Duration::from_secs(1);

/// Sets the time between two repetitions of a number that does not change.
const REPEAT: Duration = Duration::from_secs(30);

/// Sets the time after which a node that was not heard is doubted, and all are asked for their numbers.
const QUIET: Duration = Duration::from_secs(35);

/// Sets the time between two such questions.
const ASK: Duration = Duration::from_secs(3);

/// Sets the time after which a node that is doubted and does not answer is not in the channel.
const DOUBT: Duration = Duration::from_secs(9);

/// Sets the least time between two requests to one node, and between two repetitions that are asked for.
const AGAIN: Duration = Duration::from_secs(1);

/// Sets the least time between two wholes. It is well within [`GATHER`], so that a node that comes just after
/// another is answered in time.
const WHOLES: Duration = Duration::from_millis(100);

/// Bounds the time that the other nodes have to tell who is there, from when this one has come.
const GATHER: Duration = Duration::from_millis(300);

/// Bounds the other nodes that are known in one channel.
const NODES: usize = 256;

/// Bounds the members on other nodes that are known in one channel.
const MEMBERS: usize = 100_000;

/// Holds the members of one channel by node.
#[derive(Debug)]
pub(super) struct Members {
    pub(super) progress: Progress,
    /// Holds, of this node's sessions that changed since the last word, whether they were there before.
    pub(super) changed: BTreeMap<SessionId, bool>,
    /// Holds the node of each member, none for this one, and the time of its last change.
    since: HashMap<SessionId, (Option<u64>, Instant)>,
    /// Counts the members that are on other nodes.
    others: usize,
    sources: BTreeMap<u64, Source>,
    /// Holds the time from which it is known who is there.
    pub(super) gathers_until: Instant,
    /// Is true if all nodes are to be asked for their members.
    asks_all: bool,
    /// Is true if the next repetition asks the others for theirs, whether one of them is doubted or not.
    queries: bool,
    stands_at: Instant,
    /// Holds the time of the last repetition that was asked for.
    answered: Option<Instant>,
    /// Holds the time at which the whole is to be told; none if nobody asked.
    whole_at: Option<Instant>,
    /// Holds the time from which the whole may be told again.
    whole_after: Option<Instant>,
}

/// Holds what is known of another node.
#[derive(Debug)]
struct Source {
    progress: Progress,
    /// Holds the furthest progress that was heard of. If it is beyond `progress`, something was missed.
    seen: Progress,
    members: HashSet<SessionId>,
    heard: Instant,
    /// Holds the time since which it is not known whether the node is still in the channel.
    doubted: Option<Instant>,
    /// Holds the time from which the node may be asked.
    ask_at: Instant,
    gathering: Option<Gathering>,
}

/// Holds the parts of a whole that have come.
#[derive(Debug)]
struct Gathering {
    progress: Progress,
    parts: usize,
    next: usize,
    members: Vec<Member>,
}

impl Members {
    /// Begins with nobody, in a life that is later than all before it, and asks all other nodes.
    pub(super) fn new(life: u64, now: Instant) -> Self {
        Self {
            progress: Progress { life, number: 0 },
            changed: BTreeMap::new(),
            since: HashMap::new(),
            others: 0,
            sources: BTreeMap::new(),
            gathers_until: later(now, GATHER),
            asks_all: true,
            queries: true,
            stands_at: later(now, SOON),
            answered: None,
            whole_at: None,
            whole_after: None,
        }
    }

    /// Returns when there is something to tell next.
    pub(super) fn due(&self) -> Instant {
        if self.asks_all || !self.changed.is_empty() {
            return Instant::START;
        }
        let due = self.sources.values().map(Source::due);
        due.chain(self.whole_at).fold(self.stands_at, Instant::min)
    }

    /// Notes that a session of this node joins, or is renewed.
    pub(super) fn has_joined(&mut self, session: SessionId, before: bool, now: Instant) {
        self.changed.entry(session).or_insert(before);
        self.since.insert(session, (None, now));
    }

    /// Notes that a session leaves. It is told if it is one of this node.
    pub(super) fn has_left(&mut self, session: SessionId) {
        if let Some((None, _)) = self.since.remove(&session) {
            self.changed.entry(session).or_insert(true);
        }
    }

    /// Returns the order in which the sessions of a user are listed, the same on all nodes.
    pub(super) fn order(&self, session: SessionId) -> (Option<Instant>, SessionId) {
        (self.since.get(&session).map(|(_, since)| *since), session)
    }

    /// Returns the sessions of this node.
    pub(super) fn own(&self) -> impl Iterator<Item = (SessionId, Instant)> + '_ {
        self.since
            .iter()
            .filter(|(_, (node, _))| node.is_none())
            .map(|(session, (_, since))| (*session, *since))
    }

    /// Returns since when a member of any node is there, or is as it is.
    pub(super) fn since(&self, session: SessionId) -> Option<Instant> {
        self.since.get(&session).map(|(_, since)| *since)
    }

    /// Takes the question to all nodes, if it is to be asked.
    pub(super) fn take_question(&mut self) -> bool {
        std::mem::take(&mut self.asks_all)
    }

    /// Counts a change that is told now.
    pub(super) fn next_number(&mut self, now: Instant) -> Progress {
        self.progress.number += 1;
        self.stands_at = later(now, SOON);
        self.progress
    }

    /// Returns the repetition, if it is due.
    pub(super) fn take_stand(&mut self, now: Instant) -> Option<MemberWord> {
        if self.stands_at > now {
            return None;
        }
        let doubts = self.sources.values().any(|source| source.doubted.is_some());
        self.stands_at = later(now, if doubts { ASK } else { REPEAT });
        Some(MemberWord::Stands { asks: std::mem::take(&mut self.queries) || doubts })
    }

    /// Returns true if all members are to be told now.
    pub(super) fn take_whole(&mut self, now: Instant) -> bool {
        let due = self.changed.is_empty() && self.whole_at.is_some_and(|at| at <= now);
        if due {
            self.whole_at = None;
            self.whole_after = Some(later(now, WHOLES));
        }
        due
    }

    /// Returns the nodes that are to be asked for all of their members now.
    pub(super) fn take_asks(&mut self, now: Instant) -> Vec<u64> {
        let due = self.sources.iter_mut().filter(|(_, source)| source.is_astray() && source.ask_at <= now);
        let ask = |(node, source): (&u64, &mut Source)| {
            source.ask_at = later(now, AGAIN);
            *node
        };
        due.map(ask).collect()
    }

    /// Doubts all nodes, and asks them for their numbers, since some may have been missed.
    pub(super) fn query(&mut self, now: Instant) {
        self.sources.values_mut().for_each(|source| source.doubted = Some(now));
        self.queries = true;
        self.stands_at = now;
    }

    /// Takes in what another node has told.
    pub(super) fn hear(&mut self, told: Told, now: Instant) -> Moves {
        let Told { node, progress, word } = told;
        let mut moves = Moves::default();
        if !self.sources.contains_key(&node) {
            if self.sources.len() >= NODES {
                return Moves { refused: true, ..moves };
            }
            self.sources.insert(node, Source::new(progress.life, now));
        }
        match word {
            MemberWord::Changed { joined, left } => {
                if self.follows(node, progress, 1, now, &mut moves) {
                    self.enter(node, joined, &mut moves);
                    left.iter().for_each(|session| self.part(node, *session, &mut moves));
                }
            }
            MemberWord::Stands { asks } => {
                self.follows(node, progress, 0, now, &mut moves);
                if asks {
                    let from = self.answered.map_or(now, |at| later(at, AGAIN).max(now));
                    self.stands_at = self.stands_at.min(from);
                    self.answered = Some(from);
                }
            }
            MemberWord::Ask(_) => {
                self.follows(node, progress, 0, now, &mut moves);
                let from = self.whole_after.map_or(now, |at| at.max(now));
                self.whole_at.get_or_insert(from);
            }
            MemberWord::Whole { part, parts, members } => {
                if let Some(members) = self.gather(node, progress, (part, parts), members, &mut moves, now) {
                    self.replace(node, progress, members, &mut moves);
                }
            }
        }
        moves
    }

    /// Takes out the members of a node that is gone.
    pub(super) fn take_out(&mut self, node: u64) -> Moves {
        let mut moves = Moves::default();
        self.replace(node, Progress::default(), Vec::new(), &mut moves);
        self.sources.remove(&node);
        moves
    }

    /// Returns whether a node is known in this channel.
    pub(super) fn knows(&self, node: u64) -> bool {
        self.sources.contains_key(&node)
    }

    /// Doubts the nodes that were not heard for long, and takes out those that do not answer. While this node
    /// `hears` nothing, no node is doubted.
    pub(super) fn take_out_doubted(&mut self, hears: bool, now: Instant) -> Moves {
        if !hears {
            self.sources.values_mut().for_each(|source| source.is_heard(now));
            return Moves::default();
        }
        let sources = self.sources.values_mut().filter(|source| source.doubted.is_none());
        for source in sources.filter(|source| later(source.heard, QUIET) <= now) {
            source.doubted = Some(now);
            self.stands_at = now;
        }
        let is_out = |source: &Source| source.doubted.is_some_and(|since| later(since, DOUBT) <= now);
        let out = self.sources.iter().filter(|(_, source)| is_out(source)).map(|(node, _)| *node);
        let mut moves = Moves::default();
        for node in out.collect::<Vec<_>>() {
            moves.all.extend(self.take_out(node).all);
        }
        moves
    }

    /// Notes how far a node has come. Returns true if that is `step` further than what is known of it.
    fn follows(&mut self, node: u64, progress: Progress, step: u64, now: Instant, moves: &mut Moves) -> bool {
        let Some(source) = self.sources.get_mut(&node) else { return false };
        if progress.life < source.progress.life {
            return false;
        }
        source.is_heard(now);
        if progress.life > source.progress.life && progress.number == step {
            self.replace(node, Progress { life: progress.life, number: 0 }, Vec::new(), moves);
        }
        let Some(source) = self.sources.get_mut(&node) else { return false };
        source.seen = source.seen.max(progress);
        let follows = source.progress.number.checked_add(step) == Some(progress.number)
            && source.progress.life == progress.life;
        if follows {
            source.progress = progress;
        }
        follows
    }

    /// Collects the parts of a whole. Returns all of them once the last one is there.
    fn gather(
        &mut self,
        node: u64,
        progress: Progress,
        (part, parts): (usize, usize),
        members: Vec<Member>,
        moves: &mut Moves,
        now: Instant,
    ) -> Option<Vec<Member>> {
        let source = self.sources.get_mut(&node).filter(|source| progress >= source.progress)?;
        source.is_heard(now);
        if part == 0 {
            source.gathering = Some(Gathering { progress, parts, next: 0, members: Vec::new() });
        }
        let mut gathering = source.gathering.take()?;
        if (gathering.progress, gathering.parts, gathering.next) != (progress, parts, part) {
            return None;
        }
        if gathering.members.len() + members.len() > MEMBERS {
            moves.refused = true;
            return None;
        }
        gathering.members.extend(members);
        gathering.next += 1;
        if gathering.next < parts {
            source.gathering = Some(gathering);
            return None;
        }
        Some(gathering.members)
    }

    /// Lets a node have these members and no others.
    fn replace(&mut self, node: u64, progress: Progress, members: Vec<Member>, moves: &mut Moves) {
        let Some(source) = self.sources.get_mut(&node) else { return };
        (source.progress, source.seen, source.gathering) = (progress, progress, None);
        let stays: HashSet<_> = members.iter().map(|member| member.who.id).collect();
        let gone: Vec<_> = source.members.difference(&stays).copied().collect();
        self.enter(node, members, moves);
        gone.into_iter().for_each(|session| self.part(node, session, moves));
    }

    fn enter(&mut self, node: u64, members: Vec<Member>, moves: &mut Moves) {
        for member in members {
            let (session, since) = (member.who.id, member.since);
            let known = self.since.get(&session).copied();
            match known {
                Some((whose, _)) if whose != Some(node) => moves.refused = true,
                Some((_, at)) if at == since => {}
                None if self.others >= MEMBERS => moves.refused = true,
                _ => {
                    self.others += usize::from(known.is_none());
                    self.since.insert(session, (Some(node), since));
                    self.sources.entry(node).and_modify(|source| {
                        source.members.insert(session);
                    });
                    moves.all.push(Move::Joined(member));
                }
            }
        }
    }

    fn part(&mut self, node: u64, session: SessionId, moves: &mut Moves) {
        let was = self.sources.get_mut(&node).is_some_and(|source| source.members.remove(&session));
        if was {
            self.since.remove(&session);
            self.others -= 1;
            moves.all.push(Move::Left(session));
        }
    }
}

impl Source {
    fn new(life: u64, now: Instant) -> Self {
        let progress = Progress { life, number: 0 };
        Self {
            progress,
            seen: progress,
            members: HashSet::new(),
            heard: now,
            doubted: None,
            ask_at: now,
            gathering: None,
        }
    }

    fn is_heard(&mut self, now: Instant) {
        (self.heard, self.doubted) = (now, None);
    }

    /// Returns when the node is to be asked, or is to be doubted.
    fn due(&self) -> Instant {
        let doubt = match self.doubted {
            Some(since) => later(since, DOUBT),
            None => later(self.heard, QUIET),
        };
        if self.is_astray() { doubt.min(self.ask_at) } else { doubt }
    }

    fn is_astray(&self) -> bool {
        self.seen > self.progress
    }
}
