//! Defines a point in time as a runtime counts it.

use std::fmt;
use std::num::NonZeroU64;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// Holds a point in time on a clock that never goes back: nanoseconds since the runtime's
/// [start](Self::START).
///
/// Instants can be compared only if they are of one runtime. 146 years lie before the start and 438 after it,
/// so that what was published before a restart has an instant too. An instant takes eight bytes, also as an
/// `Option`. Unlike `std::time::Instant` it can be made of a number, on every target.
///
/// ```
/// use std::time::Duration;
///
/// use chat_core::runtime::Instant;
///
/// let begin = Instant::START + Duration::from_secs(3);
/// assert_eq!(begin.since_start(), Duration::from_secs(3));
/// assert_eq!(Instant::START.saturating_duration_since(begin), Duration::ZERO);
/// assert!(Instant::START.checked_sub(Duration::from_secs(60)).is_some());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(NonZeroU64);

impl Instant {
    /// Marks the time at which the runtime began to count.
    pub const START: Self = match NonZeroU64::new(1 << 62) {
        Some(start) => Self(start),
        None => unreachable!(),
    };

    /// Returns the time since the start; zero if the instant is before it.
    pub fn since_start(self) -> Duration {
        self.saturating_duration_since(Self::START)
    }

    /// Returns the time since `earlier`; zero if the instant is before it.
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }

    /// Returns the instant that is `by` later; none if that is beyond the clock.
    pub fn checked_add(self, by: Duration) -> Option<Self> {
        let by = u64::try_from(by.as_nanos()).ok()?;
        self.0.checked_add(by).map(Self)
    }

    /// Returns the instant that is `by` earlier; none if that is beyond the clock.
    pub fn checked_sub(self, by: Duration) -> Option<Self> {
        let by = u64::try_from(by.as_nanos()).ok()?;
        self.0.get().checked_sub(by).and_then(NonZeroU64::new).map(Self)
    }
}

/// Adds a duration. A sum beyond the clock saturates at its end.
impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        self.checked_add(by).unwrap_or(Self(NonZeroU64::MAX))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, by: Duration) {
        *self = *self + by;
    }
}

/// Subtracts as [`saturating_duration_since`](Instant::saturating_duration_since) does.
impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 >= Self::START.0 {
            true => write!(f, "+{:?}", self.since_start()),
            false => write!(f, "-{:?}", Self::START.saturating_duration_since(*self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_eight_bytes_whether_it_is_there_or_not() {
        assert_eq!((size_of::<Instant>(), size_of::<Option<Instant>>()), (8, 8));
    }

    #[test]
    fn what_is_beyond_the_clock_is_none_or_its_end() {
        let second = Duration::from_secs(1);
        assert_eq!(Instant::START.checked_sub(Duration::MAX), None);
        assert_eq!(Instant::START.checked_sub(Duration::from_nanos(1 << 62)), None);
        assert_eq!(Instant::START.checked_add(Duration::MAX), None);
        let end = Instant::START + Duration::MAX;
        assert_eq!((end, end.checked_add(second)), (end + second, None));
        assert_eq!(
            format!("{:?} {:?}", Instant::START + second, Instant::START.checked_sub(second)),
            "+1s Some(-1s)"
        );
    }
}
