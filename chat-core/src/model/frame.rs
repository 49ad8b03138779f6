//! Defines the messages and frames that pass between a connection and its transport.

use super::{Close, Kind, Run};

/// Holds one item that a transport read from its peer, whole and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the frames of RFC 6455, and parts of them")]
pub enum Incoming {
    /// Carries a message of UTF-8 text.
    Text(String),
    /// Carries a message of bytes.
    Binary(Vec<u8>),
    /// Carries a ping of the peer, which the connection answers.
    Ping(Vec<u8>),
    /// Reports the peer's answer to a ping.
    Pong,
    /// Reports that the peer closes, with the code that it gave.
    Close(Option<u16>),
    /// Reports that a part of a message has arrived, which shows that the peer is alive.
    Part,
}

/// Holds a message as a protocol decodes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the two kinds of message of RFC 6455")]
pub enum Message<'a> {
    /// Borrows a message of UTF-8 text.
    Text(&'a str),
    /// Borrows a message of bytes.
    Binary(&'a [u8]),
}

impl Message<'_> {
    /// Returns the length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Returns whether the message has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Incoming {
    /// Returns the number of the peer's bytes that it holds.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) | Self::Ping(bytes) => bytes.len(),
            Self::Pong | Self::Close(_) | Self::Part => 0,
        }
    }

    /// Returns whether it holds no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Holds a frame for a transport that takes frames one by one. Its bytes are shared with all who get the same
/// frame.
#[derive(Clone, Debug)]
pub struct Frame(Run);

impl Frame {
    /// Takes the first frame of a run.
    pub(crate) fn new(mut run: Run) -> Self {
        Self(run.take_frame())
    }

    /// Returns the kind of the frame.
    pub fn kind(&self) -> Kind {
        self.0.kind().expect("a frame is a run of one")
    }

    /// Parses the payload of a [`Kind::Close`]; none if it has no code.
    pub fn close(&self) -> Option<Close> {
        let (code, reason) = self.as_ref().split_first_chunk()?;
        let reason = String::from_utf8_lossy(reason).into_owned();
        Some(Close::new(u16::from_be_bytes(*code), reason))
    }

    /// Returns the payload as text if it is UTF-8, which it always is if the kind is [`Kind::Text`] and the
    /// protocol keeps its contract.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_ref()).ok()
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

/// Tells why a transport has nothing more to read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputError {
    /// Reports that the peer broke a rule of the transport. The session ends with this close, which is sent
    /// to the peer; what the peer still sends is read and dropped.
    Refused(Close),
    /// Reports that the transport is lost.
    Disconnected,
}
