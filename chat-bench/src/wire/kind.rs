//! The kinds of frames that a load tells apart.

/// The meaning of a frame to the load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A message of a channel, or several.
    Delivery,
    /// The answer to a subscription.
    Joined,
    /// An error of the server's.
    Refused,
    /// A WebSocket ping.
    Ping,
    /// The protocol's own ping.
    Asked,
    /// A WebSocket close.
    Close,
    /// Any other frame.
    Other,
}
