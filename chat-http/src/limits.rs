//! Gathers the bounds of HTTP: those of heads, and of the time that clients have.

use std::time::Duration;

use chat_core::Limits;

use crate::head::HeadLimits;

/// Bounds what a client may do on a connection before and beside a session.
///
/// ```
/// use chat_http::HttpLimits;
///
/// let bounds = chat_core::Limits::default().with_head_bytes(16 * 1024);
/// assert_eq!(HttpLimits::from(&bounds).head.bytes, 16 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpLimits {
    /// Bounds the head of each request: 431 beyond.
    pub head: HeadLimits,
    /// Limits how long a head takes to come in, and how long a body: 408 beyond, or the connection is closed.
    pub handshake_timeout: Duration,
    /// Limits how long a connection is kept without a request. 0 lifts the bound.
    pub keep_alive_timeout: Duration,
    /// Limits how long a client takes nothing of an answer; the connection is closed then. 0 lifts the bound.
    pub write_timeout: Duration,
    /// Limits how long the end of a stream takes, together with `write_timeout`.
    pub close_timeout: Duration,
}

impl From<&Limits> for HttpLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            head: HeadLimits::from(limits),
            handshake_timeout: limits.handshake_timeout,
            keep_alive_timeout: limits.keep_alive_timeout,
            write_timeout: limits.write_timeout,
            close_timeout: limits.close_timeout,
        }
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self::from(&Limits::default())
    }
}
