//! Calls foreign code (a protocol, a framing, a transport, a hook) and stops its panics here.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Reports that foreign code panicked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panicked;

/// Calls foreign code and returns its result. After a panic the caller must not call it again for the same
/// thing: the state that it left half changed is its own affair.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| Panicked)
}
