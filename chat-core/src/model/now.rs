//! Time, as an argument.

use std::time::Instant;

use chrono::{DateTime, Utc};

/// The present, on both of a server's clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For deadlines: never goes back.
    pub instant: Instant,
    /// For people: may jump.
    pub utc: DateTime<Utc>,
}
