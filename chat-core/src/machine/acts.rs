//! Remembers actions on users that are carried out while sessions open whose users are not known yet.

use std::collections::{BTreeMap, VecDeque};

use crate::model::UserId;

/// Bounds the remembered actions. Beyond it the oldest are forgotten, and a session that is opening asks its
/// endpoint anew.
const ACTS: usize = 4096;

/// Holds the actions since the oldest opening under way began. While no session opens, no action is
/// remembered.
#[derive(Debug)]
pub(crate) struct Acts<A> {
    log: VecDeque<(UserId, A)>,
    /// Numbers the first action in the log.
    first: u64,
    /// Counts, for each number, the openings that began there.
    openings: BTreeMap<u64, usize>,
}

/// Reports that actions that came while a session opened were forgotten.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Forgotten;

impl<A> Default for Acts<A> {
    fn default() -> Self {
        Self { log: VecDeque::new(), first: 0, openings: BTreeMap::new() }
    }
}

impl<A: Clone> Acts<A> {
    /// Begins an opening and returns its number. Actions from now on are remembered until it
    /// [ends](Self::end).
    pub(crate) fn begin(&mut self) -> u64 {
        let at = self.first + self.log.len() as u64;
        *self.openings.entry(at).or_default() += 1;
        at
    }

    /// Ends the opening that began at this number, whatever came of it.
    pub(crate) fn end(&mut self, at: u64) {
        if let Some(count) = self.openings.get_mut(&at) {
            *count -= 1;
            if *count == 0 {
                self.openings.remove(&at);
            }
        }
        let wanted = self.openings.keys().next().copied().unwrap_or(u64::MAX);
        while self.first < wanted && self.forget_first() {}
        if self.log.is_empty() {
            self.log.shrink_to(0);
        }
    }

    /// Remembers an action if an opening is under way that may need it.
    pub(crate) fn note(&mut self, user: &UserId, act: impl FnOnce() -> A) {
        if self.openings.is_empty() {
            return;
        }
        if self.log.len() == ACTS {
            self.forget_first();
        }
        self.log.push_back((user.clone(), act()));
    }

    /// Returns the actions on a user since the opening that began at this number, in order.
    ///
    /// # Errors
    /// [`Forgotten`] if not all of them are remembered.
    pub(crate) fn since(&self, at: u64, user: &UserId) -> Result<Vec<A>, Forgotten> {
        let skipped = at.checked_sub(self.first).ok_or(Forgotten)?;
        let acts = self.log.iter().skip(skipped as usize).filter(|(of, _)| of == user);
        Ok(acts.map(|(_, act)| act.clone()).collect())
    }

    fn forget_first(&mut self) -> bool {
        let forgotten = self.log.pop_front().is_some();
        self.first += u64::from(forgotten);
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        name.parse().expect("a name")
    }

    #[test]
    fn an_opening_is_told_what_was_done_to_its_user_since_it_began() {
        let mut acts = Acts::default();
        acts.note(&user("ann"), || 0);
        let first = acts.begin();
        acts.note(&user("ann"), || 1);
        let second = acts.begin();
        acts.note(&user("bob"), || 2);
        acts.note(&user("ann"), || 3);
        assert_eq!(acts.since(first, &user("ann")), Ok(vec![1, 3]));
        assert_eq!(acts.since(second, &user("ann")), Ok(vec![3]));
        acts.end(first);
        assert_eq!((acts.log.len(), acts.since(second, &user("bob"))), (2, Ok(vec![2])));
        acts.end(second);
        assert!(acts.log.is_empty() && acts.openings.is_empty());
    }

    #[test]
    fn as_many_acts_as_may_be_are_remembered_and_with_one_more_the_opening_is_told_so() {
        let mut acts = Acts::default();
        let opening = acts.begin();
        (0..ACTS).for_each(|n| acts.note(&user("ann"), || n));
        assert_eq!(acts.since(opening, &user("ann")).map(|acts| acts.len()), Ok(ACTS));
        acts.note(&user("bob"), || 0);
        assert_eq!(acts.since(opening, &user("ann")), Err(Forgotten));
        acts.end(opening);
        assert!(acts.log.is_empty());
    }
}
