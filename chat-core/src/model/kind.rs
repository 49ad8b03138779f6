//! Defines the kinds of frame.

/// Tells frames apart, for transports that have several kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the kinds of frame of RFC 6455")]
pub enum Kind {
    /// Carries a message of UTF-8 text.
    Text,
    /// Carries a message of bytes.
    Binary,
    /// Asks the peer for a [`Kind::Pong`].
    Ping,
    /// Answers a [`Kind::Ping`] with its payload.
    Pong,
    /// Ends the connection. The payload is the code, two bytes big-endian, and a reason in UTF-8; or it is
    /// empty.
    Close,
}
