//! Defines the bounds of HTTP and of RFC 6455, each with its name and its default.

use std::time::Duration;

use thiserror::Error;

/// Bounds what a client may do on a connection before and beside a session. Each field tells what happens at
/// its bound. What a session may do, and how long a client may take nothing of an answer, stands in
/// [`Limits`](chat_core::Limits).
///
/// An [`HttpHub`](crate::HttpHub) holds them together with the hub that they stand before.
///
/// A time that is longer than the clock can count, such as [`Duration::MAX`], means never. Where 0 lifts a
/// bound, its field says so; where nothing could work with 0, [`check`](Self::check) refuses it.
///
/// ```
/// use chat_http::HttpLimits;
///
/// let limits = HttpLimits::default().with_head_bytes(16 * 1024);
/// assert_eq!((limits.head_bytes, limits.head_headers), (16 * 1024, 100));
/// assert_eq!(limits.with_head_bytes(0).check().unwrap_err().field(), "head_bytes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpLimits {
    /// Bounds the permits that long polls may hold, as a percentage of
    /// [`Limits::sessions`](chat_core::Limits::sessions), since polls hold no connection and so cost a client
    /// nothing. Over the bound, the oldest poll is closed of those whose client has not yet shown that it
    /// polls again; if there is none, the next poll gets 503.
    pub poll_share: u8,
    /// Bounds the time that a client may take for its whole opening handshake: after it the client gets 408.
    /// The same time bounds the head of any later request on its connection, which is then closed, and the
    /// body of a request, which then gets 408. It must not be 0.
    pub handshake_timeout: Duration,
    /// Bounds the time that a connection is kept without a request under way: after it the connection is
    /// closed. The time should be longer than the minute after which proxies in front of a server close
    /// theirs. 0 lifts the bound.
    pub keep_alive_timeout: Duration,
    /// Bounds the bytes of an opening handshake: more get 431. It must not be 0.
    pub head_bytes: usize,
    /// Bounds the bytes of one line of the handshake: more get 431. It must not be 0.
    pub head_line_bytes: usize,
    /// Bounds the headers of the handshake: more get 431. It must not be 0.
    pub head_headers: usize,
    /// Bounds the fragments of one WebSocket message: one more closes with 1009. 0 lifts the bound.
    pub message_fragments: u32,
}

/// Tells why no hub can be bound to HTTP within these bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HttpLimitsError {
    /// Reports a bound that is 0, with which nothing could work.
    #[error("`{field}` must not be 0")]
    Zero {
        /// Names the field of [`HttpLimits`].
        field: &'static str,
    },
}

impl HttpLimitsError {
    /// Returns the name of the field of [`HttpLimits`] that is wrong.
    pub fn field(&self) -> &'static str {
        let Self::Zero { field } = self;
        field
    }
}

/// Implements `with_…` for the fields of [`HttpLimits`], each of which takes the field's value.
macro_rules! setters {
    ($($setter:ident $field:ident: $of:ty,)*) => {
        impl HttpLimits {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub fn $setter(mut self, $field: $of) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

setters! {
    with_poll_share poll_share: u8,
    with_handshake_timeout handshake_timeout: Duration,
    with_keep_alive_timeout keep_alive_timeout: Duration,
    with_head_bytes head_bytes: usize,
    with_head_line_bytes head_line_bytes: usize,
    with_head_headers head_headers: usize,
    with_message_fragments message_fragments: u32,
}

impl HttpLimits {
    /// Checks that clients can come in within these bounds.
    ///
    /// # Errors
    /// Returns the first field that is wrong.
    pub fn check(&self) -> Result<(), HttpLimitsError> {
        let needed = [
            ("handshake_timeout", self.handshake_timeout.is_zero()),
            ("head_bytes", self.head_bytes == 0),
            ("head_line_bytes", self.head_line_bytes == 0),
            ("head_headers", self.head_headers == 0),
        ];
        match needed.into_iter().find(|(_, zero)| *zero) {
            Some((field, _)) => Err(HttpLimitsError::Zero { field }),
            None => Ok(()),
        }
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            poll_share: 50,
            handshake_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            head_bytes: 48 * 1024,
            head_line_bytes: 32 * 1024,
            head_headers: 100,
            message_fragments: 1024,
        }
    }
}
