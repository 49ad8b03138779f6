//! Where foreign code is called: a protocol, a framing, a transport, a hook. What panics there ends there.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Foreign code panicked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panicked;

/// Calls foreign code, and returns what it gives. It is not called again for what it was called for: whatever it left half done is its own.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| Panicked)
}
