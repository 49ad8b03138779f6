//! Holds requests of others to a session: to close, or to join or leave a channel.

use crate::model::{Answer, ChannelId, Close, Refusal, Subscribe};

/// Holds requests that the session's own task has to carry out. Others leave them in the outbox and wake the
/// task.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// Holds the requested close and its manner. The first close stands.
    pub(crate) close: Option<(Close, Manner)>,
    pub(crate) orders: Vec<Order>,
}

/// Names the manners in which a session closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Writes the queued frames first.
    Graceful,
    /// Drops the queued frames.
    AtOnce,
}

/// Describes an action that the server takes in a session's place.
#[derive(Debug)]
pub(crate) enum Order {
    Subscribe(Subscribe),
    Unsubscribe(ChannelId, Refusal),
    /// Sends the client an answer that it did not ask for.
    Tell(Answer),
}
