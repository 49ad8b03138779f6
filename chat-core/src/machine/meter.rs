//! Whether something comes more often than it may.

use std::time::{Duration, Instant};

use crate::model::Rate;

/// Counts against a [`Rate`] with a single instant: the generic cell rate algorithm (ITU-T I.371).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    /// When all that was counted would have come, had it come evenly.
    even: Option<Instant>,
}

impl Meter {
    /// Counts one more; false if that is too many.
    pub(crate) fn count(&mut self, rate: Rate, now: Instant) -> bool {
        if rate.per_second == 0 {
            return true;
        }
        let step = Duration::from_secs(1) / rate.per_second;
        let even = self.even.map_or(now, |even| even.max(now));
        if even.duration_since(now) > step * (rate.burst.max(1) - 1) {
            return false;
        }
        self.even = Some(even + step);
        true
    }
}

impl Meter {
    /// Of two that counted the same one, the one that has less room.
    pub(crate) fn later(self, other: Self) -> Self {
        Self { even: self.even.max(other.even) }
    }

    /// With room for so many at once, whatever was counted.
    pub(crate) fn with_room(self, rate: Rate, room: u32, now: Instant) -> Self {
        if rate.per_second == 0 {
            return self;
        }
        let most = now + Duration::from_secs(1) / rate.per_second * rate.burst.saturating_sub(room);
        Self { even: self.even.map(|even| even.min(most)) }
    }

    /// When it has all its room again.
    pub(crate) fn busy_until(self) -> Option<Instant> {
        self.even
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an instant cannot be made from nothing")]
    fn start() -> Instant {
        Instant::now()
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
    fn in_the_long_run_it_is_the_rate_whatever_the_burst() {
        let (start, rate) = (start(), Rate { per_second: 10, burst: 20 });
        let mut meter = Meter::default();
        let passed = (0..100_000).filter(|ms| meter.count(rate, start + Duration::from_millis(*ms))).count();
        assert_eq!(passed, 20 - 1 + 100 * 10);
        assert!((0..9).all(|_| Meter::default().count(Rate::UNBOUNDED, start)));
    }
}
