//! Calls foreign code (a protocol, a framing, a transport, a hook) and stops its panics here.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Reports that foreign code panicked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panicked;

/// Calls foreign code and returns its result. After a panic the caller must not call it again for the same
/// thing: the state that it left half changed is its own affair.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(discard)
}

/// Drops what foreign code panicked with. That is foreign too: a panic of its own drop is stopped here, and
/// the payload of that panic is forgotten, since its drop may panic as well.
#[expect(clippy::mem_forget, reason = "what panics when it is dropped cannot be dropped")]
pub(crate) fn discard(payload: Box<dyn Any + Send>) -> Panicked {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(another);
    }
    Panicked
}
