//! Says what is wrong with a flag.

use std::error::Error;
use std::fmt::{self, Display};

/// Says what is wrong with a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FlagError {
    /// Holds the name of the flag, without dashes before it.
    pub(super) flag: String,
    why: String,
}

impl FlagError {
    pub(super) fn new(flag: impl Into<String>, why: impl Into<String>) -> Self {
        Self { flag: flag.into(), why: why.into() }
    }

    pub(super) fn of(flag: &str, value: &str, error: impl Display) -> Self {
        Self::new(flag, format!("has the value {value:?}: {error}"))
    }
}

impl Display for FlagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{} {}", self.flag, self.why)
    }
}

impl Error for FlagError {}
