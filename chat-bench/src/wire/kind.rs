//! Names the kinds of frames that a load tells apart.

/// Tells the meaning of a frame to the load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Holds a message of a channel, or several.
    Delivery,
    /// Answers a subscription.
    Joined,
    /// Reports an error.
    Refused,
    /// Is a ping of the WebSocket.
    Ping,
    /// Is a ping of the protocol.
    Asked,
    /// Closes the WebSocket.
    Close,
    /// Has no meaning to the load.
    Other,
}
