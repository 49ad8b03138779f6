//! What one session remembers of its calls.

pub(super) mod admission;
pub(super) mod calls;
pub(super) mod subscriptions;
