//! Keeps what a reply needs of its command, within the request's id, and what the reply to a connect adds.

use std::fmt::Write;
use std::sync::Arc;

use chat_core::protocol::RequestId;
use chat_core::{ChannelId, Offset};

/// Holds a command's number and method, and where it wanted to resume: `5 subscribe 17` in a [`RequestId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReplyContext<'a> {
    pub(super) id: u32,
    pub(super) method: &'a str,
    pub(super) since: Option<Offset>,
}

impl<'a> ReplyContext<'a> {
    pub(super) fn new(id: u32, method: &'a str) -> Self {
        Self { id, method, since: None }
    }

    /// Reads a context back; none if [`to_id`](Self::to_id) did not make the id.
    pub(super) fn of(id: &'a RequestId) -> Option<Self> {
        let mut parts = id.0.split(' ');
        let (id, method) = (parts.next()?.parse().ok()?, parts.next()?);
        let since = parts.next().and_then(|offset| offset.parse().ok()).map(Offset);
        Some(Self { id, method, since })
    }

    pub(super) fn to_id(self) -> RequestId {
        let mut text = format!("{} {}", self.id, self.method);
        if let Some(since) = self.since {
            write!(text, " {since}").expect("a String takes it");
        }
        RequestId(text.into())
    }
}

/// Tells a client that reads a stream of HTTP how to send its commands, in requests of their own.
#[allow(
    clippy::exhaustive_structs,
    reason = "the protocol's schema has these two fields, and adapters fill them"
)]
#[derive(Clone, Debug)]
pub struct Stream {
    /// Names the session: a request with this key belongs to it.
    pub key: Arc<str>,
    /// Names the server, for as long as it runs.
    pub node: Arc<str>,
}

/// Holds what the reply to a connect tells beside what the core knows.
#[derive(Debug)]
pub(super) struct ConnectContext<'a> {
    pub(super) stream: Option<&'a Stream>,
    /// Counts the seconds from one of the protocol's pings to the next; 0 if there are none.
    pub(super) ping: u64,
    /// Holds where the client was in channels into which the server may put it.
    pub(super) since: Vec<(ChannelId, Offset)>,
}

impl ConnectContext<'_> {
    /// Returns where the client was in this channel.
    pub(super) fn since(&self, channel: &ChannelId) -> Option<Offset> {
        self.since.iter().find(|(name, _)| name == channel).map(|(_, offset)| *offset)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_context_comes_back_whatever_it_holds(text in ".*", id: u32, offset: Option<u64>) {
            let context = ReplyContext { since: offset.map(Offset), ..ReplyContext::new(id, "subscribe") };
            let id = context.to_id();
            prop_assert_eq!(ReplyContext::of(&id), Some(context));
            let _ = ReplyContext::of(&RequestId(text.into()));
        }
    }
}
