//! Cache lines of one's own.

use std::ops::Deref;

/// A value that shares no cache line with its neighbours: what one core writes does not slow down what others read beside it. 128 bytes, since
/// processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
