//! Exchanges the presence of a channel with other nodes: takes what they are to be told, and takes in what
//! they tell.

use super::member::{Member, MemberWord, Move, Moves, Progress, Told};
use super::members::Members;
use super::presence::{Presence, Room, bytes_of_info};
use crate::model::{Instant, SessionId, SharedInfo};

/// Bounds the members that one word lists.
const LISTED: usize = 1000;

/// Bounds the bytes of their ids, names and data, but for the first one's.
const WORD_BYTES: usize = 192 * 1024;

impl Presence {
    /// Begins to exchange presence with other nodes, as long as nobody is in the channel.
    pub(super) fn begin_exchange(&mut self, life: u64, now: Instant) {
        self.members = Some(Box::new(Members::new(life, now)));
    }

    /// Returns when there is something to tell other nodes next.
    pub(super) fn words_due(&self) -> Option<Instant> {
        self.members.as_ref().map(|members| members.due())
    }

    /// Takes what other nodes are to be told now, in order, each with how far this node has come by it.
    pub(super) fn take_words(&mut self, now: Instant) -> Vec<(Progress, MemberWord)> {
        let mut words = Vec::new();
        if let Some(change) = self.take_own_changes() {
            let Some(members) = &mut self.members else { return words };
            words.push((members.next_number(now), change));
        }
        let Some(members) = &mut self.members else { return words };
        let progress = members.progress;
        if members.take_question() {
            words.push((progress, MemberWord::Ask(None)));
        }
        words.extend(members.take_stand(now).map(|word| (progress, word)));
        words.extend(members.take_asks(now).into_iter().map(|node| (progress, MemberWord::Ask(Some(node)))));
        if members.take_whole(now) {
            words.extend(self.whole().into_iter().map(|word| (progress, word)));
        }
        words
    }

    /// Asks the other nodes for the numbers of their last changes.
    pub(super) fn query(&mut self, now: Instant) {
        self.members.iter_mut().for_each(|members| members.query(now));
    }

    /// Takes in what another node tells. Returns false if something was not taken in, since a bound is met.
    pub(super) fn hear(&mut self, told: Told, now: Instant) -> bool {
        let Some(members) = &mut self.members else { return true };
        let moves = members.hear(told, now);
        let all = !moves.refused;
        self.apply(moves, now);
        all
    }

    /// Takes out the members of a node that is gone.
    pub(super) fn take_out(&mut self, node: u64, now: Instant) {
        let moves = self.members.as_mut().map(|members| members.take_out(node));
        self.apply(moves.unwrap_or_default(), now);
    }

    /// Takes out the members of nodes that do not answer any more. That is known only while this node `hears`
    /// the others.
    pub(super) fn take_out_doubted(&mut self, hears: bool, now: Instant) {
        let moves = self.members.as_mut().map(|members| members.take_out_doubted(hears, now));
        self.apply(moves.unwrap_or_default(), now);
    }

    fn apply(&mut self, moves: Moves, now: Instant) {
        for step in moves.all {
            match step {
                Move::Joined(Member { who, .. }) if self.who(who.id).is_some() => self.change(&who, now),
                Move::Joined(Member { who, .. }) => self.enter(&who, false, now),
                Move::Left(session) => self.part(session, now),
            }
        }
    }

    /// Takes the changes of this node's members, as many as one word holds.
    fn take_own_changes(&mut self) -> Option<MemberWord> {
        let mut changed = std::mem::take(&mut self.members.as_mut()?.changed);
        let (mut joined, mut left, mut room) = (Vec::new(), Vec::new(), Room::of(WORD_BYTES));
        while let Some((session, before)) = changed.pop_first() {
            let member = self.member(session);
            let bytes = member.as_ref().map_or(0, |member| bytes_of_info(&member.who));
            if joined.len() + left.len() == LISTED || !room.take(bytes) {
                changed.insert(session, before);
                break;
            }
            match member {
                Some(member) => joined.push(member),
                None if before => left.push(session),
                None => {}
            }
        }
        self.members.as_mut()?.changed = changed;
        (joined.len() + left.len() > 0).then_some(MemberWord::Changed { joined, left })
    }

    fn member(&self, session: SessionId) -> Option<Member> {
        let since = self.members.as_ref()?.since(session)?;
        self.who(session).map(|who: &SharedInfo| Member { who: who.clone(), since })
    }

    /// Returns all members on this node, in parts.
    fn whole(&self) -> Vec<MemberWord> {
        let own = self.members.iter().flat_map(|members| members.own());
        let mut chunks = vec![Vec::new()];
        let mut room = Room::of(WORD_BYTES);
        for (session, since) in own {
            let Some(who) = self.who(session).cloned() else { continue };
            let full = chunks.last().is_some_and(|chunk: &Vec<_>| chunk.len() == LISTED);
            if full || !room.take(bytes_of_info(&who)) {
                chunks.push(Vec::new());
                room = Room::of(WORD_BYTES);
                room.take(bytes_of_info(&who));
            }
            chunks.last_mut().expect("one chunk").push(Member { who, since });
        }
        let parts = chunks.len();
        let word = |(part, members)| MemberWord::Whole { part, parts, members };
        chunks.into_iter().enumerate().map(word).collect()
    }
}
