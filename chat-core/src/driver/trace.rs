//! Reports to `tracing`, if that feature is on, when sessions open, join, leave, are refused and close, and
//! when the store fails. Contents of messages are never reported. Names are escaped, so that none can forge a
//! line.

#[cfg(feature = "tracing")]
use tracing::{debug, warn};

#[cfg(not(feature = "tracing"))]
macro_rules! debug {
    ($($field:ident = $value:expr,)* $text:literal) => {
        let _ = ($(&$value,)* $text);
    };
}

#[cfg(not(feature = "tracing"))]
use debug as warn;

use crate::model::{ChannelId, Close, SessionId, SessionInfo};
use crate::port::Cost;

pub(crate) fn opened(session: &SessionInfo) {
    debug!(session = session.id.0, name = tracing_debug(&session.name), "session opened");
}

pub(crate) fn joined(session: SessionId, channel: &ChannelId) {
    debug!(session = session.0, channel = tracing_debug(channel), "joined");
}

pub(crate) fn left(session: SessionId, channel: &ChannelId) {
    debug!(session = session.0, channel = tracing_debug(channel), "left");
}

/// Reports a refusal; the protocol chose its cost.
pub(crate) fn refused(session: SessionId, code: u16, cost: &Cost) {
    debug!(session = session.0, code = code, cost = tracing_debug(cost), "refused");
}

pub(crate) fn closed(session: SessionId, close: &Close) {
    debug!(session = session.0, code = close.code(), reason = tracing_debug(&close.reason), "session closed");
}

pub(crate) fn broker_failed(error: &impl std::error::Error) {
    warn!(error = tracing_debug(error), "the broker failed");
}

pub(crate) fn store_failed(error: &impl std::error::Error) {
    warn!(error = tracing_debug(error), "the store failed");
}

#[cfg(feature = "tracing")]
fn tracing_debug<T: std::fmt::Debug>(value: &T) -> impl tracing::Value + '_ {
    tracing::field::debug(value)
}

#[cfg(not(feature = "tracing"))]
fn tracing_debug<T>(value: &T) -> &T {
    value
}
