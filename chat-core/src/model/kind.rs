//! What tells frames apart.

/// What a frame is, for transports that tell kinds apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A message of UTF-8 text.
    Text,
    /// A message of bytes.
    Binary,
    /// Asks the peer for a [`Kind::Pong`].
    Ping,
    /// Answers a [`Kind::Ping`] with its payload.
    Pong,
    /// Ends the connection. The payload is the code, two bytes big-endian, and a reason in UTF-8; or nothing.
    Close,
}
