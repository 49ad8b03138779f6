//! Measures whether something comes more often than its rate allows.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::{Instant, Rate};

/// Counts against a [`Rate`] with a single instant: the generic cell rate algorithm (ITU-T I.371).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    /// Holds the time at which all counted events would have come, had they come evenly.
    even: Option<Instant>,
}

impl Meter {
    /// Counts one more if there is room. Returns false, and counts nothing, if there is none.
    pub(crate) fn count(&mut self, rate: Rate, now: Instant) -> bool {
        let room = self.room_at(rate, now).is_none();
        if room {
            self.spend(rate, now);
        }
        room
    }

    /// Counts one more, whether there is room or not.
    pub(crate) fn spend(&mut self, rate: Rate, now: Instant) {
        if !rate.is_unbounded() {
            let even = self.even.map_or(now, |even| even.max(now));
            self.even = Some(even + Duration::from_secs(1) / rate.per_second);
        }
    }

    /// Returns when there will be room for one more, or none if there is room now.
    pub(crate) fn room_at(&self, rate: Rate, now: Instant) -> Option<Instant> {
        let (even, per_second) = self.even.zip(NonZeroU32::new(rate.per_second))?;
        let burst = Duration::from_secs(1) / per_second.get() * (rate.burst.max(1) - 1);
        let excess = even.saturating_duration_since(now).saturating_sub(burst);
        (!excess.is_zero()).then(|| now + excess)
    }

    /// Returns the meter with less room, of two that counted the same events.
    pub(crate) fn later(self, other: Self) -> Self {
        Self { even: self.even.max(other.even) }
    }

    /// Returns the meter with room for at least `room` events at once, whatever it has counted.
    pub(crate) fn with_room(self, rate: Rate, room: u32, now: Instant) -> Self {
        if rate.is_unbounded() {
            return self;
        }
        let most = now + Duration::from_secs(1) / rate.per_second * rate.burst.saturating_sub(room);
        Self { even: self.even.map(|even| even.min(most)) }
    }

    /// Returns a meter that has counted the events of both, one after the other.
    pub(crate) fn and(self, other: Self, now: Instant) -> Self {
        let other = other.even.map_or(Duration::ZERO, |even| even.saturating_duration_since(now));
        let even = self.even.map_or(now, |even| even.max(now)) + other;
        Self { even: (even > now).then_some(even) }
    }

    /// Returns the meter with all of its room at `until` at the latest.
    pub(crate) fn at_most(self, until: Instant) -> Self {
        Self { even: self.even.map(|even| even.min(until)) }
    }

    /// Returns when the meter has all of its room again.
    pub(crate) fn busy_until(self) -> Option<Instant> {
        self.even
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        Instant::START
    }

    #[test]
    fn a_burst_passes_and_one_more_only_after_a_step() {
        let (start, rate) = (start(), Rate { per_second: 100, burst: 200 });
        let mut meter = Meter::default();
        assert!((0..200).all(|_| meter.count(rate, start)));
        assert!(!meter.count(rate, start));
        assert!(!meter.count(rate, start + Duration::from_micros(9_999)));
        assert!(meter.count(rate, start + Duration::from_millis(10)));
        assert!(!meter.count(rate, start + Duration::from_millis(10)));
    }

    #[test]
    fn what_is_spent_without_room_is_waited_for() {
        let (start, rate) = (start(), Rate { per_second: 100, burst: 200 });
        let mut meter = Meter::default();
        (0..400).for_each(|_| meter.spend(rate, start));
        assert_eq!(meter.room_at(rate, start), Some(start + Duration::from_millis(2010)));
        assert_eq!(meter.room_at(rate, start + Duration::from_millis(2010)), None);
        assert_eq!(meter.room_at(Rate::UNBOUNDED, start), None);
    }

    #[test]
    fn in_the_long_run_it_is_the_rate_whatever_the_burst() {
        let (start, rate) = (start(), Rate { per_second: 10, burst: 20 });
        let mut meter = Meter::default();
        let passed = (0..100_000).filter(|ms| meter.count(rate, start + Duration::from_millis(*ms))).count();
        assert_eq!(passed, 20 - 1 + 100 * 10);
        assert!((0..9).all(|_| Meter::default().count(Rate::UNBOUNDED, start)));
    }
}
