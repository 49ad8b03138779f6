//! Defines why a request is refused, and why a session ends.

use std::borrow::Cow;
use std::fmt;

use super::{NameError, Payload};

/// Tells a request's refusal: a reason for programs, a message for people, and optional data of the endpoint.
///
/// A hook that refuses with [`Reason::Internal`] reports that it failed itself;
/// [`Endpoint`](crate::Endpoint) tells what that ends.
///
/// ```
/// use chat_core::{Reason, Refusal};
/// let refusal = Refusal::permission_denied("not for you");
/// assert_eq!((refusal.reason.clone(), refusal.code()), (Reason::PermissionDenied, 103));
/// assert_eq!(refusal.to_string(), "permission denied (103): not for you");
/// assert_eq!(Refusal::custom(409, "taken", "somebody sits there").code(), 409);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({}): {message}", reason.code())]
#[non_exhaustive]
pub struct Refusal {
    /// Holds the reason.
    pub reason: Reason,
    /// Describes for a person what was wrong.
    pub message: String,
    /// Holds further data of the endpoint for the client, as far as the protocol can carry it: Phoenix sends
    /// it in place of the code and the message, the plain protocol as `data`, the others not at all.
    pub data: Option<Box<Payload>>,
}

/// Reports a code that is not free for reasons of an endpoint's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no code of an endpoint's own: these are 400 to 1999")]
#[expect(clippy::exhaustive_structs, reason = "it names one value and can hold no other")]
pub struct CodeError(pub u16);

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $name:ident = $code:literal $words:literal;)*) => {
        /// Names the reasons for which a request is refused.
        ///
        /// The codes 100–113 have the meaning that they have in the Centrifuge protocol.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
            /// Gives a reason of the endpoint's own, made by [`Reason::custom`].
            Custom(Custom),
        }

        impl Reason {
            /// Returns the code of the reason on the wire.
            pub fn code(&self) -> u16 {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Custom(custom) => custom.code,
                }
            }

            /// Returns the reason in words.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $words,)*
                    Self::Custom(custom) => &custom.words,
                }
            }
        }

        impl Reason {
            /// Returns the reason with this code: one of those above, or one of the endpoint's own in these
            /// words; none if there is none.
            pub(crate) fn of(code: u16, words: String) -> Option<Self> {
                // Two of them have the same code, and the same words.
                let known = [$(Self::$variant),*].into_iter().find(|known| known.code() == code);
                known.or_else(|| Self::custom(code, words).ok())
            }
        }

        impl Refusal {
            $($(#[$doc])* pub fn $name(message: impl Into<String>) -> Self {
                Self::new(Reason::$variant, message)
            })*
        }
    };
}

reasons! {
    /// Refuses with 100: the server failed.
    Internal internal = 100 "internal server error";
    /// Refuses with 101: the session is not admitted.
    Unauthorized unauthorized = 101 "unauthorized";
    /// Refuses with 102: there is no such channel.
    UnknownChannel unknown_channel = 102 "unknown channel";
    /// Refuses with 103: the session may not do that.
    PermissionDenied permission_denied = 103 "permission denied";
    /// Refuses with 104: there is no such method.
    MethodNotFound method_not_found = 104 "method not found";
    /// Refuses with 104 too: the endpoint offers no methods at all. Some protocols tell the two apart.
    NoMethods no_methods = 104 "method not found";
    /// Refuses with 106: a bound is reached.
    LimitExceeded limit_exceeded = 106 "limit exceeded";
    /// Refuses with 107: the request cannot be read or is invalid. Each counts as a strike against its
    /// session.
    BadRequest bad_request = 107 "bad request";
    /// Refuses with 108: that is not offered, or not now.
    NotAvailable not_available = 108 "not available";
    /// Refuses with 109: the token that proves the identity is no longer valid.
    TokenExpired token_expired = 109 "token expired";
    /// Refuses with 110: the permission for the request has expired.
    Expired expired = 110 "expired";
    /// Refuses with 111: the client sends more requests than it may.
    TooManyRequests too_many_requests = 111 "too many requests";
    /// Refuses with 112: the position from which to resume is no longer known.
    UnrecoverablePosition unrecoverable_position = 112 "unrecoverable position";
}

/// Holds a reason of the endpoint's own: a code from 400 to 1999, and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custom {
    code: u16,
    words: Cow<'static, str>,
}

