//! Counts the sessions that each user has on other nodes, and keeps what these are to be told of this one.
//!
//! A node tells of the users who have many sessions there, as a count of each. So a count that is told twice
//! does no harm, and one that is lost is told again: all counts go round, a slice at a time, and a slice says
//! of all other users between its ends that there is nothing to tell.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use crate::model::UserId;

/// Sets which part of the bound on a user's sessions a user has to have on one node for others to be told.
const PART: usize = 8;

/// Bounds the users that one word lists.
const LISTED: usize = 2000;

/// Bounds the users of other nodes that are counted.
const USERS: usize = 100_000;

/// Tells how many sessions users have on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Names the users between whom all are listed of whom there is something to tell: those after the first,
    /// up to the second, with none for the end of all users. None if others are not told of.
    pub(crate) slice: Option<(Option<UserId>, Option<UserId>)>,
    pub(crate) users: Vec<(UserId, usize)>,
}

/// Holds the counts of all nodes.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    own: BTreeMap<UserId, usize>,
    changed: BTreeSet<UserId>,
    /// Holds the last user of the slice that was told last.
    told_to: Option<UserId>,
    nodes: HashMap<u64, BTreeMap<UserId, usize>>,
    sums: HashMap<UserId, usize>,
}

impl Tallies {
    /// Notes how many sessions a user has on this node, of whom there may be `most` on all nodes. Returns
    /// true if others are to be told.
    pub(crate) fn note(&mut self, user: &UserId, sessions: usize, most: usize) -> bool {
        let tells = sessions >= (most / PART).max(1);
        let before = match tells {
            true => self.own.insert(user.clone(), sessions),
            false => self.own.remove(user),
        };
        let changes = before != tells.then_some(sessions);
        if changes {
            self.changed.insert(user.clone());
        }
        changes
    }

    /// Returns how many sessions a user is known to have on other nodes.
    pub(crate) fn elsewhere(&self, user: &UserId) -> usize {
        self.sums.get(user).copied().unwrap_or_default()
    }

    /// Takes what has changed on this node, or a part of it.
    pub(crate) fn take_changes(&mut self) -> Option<Tally> {
        let mut users = Vec::new();
        while users.len() < LISTED
            && let Some(user) = self.changed.pop_first()
        {
            let sessions = self.own.get(&user).copied().unwrap_or_default();
            users.push((user, sessions));
        }
        (!users.is_empty()).then_some(Tally { slice: None, users })
    }

    /// Takes the next slice of all counts of this node.
    pub(crate) fn take_slice(&mut self) -> Tally {
        let after = self.told_to.take();
        let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.own.range::<UserId, _>((from, Bound::Unbounded));
        let users: Vec<_> = rest.take(LISTED).map(|(user, sessions)| (user.clone(), *sessions)).collect();
        self.told_to = users.last().filter(|_| users.len() == LISTED).map(|(user, _)| user.clone());
        Tally { slice: Some((after, self.told_to.clone())), users }
    }

    /// Takes in what another node tells. Returns false if there are too many users.
    pub(crate) fn hear(&mut self, node: u64, tally: Tally) -> bool {
        if let Some((after, to)) = tally.slice {
            self.clear(node, after, to);
        }
        let mut fits = true;
        for (user, sessions) in tally.users {
            self.set(node, &user, 0);
            fits &= self.sums.len() < USERS || self.sums.contains_key(&user) || sessions == 0;
            if fits {
                self.set(node, &user, sessions);
            }
        }
        fits
    }

    /// Takes out a node that is gone.
    pub(crate) fn take_out(&mut self, node: u64) {
        self.clear(node, None, None);
        self.nodes.remove(&node);
    }

    fn clear(&mut self, node: u64, after: Option<UserId>, to: Option<UserId>) {
        let Some(users) = self.nodes.get(&node) else { return };
        let is_in = |user: &&UserId| after.as_ref() < Some(*user) && to.as_ref().is_none_or(|to| *user <= to);
        let old: Vec<_> = users.keys().filter(is_in).cloned().collect();
        old.iter().for_each(|user| self.set(node, user, 0));
    }

    fn set(&mut self, node: u64, user: &UserId, sessions: usize) {
        let users = self.nodes.entry(node).or_default();
        let before = match sessions {
            0 => users.remove(user),
            more => users.insert(user.clone(), more),
        };
        let sum = self.elsewhere(user).saturating_sub(before.unwrap_or_default()).saturating_add(sessions);
        match sum {
            0 => self.sums.remove(user),
            more => self.sums.insert(user.clone(), more),
        };
        if self.nodes.get(&node).is_some_and(BTreeMap::is_empty) {
            self.nodes.remove(&node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: usize) -> UserId {
        format!("u{n:05}").parse().expect("a name")
    }

    #[test]
    fn a_user_is_told_of_from_an_eighth_of_the_bound_on_and_counted_on_the_other_node() {
        let (mut here, mut there) = (Tallies::default(), Tallies::default());
        assert!(!here.note(&user(1), 7, 64) && here.take_changes().is_none());
        for sessions in [8, 9, 7] {
            assert!(here.note(&user(1), sessions, 64));
            assert!(there.hear(1, here.take_changes().expect("it has changed")));
            assert_eq!(there.elsewhere(&user(1)), if sessions < 8 { 0 } else { sessions });
        }
        assert!(here.note(&user(2), 1, 1), "with a small bound everybody counts");
        there.hear(1, here.take_changes().expect("it has changed"));
        there.hear(2, Tally { slice: None, users: vec![(user(2), 2)] });
        assert_eq!(there.elsewhere(&user(2)), 3);
        there.take_out(1);
        there.take_out(1);
        assert_eq!(there.elsewhere(&user(2)), 2);
    }

    #[test]
    fn what_was_lost_is_mended_when_all_counts_have_gone_round() {
        let (mut here, mut there) = (Tallies::default(), Tallies::default());
        for n in 0..LISTED + 10 {
            here.note(&user(n), 1, 1);
            there.hear(1, Tally { slice: None, users: vec![(user(n), 5)] });
        }
        let leave = (0..LISTED + 10).filter(|n| n % 2 == 0);
        assert!(leave.into_iter().all(|n| here.note(&user(n), 0, 1)));
        there.hear(1, Tally { slice: None, users: vec![(user(99_999), 1)] });
        for _ in 0..2 {
            there.hear(1, here.take_slice());
        }
        for n in 0..LISTED + 10 {
            assert_eq!(there.elsewhere(&user(n)), n % 2, "{n}");
        }
        assert_eq!((there.elsewhere(&user(99_999)), there.sums.len()), (0, LISTED / 2 + 5));
    }
}
