//! Bounds how often something may happen, as plain values: time is an argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use chat_core::runtime::Instant;

/// Allows something `burst` times at once, and then once in `every`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) burst: u32,
    pub(super) every: Duration,
}

impl Pace {
    /// Takes one, if there is room. `full` is the time at which all room is there again.
    ///
    /// # Errors
    /// Returns how long it takes until there is room.
    pub(super) fn take(self, full: &mut Option<Instant>, now: Instant) -> Result<(), Duration> {
        self.check(*full, now)?;
        let from = full.map_or(now, |full| full.max(now));
        *full = Some(from + self.every);
        Ok(())
    }

    /// Checks that there is room for one.
    ///
    /// # Errors
    /// Returns how long it takes until there is room.
    fn check(self, full: Option<Instant>, now: Instant) -> Result<(), Duration> {
        let used = full.map_or(Duration::ZERO, |full| full - now);
        let most = self.every * self.burst.saturating_sub(1);
        if used > most { Err(used - most) } else { Ok(()) }
    }
}

/// Counts the wrong keys that each address has shown.
#[derive(Debug)]
pub(super) struct WrongKeys<A> {
    pace: Pace,
    addresses: usize,
    shown: HashMap<A, Instant>,
}

/// Says what comes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Says that the address has shown too many wrong keys, and until when no key of it is looked at.
    Later(Duration),
}

impl<A: Copy + Eq + Hash> WrongKeys<A> {
    /// Counts at most for this many addresses. Over that, the one is forgotten that may show a key first.
    pub(super) fn new(pace: Pace, addresses: usize) -> Self {
        Self { pace, addresses, shown: HashMap::new() }
    }

    /// Judges a key that is right or wrong. An address without room learns nothing about its key.
    pub(super) fn judge(&mut self, address: A, is_right: bool, now: Instant) -> Verdict {
        let mut full = self.shown.get(&address).copied();
        if let Err(wait) = self.pace.check(full, now) {
            return Verdict::Later(wait);
        }
        if is_right {
            return Verdict::Right;
        }
        let _there_is_room = self.pace.take(&mut full, now);
        self.make_room(address, now);
        self.shown.extend(full.map(|full| (address, full)));
        Verdict::Wrong
    }

    fn make_room(&mut self, address: A, now: Instant) {
        if self.shown.len() < self.addresses || self.shown.contains_key(&address) {
            return;
        }
        self.shown.retain(|_, full| *full > now);
        if self.shown.len() >= self.addresses {
            let first = self.shown.iter().min_by_key(|(_, full)| **full).map(|(address, _)| *address);
            first.map(|first| self.shown.remove(&first));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PACE: Pace = Pace { burst: 3, every: SECOND };

    fn at(seconds: u64) -> Instant {
        Instant::START + Duration::from_secs(seconds)
    }

    #[test]
    fn a_burst_goes_at_once_and_then_one_in_every_period() {
        let mut full = None;
        let mut take = |now| PACE.take(&mut full, now);
        assert_eq!([take(at(0)), take(at(0)), take(at(0))], [Ok(()); 3]);
        assert_eq!(take(at(0)), Err(SECOND));
        assert_eq!((take(at(1)), take(at(1))), (Ok(()), Err(SECOND)));
        assert_eq!([take(at(9)), take(at(9)), take(at(9))], [Ok(()); 3]);
        assert_eq!(take(at(9)), Err(SECOND));
    }

    #[test]
    fn an_address_without_room_learns_nothing_and_others_go_on() {
        let mut keys = WrongKeys::new(PACE, 10);
        for _ in 0..3 {
            assert_eq!(keys.judge('a', false, at(0)), Verdict::Wrong);
        }
        assert_eq!(keys.judge('a', false, at(0)), Verdict::Later(SECOND));
        assert_eq!(keys.judge('a', true, at(0)), Verdict::Later(SECOND), "not even that it is right");
        assert_eq!(keys.judge('b', true, at(0)), Verdict::Right);
        assert_eq!(keys.judge('a', true, at(1)), Verdict::Right, "a right key takes no room");
        assert_eq!(keys.judge('a', true, at(1)), Verdict::Right);
        assert_eq!(keys.judge('a', false, at(1)), Verdict::Wrong);
    }

    #[test]
    fn only_so_many_addresses_are_remembered() {
        let mut keys = WrongKeys::new(PACE, 2);
        for (address, count) in [('a', 3), ('b', 1), ('c', 1)] {
            for _ in 0..count {
                assert_eq!(keys.judge(address, false, at(0)), Verdict::Wrong);
            }
        }
        assert_eq!(keys.shown.len(), 2);
        assert_eq!(keys.judge('a', false, at(0)), Verdict::Later(SECOND), "who waits longest is kept");
        assert_eq!(keys.judge('d', false, at(9)), Verdict::Wrong);
        assert_eq!(keys.shown.len(), 1, "who has all room is forgotten");
    }
}
