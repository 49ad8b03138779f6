//! What travels between a connection and its transport.

use super::{Close, Kind, Run};

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
    /// Some of a message has come, and not all of it: the peer is there.
    Part,
}

/// A message as a protocol reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

impl Message<'_> {
    /// Returns how many bytes it has.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Returns whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Incoming {
    /// How many bytes of the peer's it holds.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) | Self::Ping(bytes) => bytes.len(),
            Self::Pong | Self::Close(_) | Self::Part => 0,
        }
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A frame for a transport that takes them one by one. Shares its bytes with all who get the same.
#[derive(Clone, Debug)]
pub struct Frame(Run);

impl Frame {
    /// The first frame of a run.
    pub(crate) fn new(mut run: Run) -> Self {
        Self(run.take_frame())
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.0.kind().expect("a frame is a run of one")
    }

    /// The payload of a [`Kind::Close`], taken apart.
    pub fn close(&self) -> Option<Close> {
        let (code, reason) = self.as_ref().split_first_chunk()?;
        let reason = String::from_utf8_lossy(reason).into_owned();
        Some(Close::new(u16::from_be_bytes(*code), reason))
    }

    /// The payload as text, if it is UTF-8; it always is if the kind is [`Kind::Text`] and the protocol kept its word.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_ref()).ok()
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

/// Why a transport has nothing more to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputError {
    /// The peer broke a rule: it is told so by this close. The transport goes on reading and drops what it reads, until its end.
    Refused(Close),
    /// The transport is lost.
    Disconnected,
}
