//! What travels between a connection and its transport.

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

/// What a transport read from its peer, whole and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A message of UTF-8 text.
    Text(String),
    /// A message of bytes.
    Binary(Vec<u8>),
    /// The peer asks whether we are there. The connection answers.
    Ping(Vec<u8>),
    /// The peer answers our ping.
    Pong,
    /// The peer closes, with the code it gave.
    Close(Option<u16>),
}
