//! What clients are answered, and what they hear unasked.

pub(super) mod push;
pub(super) mod reply;
