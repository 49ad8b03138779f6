//! Defines why a session is no longer in a channel.

use super::{Close, Refusal};

/// Tells why a session is no longer in a channel, for [`Endpoint::unsubscribed`](crate::Endpoint).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnsubscribeReason {
    /// The client unsubscribed.
    ByClient,
    /// The server unsubscribed the session, with [`Hub::unsubscribe`](crate::Hub::unsubscribe) or
    /// [`Hub::unsubscribe_user`](crate::Hub::unsubscribe_user), and tells its client this.
    ByServer(Refusal),
    /// The hook [`publish`](crate::Endpoint::publish) or [`event`](crate::Endpoint::event) failed over what
    /// the session said in the channel.
    Failed(Refusal),
    /// The subscription has expired.
    Expired,
    /// The session was refreshed, and the hook [`stay`](crate::Endpoint::stay) refused it this channel.
    NotAllowed(Refusal),
    /// The session ends, with this close: 1006 if its transport was lost, 3008 if it was too slow.
    Closed(Close),
}