impl Reason {
    /// Returns a reason of the endpoint's own.
    ///
    /// # Errors
    /// If `code` is not from 400 to 1999.
    pub fn custom(code: u16, words: impl Into<Cow<'static, str>>) -> Result<Self, CodeError> {
        let free = (400..2000).contains(&code).then_some(code).ok_or(CodeError(code))?;
        Ok(Self::Custom(Custom { code: free, words: words.into() }))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Refusal {
    /// Returns a refusal for this reason.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), data: None }
    }

    /// Returns a refusal for a reason of the endpoint's own.
    ///
    /// # Panics
    /// If `code` is not from 400 to 1999. [`Reason::custom`] returns an error instead, for codes that come
    /// from elsewhere.
    #[track_caller]
    pub fn custom(code: u16, words: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        match Reason::custom(code, words) {
            Ok(reason) => Self::new(reason, message),
            Err(error) => panic!("{error}"),
        }
    }

    /// Adds data for the client.
    #[must_use]
    pub fn with_data(self, data: Payload) -> Self {
        Self { data: Some(Box::new(data)), ..self }
    }

    /// Returns the code of the reason on the wire.
    pub fn code(&self) -> u16 {
        self.reason.code()
    }
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// Tells why a session ends: a reason for programs, and a message that is sent with its code.
///
/// ```
/// use chat_core::{Close, CloseReason};
/// assert_eq!((Close::SLOW.reason, Close::SLOW.code()), (CloseReason::Slow, 3008));
/// let banned = Close::new(4500, "banned");
/// assert_eq!((banned.reason, banned.tells_to_reconnect()), (CloseReason::Other(4500), false));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Close {
    /// Holds the reason.
    pub reason: CloseReason,
    /// Holds the message, which is sent with the code: at most 123 bytes, cut at a character's boundary.
    pub message: Cow<'static, str>,
}

macro_rules! closes {
    ($($(#[$doc:meta])* $variant:ident $name:ident = $code:literal $message:literal;)*) => {
        /// Names the reasons for which a session ends.
        ///
        /// The codes 3000–3499, 4000–4499 and those from 5000 tell the client to reconnect, 3500–3999 and
        /// 4500–4999 not to; those below 3000 are RFC 6455's (§7.4).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum CloseReason {
            $($(#[$doc])* $variant,)*
            /// Closes for any other reason, with its code: the client's, or the application's own. No code
            /// of another reason stands here.
            Other(u16),
        }

        impl CloseReason {
            /// Returns the code on the wire. 1005 and 1006 stand for closes that had none, and are never sent
            /// (RFC 6455 §7.4.1).
            pub fn code(self) -> u16 {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Other(code) => code,
                }
            }
        }

        /// Returns the reason with this code.
        impl From<u16> for CloseReason {
            fn from(code: u16) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    other => Self::Other(other),
                }
            }
        }

        impl Close {
            $(
                $(#[$doc])* pub const $name: Self =
                    Self { reason: CloseReason::$variant, message: Cow::Borrowed($message) };
            )*
        }
    };
}

closes! {
    /// Closes in order, with nothing left to do.
    Normal NORMAL = 1000 "";
    /// Closes because the server stops.
    GoingAway GOING_AWAY = 1001 "going away";
    /// Closes because the peer broke the transport's rules.
    ProtocolError PROTOCOL_ERROR = 1002 "protocol error";
    /// Stands for a close of the peer without a code.
    NoStatus NO_STATUS = 1005 "";
    /// Stands for a transport that was lost.
    Disconnected DISCONNECTED = 1006 "connection lost";
    /// Closes because a text message is no UTF-8.
    InvalidPayload INVALID_PAYLOAD = 1007 "invalid payload";
    /// Closes because the peer sent more control frames than it may.
    Policy POLICY = 1008 "policy violation";
    /// Closes because a message is over its bound.
    TooBig TOO_BIG = 1009 "message too big";
    /// Closes because incomplete messages take too much memory, and the session's own was begun first.
    TryAgain TRY_AGAIN = 1013 "try again later";
    /// Closes because a hook that is about the whole session panicked.
    ServerError SERVER_ERROR = 3004 "internal server error";
    /// Closes because the session's identity has expired.
    Expired EXPIRED = 3005 "expired";
    /// Closes because the peer does not read as fast as its channels publish.
    Slow SLOW = 3008 "slow";
    /// Closes because nothing was received after a ping.
    NoPong NO_PONG = 3012 "no pong";
    /// Closes because the peer sent more requests than it may.
    TooManyRequests TOO_MANY_REQUESTS = 3013 "too many requests";
    /// Closes because the endpoint refused the session: its token is invalid.
    InvalidToken INVALID_TOKEN = 3500 "invalid token";
    /// Closes because the peer does not follow its protocol.
    BadRequest BAD_REQUEST = 3501 "bad request";
    /// Closes because the session did not open in time.
    Stale STALE = 3502 "stale";
    /// Closes because the user already has as many sessions as one may have.
    TooManySessions TOO_MANY_SESSIONS = 3504 "too many sessions";
    /// Closes because the endpoint refused the session.
    PermissionDenied PERMISSION_DENIED = 3507 "permission denied";
    /// Closes because the peer sent too many bad requests.
    TooManyErrors TOO_MANY_ERRORS = 3509 "too many errors";
}

/// Bounds the message: a control frame has at most 125 bytes, two of which are the code (RFC 6455 §5.5).
const MESSAGE_BYTES: usize = 123;

impl Close {
    /// Returns a close with this code and message. For the application's own closes, 4000–4499 tell the
    /// client to reconnect, and 4500–4999 not to.
    pub fn new(code: u16, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: code.into(), message: message.into() }
    }

    /// Replaces the message.
    #[must_use]
    pub fn with_message(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// Returns the code on the wire.
    pub fn code(&self) -> u16 {
        self.reason.code()
    }

    /// Returns whether the client is told to reconnect, as far as the code tells.
    pub fn tells_to_reconnect(&self) -> bool {
        !matches!(self.code(), 3500..4000 | 4500..5000)
    }

    /// Returns the payload of a close frame (RFC 6455 §5.5.1). It is empty for codes that are never sent.
    pub fn payload(&self) -> Vec<u8> {
        if matches!(self.code(), 1005 | 1006 | 1015) {
            return Vec::new();
        }
        let most = self.message.len().min(MESSAGE_BYTES);
        let end = (0..=most).rev().find(|at| self.message.is_char_boundary(*at)).unwrap_or(0);
        [&self.code().to_be_bytes(), &self.message.as_bytes()[..end]].concat()
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.message)
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
