//! Defines the present, which functions take as an argument.

use std::time::Duration;

use super::Instant;
use chrono::{DateTime, Utc};

/// Holds the present time on both of a server's clocks.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the two clocks")]
pub struct Now {
    /// Holds the time for deadlines, which never goes back.
    pub instant: Instant,
    /// Holds the time for people, which may jump.
    pub utc: DateTime<Utc>,
}

impl Now {
    /// Returns the instant that is `by` later. A time beyond the clock, such as [`Duration::MAX`], becomes
    /// thirty years, which for a server is never.
    pub fn after(&self, by: Duration) -> Instant {
        later(self.instant, by)
    }
}

/// Bounds a deadline at thirty years, which stand for never.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Returns the instant that is `by` later, bounded as in [`Now::after`].
pub(crate) fn later(instant: Instant, by: Duration) -> Instant {
    instant + by.min(NEVER)
}

/// Returns the time that a user configured, with 0 as [`Duration::MAX`].
pub(crate) fn or_never(time: Duration) -> Duration {
    if time.is_zero() { Duration::MAX } else { time }
}
