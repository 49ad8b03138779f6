//! Why a request is refused, and why a session ends.

use std::borrow::Cow;
use std::fmt;

use super::{NameError, Payload};

/// Why a request is refused: a code and a reason for programs, a message for people, and what the endpoint says besides.
///
/// Codes 100–113 mean what they mean in the Centrifuge protocol; 400–1999 are the endpoint's own. A hook that refuses with 100 says that it failed: what
/// that ends is told at [`Endpoint`](crate::Endpoint).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({code}): {message}")]
pub struct Refusal {
    /// The code.
    pub code: u16,
    /// The code in words.
    pub reason: Cow<'static, str>,
    /// What was wrong, for a person.
    pub message: String,
    /// What the endpoint says to the client besides, as far as its protocol has room for that: Phoenix sends it in place of the code and the message, the
    /// plain protocol as `data`, the others not at all.
    pub data: Option<Box<Payload>>,
}

impl Refusal {
    /// A refusal of the endpoint's own: codes 400–1999 are free for that.
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), message: message.into(), data: None }
    }

    /// Says this to the client besides.
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
    /// 100: the server failed.
    internal = 100 "internal server error";
    /// 101: the session may not come in.
    unauthorized = 101 "unauthorized";
    /// 102: there is no such channel.
    unknown_channel = 102 "unknown channel";
    /// 103: the session may not do that.
    permission_denied = 103 "permission denied";
    /// 104: there is no such method.
    method_not_found = 104 "method not found";
    /// 106: a bound is reached.
    limit_exceeded = 106 "limit exceeded";
    /// 107: the request is none. Each counts as a strike against its session.
    bad_request = 107 "bad request";
    /// 108: that is not offered, or not now.
    not_available = 108 "not available";
    /// 109: the proof of who it is counts no more.
    token_expired = 109 "token expired";
    /// 110: what allowed it has expired.
    expired = 110 "expired";
    /// 111: more was asked than may be.
    too_many_requests = 111 "too many requests";
    /// 112: the place from which to go on is not known any more.
    unrecoverable_position = 112 "unrecoverable position";
}

/// How the refusal of an endpoint begins that offers nothing to call.
const NO_CALLS: &str = "there is no method ";

impl Refusal {
    /// 104, from an endpoint that offers nothing to call.
    pub fn no_calls(method: &str) -> Self {
        Self::method_not_found(format!("{NO_CALLS}{method:?}"))
    }

    /// Returns whether it is [`no_calls`](Self::no_calls): some protocols have another word for that than for a method that is not there.
    pub fn is_no_calls(&self) -> bool {
        self.code == 104 && self.message.starts_with(NO_CALLS)
    }
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// Why a session ends: a close code and its reason.
///
/// Codes 3000–3499 and 4000–4499 tell the client to come back, 3500–3999 and 4500–4999 not to; below 3000 they are RFC 6455's (§7.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The code; 1005 and 1006 stand for closes that had none, and are never sent (RFC 6455 §7.4.1).
    pub code: u16,
    /// The reason, sent with it: at most 123 bytes, cut at a character's boundary.
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
    /// All is done.
    NORMAL = 1000 "";
    /// The server stops.
    GOING_AWAY = 1001 "going away";
    /// The peer broke the transport's rules.
    PROTOCOL_ERROR = 1002 "protocol error";
    /// The peer closed and gave no code.
    NO_STATUS = 1005 "";
    /// The transport was lost.
    DISCONNECTED = 1006 "connection lost";
    /// Text that is no UTF-8.
    INVALID_PAYLOAD = 1007 "invalid payload";
    /// More control frames than may be.
    POLICY = 1008 "policy violation";
    /// A message over the bound.
    TOO_BIG = 1009 "message too big";
    /// Too much is held of messages that are not whole yet, and its own was begun first.
    TRY_AGAIN = 1013 "try again later";
    /// A hook panicked that is about the whole session.
    SERVER_ERROR = 3004 "internal server error";
    /// What let the session in counts no more.
    EXPIRED = 3005 "expired";
    /// The peer does not read as fast as its channels speak.
    SLOW = 3008 "slow";
    /// Nothing was heard after a ping.
    NO_PONG = 3012 "no pong";
    /// More requests than may be.
    TOO_MANY_REQUESTS = 3013 "too many requests";
    /// The endpoint refused the session.
    INVALID_TOKEN = 3500 "invalid token";
    /// The peer does not keep to its protocol.
    BAD_REQUEST = 3501 "bad request";
    /// The session did not open in time.
    STALE = 3502 "stale";
    /// The user has as many sessions as one may have.
    TOO_MANY_SESSIONS = 3504 "too many sessions";
    /// The endpoint refused the session.
    PERMISSION_DENIED = 3507 "permission denied";
    /// Too many bad requests.
    TOO_MANY_ERRORS = 3509 "too many errors";
}

/// RFC 6455 §5.5: a control frame has at most 125 bytes, two of them the code.
const REASON_BYTES: usize = 123;

impl Close {
    /// A close of the application's own: 4000–4499 “come back”, 4500–4999 “do not”.
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// The payload of a close frame (RFC 6455 §5.5.1). Empty for codes that are never sent.
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
