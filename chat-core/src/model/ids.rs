//! Defines the numbers that identify sessions, publications in a channel, and epochs of a channel.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// Identifies one session for as long as its hub lives. No id is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "it names one value and can hold no other")]
pub struct SessionId(pub u64);

/// Holds the position of a publication in its channel. The first is 1; 0 is the position before it.
///
/// Two offsets can be compared only within one [`Epoch`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "it names one value and can hold no other")]
pub struct Offset(pub u64);

/// Identifies one life of a channel. A channel that was removed returns with another epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "it names one value and can hold no other")]
pub struct Epoch(pub u64);

/// Holds the place of an event among all events of a channel. Publications have an offset; every event has a
/// sequence number, kept or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Holds the sequence number of the event. It grows by one with every event.
    pub(crate) seq: u64,
    /// Holds the offset of the last publication up to here.
    pub(crate) offset: Offset,
}

impl Place {
    /// Stands for the offset of joins and leaves, which have none.
    pub(crate) const PRESENCE: Offset = Offset(u64::MAX);
}

impl Epoch {
    /// Stands for any value that is no epoch: no channel ever has this one.
    pub const NONE: Self = Self(0);

    /// Parses the epoch that a client has kept. It never fails: clients store an epoch without understanding
    /// it, so any text that is none becomes [`NONE`](Self::NONE), as if that epoch of the channel had ended.
    pub fn kept_by_client(text: &str) -> Self {
        text.parse().unwrap_or(Self::NONE)
    }
}

impl Offset {
    /// Returns the offset after this one. It saturates at the largest offset, which a client may name though
    /// nothing is ever published after it.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Serializes the epoch as the text that clients keep.
impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reports that a text is no epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an epoch has 16 hexadecimal digits")]
#[expect(clippy::exhaustive_structs, reason = "it says all there is to say")]
pub struct EpochError;

impl FromStr for Epoch {
    type Err = EpochError;

    fn from_str(text: &str) -> Result<Self, EpochError> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let parsed = digits.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        parsed.map(Self).ok_or(EpochError)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_has_kept_is_an_epoch_or_stands_for_none() {
        let epoch = Epoch(0x5f1c_9a02_e7b3_d846);
        assert_eq!(Epoch::kept_by_client(&epoch.to_string()), epoch);
        for text in [
            "",
            "_",
            "not-the-epoch",
            "+f1c9a02e7b3d846",
            "5f1c9a02e7b3d8460",
            "é1c9a02e7b3d846",
            &"0".repeat(1 << 16),
        ] {
            assert_eq!(Epoch::kept_by_client(text), Epoch::NONE, "{text:.20}");
        }
    }
}
