//! What others want of a session: that it ends, or that it joins or leaves a channel.

use crate::model::{Answer, ChannelId, Close, Refusal, Subscribe};

/// What the session's own task has to carry out. Others leave it in the outbox and wake the task.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// How the session is to end. The first close stands.
    pub(crate) close: Option<(Close, Manner)>,
    pub(crate) orders: Vec<Order>,
}

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// What is queued goes first.
    Graceful,
    /// What is queued is dropped.
    AtOnce,
}

/// Something that the server does in a session's place.
#[derive(Debug)]
pub(crate) enum Order {
    Subscribe(Subscribe),
    Unsubscribe(ChannelId, Refusal),
    /// Says something to its client that was not asked for.
    Tell(Answer),
}
