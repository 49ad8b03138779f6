//! Gives a value cache lines of its own.

use std::ops::Deref;

/// Holds a value that shares no cache line with its neighbours: a core that writes it does not slow down
/// others that read beside it. The alignment is 128 bytes, since processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
