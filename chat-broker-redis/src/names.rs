//! Names what a deployment has in Redis: keys, and the channels that nodes subscribe to.

use chat_core::ChannelId;

/// Is the number of lanes. It is part of every name, so that nodes of one deployment must agree on it.
pub(crate) const LANES: usize = 16;

/// Bounds a prefix, in bytes.
const PREFIX_BYTES: usize = 64;

/// Names everything after a prefix. All keys of a lane have one hash tag, `{prefix:lane}`, and so stand in
/// one slot.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
    /// Is part of the names of Redis's channels, which all databases of a server share.
    database: i64,
}

impl Names {
    /// Returns none if the prefix has a character that a hash tag may not have, or is empty or too long.
    pub(crate) fn new(prefix: &str, database: i64) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        let fits = (1..=PREFIX_BYTES).contains(&prefix.len()) && prefix.bytes().all(plain);
        fits.then(|| Self { prefix: prefix.to_owned(), database })
    }

    /// Names the key that holds where a channel stands.
    pub(crate) fn meta(&self, lane: usize, channel: &ChannelId) -> String {
        format!("{{{}:{lane}}}m:{channel}", self.prefix)
    }

    /// Names the key that holds what is kept of a channel.
    pub(crate) fn entries(&self, lane: usize, channel: &ChannelId) -> String {
        format!("{{{}:{lane}}}l:{channel}", self.prefix)
    }

    /// Names the key under which an idempotency key is remembered. A channel's name holds no NUL, so that
    /// the two cannot be taken for others.
    pub(crate) fn key(&self, lane: usize, channel: &ChannelId, key: &str) -> String {
        format!("{{{}:{lane}}}k:{channel}\0{key}", self.prefix)
    }

    /// Names Redis's channel for what is said in a channel.
    pub(crate) fn said_in(&self, lane: usize, channel: &ChannelId) -> String {
        format!("{{{}:{lane}}}c{}:{channel}", self.prefix, self.database)
    }

    /// Names Redis's channel for what is said to all nodes.
    pub(crate) fn said_to_all(&self) -> String {
        format!("{{{}}}a{}", self.prefix, self.database)
    }
}

/// Returns what a channel of Redis stands for: the name of a channel, or all nodes. [`Names`] has made it, as
/// nothing else is subscribed to.
pub(crate) fn heard_from(name: &[u8]) -> Option<Option<&str>> {
    let (_, rest) = std::str::from_utf8(name).ok()?.split_once('}')?;
    match rest.strip_prefix('c') {
        Some(named) => named.split_once(':').map(|(_, channel)| Some(channel)),
        None => rest.starts_with('a').then_some(None),
    }
}
