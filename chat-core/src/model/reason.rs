//! Defines why a request is refused, and why a session ends.

use std::borrow::Cow;
use std::fmt;

use super::{NameError, Payload};

/// Tells why a request is refused: a code and a reason for programs, a message for people, and optional data
/// of the endpoint.
///
/// Codes 100–113 have the meaning that they have in the Centrifuge protocol; 400–1999 are the endpoint's own.
/// A hook that refuses with 100 reports that it failed itself; [`Endpoint`](crate::Endpoint) tells what that
/// ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({code}): {message}")]
pub struct Refusal {
    /// Holds the numeric code.
    pub code: u16,
    /// Holds the code in words.
    pub reason: Cow<'static, str>,
    /// Describes for a person what was wrong.
    pub message: String,
    /// Holds further data of the endpoint for the client, as far as the protocol can carry it: Phoenix sends
    /// it in place of the code and the message, the plain protocol as `data`, the others not at all.
    pub data: Option<Box<Payload>>,
}

impl Refusal {
    /// Returns a refusal of the endpoint's own: codes 400–1999 are free for that.
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), message: message.into(), data: None }
    }

    /// Adds data for the client.
    #[must_use]
    pub fn with_data(self, data: Payload) -> Self {
        Self { data: Some(Box::new(data)), ..self }
    }
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal $reason:literal;)*) => {
        impl Refusal {
            $($(#[$doc])* pub fn $name(message: impl Into<String>) -> Self {
                Self::new($code, $reason, message)
            })*
        }
    };
}

refusals! {
    /// Refuses with 100: the server failed.
    internal = 100 "internal server error";
    /// Refuses with 101: the session is not admitted.
    unauthorized = 101 "unauthorized";
    /// Refuses with 102: there is no such channel.
    unknown_channel = 102 "unknown channel";
    /// Refuses with 103: the session may not do that.
    permission_denied = 103 "permission denied";
    /// Refuses with 104: there is no such method.
    method_not_found = 104 "method not found";
    /// Refuses with 106: a bound is reached.
    limit_exceeded = 106 "limit exceeded";
    /// Refuses with 107: the request cannot be read or is invalid. Each counts as a strike against its
    /// session.
    bad_request = 107 "bad request";
    /// Refuses with 108: that is not offered, or not now.
    not_available = 108 "not available";
    /// Refuses with 109: the token that proves the identity is no longer valid.
    token_expired = 109 "token expired";
    /// Refuses with 110: the permission for the request has expired.
    expired = 110 "expired";
    /// Refuses with 111: the client sends more requests than it may.
    too_many_requests = 111 "too many requests";
    /// Refuses with 112: the position from which to resume is no longer known.
    unrecoverable_position = 112 "unrecoverable position";
}

/// Begins the message of a refusal from an endpoint that offers no methods.
const NO_CALLS: &str = "there is no method ";

impl Refusal {
    /// Refuses with 104, for an endpoint that offers no methods.
    pub fn no_calls(method: &str) -> Self {
        Self::method_not_found(format!("{NO_CALLS}{method:?}"))
    }

    /// Returns whether it is [`no_calls`](Self::no_calls): some protocols distinguish that from a method that
    /// does not exist.
    pub fn is_no_calls(&self) -> bool {
        self.code == 104 && self.message.starts_with(NO_CALLS)
    }
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// Tells why a session ends: a close code and its reason.
///
/// Codes 3000–3499 and 4000–4499 tell the client to reconnect, 3500–3999 and 4500–4999 not to; those below
/// 3000 are RFC 6455's (§7.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Holds the code. 1005 and 1006 stand for closes that had none, and are never sent (RFC 6455 §7.4.1).
    pub code: u16,
    /// Holds the reason, which is sent with the code: at most 123 bytes, cut at a character's boundary.
    pub reason: Cow<'static, str>,
}

macro_rules! closes {
    ($($(#[$doc:meta])* $name:ident = $code:literal $reason:literal;)*) => {
        impl Close {
            $($(#[$doc])* pub const $name: Self = Self { code: $code, reason: Cow::Borrowed($reason) };)*
        }
    };
}

closes! {
    /// Closes in order, with nothing left to do.
    NORMAL = 1000 "";
    /// Closes because the server stops.
    GOING_AWAY = 1001 "going away";
    /// Closes because the peer broke the transport's rules.
    PROTOCOL_ERROR = 1002 "protocol error";
    /// Stands for a close of the peer without a code.
    NO_STATUS = 1005 "";
    /// Stands for a transport that was lost.
    DISCONNECTED = 1006 "connection lost";
    /// Closes because a text message is no UTF-8.
    INVALID_PAYLOAD = 1007 "invalid payload";
    /// Closes because the peer sent more control frames than it may.
    POLICY = 1008 "policy violation";
    /// Closes because a message is over its bound.
    TOO_BIG = 1009 "message too big";
    /// Closes because incomplete messages take too much memory, and the session's own was begun first.
    TRY_AGAIN = 1013 "try again later";
    /// Closes because a hook that is about the whole session panicked.
    SERVER_ERROR = 3004 "internal server error";
    /// Closes because the session's identity has expired.
    EXPIRED = 3005 "expired";
    /// Closes because the peer does not read as fast as its channels publish.
    SLOW = 3008 "slow";
    /// Closes because nothing was received after a ping.
    NO_PONG = 3012 "no pong";
    /// Closes because the peer sent more requests than it may.
    TOO_MANY_REQUESTS = 3013 "too many requests";
    /// Closes because the endpoint refused the session: its token is invalid.
    INVALID_TOKEN = 3500 "invalid token";
    /// Closes because the peer does not follow its protocol.
    BAD_REQUEST = 3501 "bad request";
    /// Closes because the session did not open in time.
    STALE = 3502 "stale";
    /// Closes because the user already has as many sessions as one may have.
    TOO_MANY_SESSIONS = 3504 "too many sessions";
    /// Closes because the endpoint refused the session.
    PERMISSION_DENIED = 3507 "permission denied";
    /// Closes because the peer sent too many bad requests.
    TOO_MANY_ERRORS = 3509 "too many errors";
}

/// Bounds the reason: a control frame has at most 125 bytes, two of which are the code (RFC 6455 §5.5).
const REASON_BYTES: usize = 123;

impl Close {
    /// Returns a close of the application's own: codes 4000–4499 tell the client to reconnect, 4500–4999 not
    /// to.
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// Returns the payload of a close frame (RFC 6455 §5.5.1). It is empty for codes that are never sent.
    pub fn payload(&self) -> Vec<u8> {
        if matches!(self.code, 1005 | 1006 | 1015) {
            return Vec::new();
        }
        let most = self.reason.len().min(REASON_BYTES);
        let end = (0..=most).rev().find(|at| self.reason.is_char_boundary(*at)).unwrap_or(0);
        [&self.code.to_be_bytes(), &self.reason.as_bytes()[..end]].concat()
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_reason_is_cut_at_123_bytes_on_a_characters_boundary() {
        let close = Close::new(4000, "é".repeat(100));
        assert_eq!(close.payload().len(), 2 + 122);
        assert!(Close::DISCONNECTED.payload().is_empty());
    }
}
