//! How often something may be.

/// So many a second, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run; 0 lifts the bound.
    pub per_second: u32,
    /// After a pause; at least 1.
    pub burst: u32,
}

impl Rate {
    /// No bound.
    pub const UNBOUNDED: Self = Self { per_second: 0, burst: 0 };
}
