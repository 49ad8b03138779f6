//! Time, as an argument.

use std::time::Duration;

use super::Instant;
use chrono::{DateTime, Utc};

/// The present, on both of a server's clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For deadlines: never goes back.
    pub instant: Instant,
    /// For people: may jump.
    pub utc: DateTime<Utc>,
}

impl Now {
    /// Returns the instant that is so much later. What is beyond the clock, such as [`Duration::MAX`], is in thirty years: never, for a server.
    pub fn after(&self, by: Duration) -> Instant {
        later(self.instant, by)
    }
}

/// Thirty years.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The instant that is so much later, as [`Now::after`] has it.
pub(crate) fn later(instant: Instant, by: Duration) -> Instant {
    instant + by.min(NEVER)
}

/// A time that a user gives; 0 is none.
pub(crate) fn or_never(time: Duration) -> Duration {
    if time.is_zero() { Duration::MAX } else { time }
}
