//! Defines how often something may happen.

/// Bounds how often something may happen in a second, and how often at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a rate and a burst")]
pub struct Rate {
    /// Bounds the events per second in the long run; 0 lifts the bound.
    pub per_second: u32,
    /// Bounds the events at once after a pause; it is at least 1.
    pub burst: u32,
}

impl Rate {
    /// Lifts the bound altogether.
    pub const UNBOUNDED: Self = Self { per_second: 0, burst: 0 };

    /// Returns whether the bound is lifted.
    pub(crate) fn is_unbounded(self) -> bool {
        self.per_second == 0
    }
}
