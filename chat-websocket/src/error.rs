//! Says why nothing more can be read.

use std::borrow::Cow;
use std::io;

use chat_core::Close;
use thiserror::Error;

/// Says why nothing more can be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The peer broke a rule of RFC 6455.
    #[error("{0}")]
    Protocol(Cow<'static, str>),
    /// A text message or the reason of a close is no UTF-8.
    #[error("text that is no UTF-8")]
    Utf8,
    /// A message is longer than [`MessageLimits::message_bytes`](crate::MessageLimits::message_bytes).
    #[error("a message over the bound")]
    TooBig,
    /// A message has more fragments than [`MessageLimits::fragments`](crate::MessageLimits::fragments).
    #[error("a message in too many fragments")]
    TooManyFragments,
    /// The bytes ended without a close frame.
    #[error("the connection ended without a close")]
    Ended,
    /// The transport failed.
    #[error("the transport failed: {0}")]
    Io(#[from] io::Error),
}

impl ReadError {
    /// Returns the close to send (RFC 6455 §7.4.1); none if the peer cannot be reached any more.
    pub fn close(&self) -> Option<Close> {
        match self {
            Self::Protocol(_) => Some(Close::PROTOCOL_ERROR),
            Self::Utf8 => Some(Close::INVALID_PAYLOAD),
            Self::TooBig | Self::TooManyFragments => Some(Close::TOO_BIG),
            Self::Ended | Self::Io(_) => None,
        }
    }
}

impl From<tungstenite::Error> for ReadError {
    fn from(error: tungstenite::Error) -> Self {
        use tungstenite::error::ProtocolError;
        match error {
            tungstenite::Error::Io(error) => Self::Io(error),
            tungstenite::Error::Utf8(_) => Self::Utf8,
            tungstenite::Error::Capacity(_) => Self::TooBig,
            tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
            | tungstenite::Error::ConnectionClosed
            | tungstenite::Error::AlreadyClosed => Self::Ended,
            other => Self::Protocol(other.to_string().into()),
        }
    }
}
