//! Names what a deployment has in NATS: two streams, and the subjects of each channel.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chat_core::ChannelId;
use sha2::{Digest, Sha256};

/// Is the number of lanes: batches that are placed at once.
pub(crate) const LANES: usize = 16;

/// Bounds a prefix, in bytes.
const PREFIX_BYTES: usize = 64;

/// Names everything after a prefix. The name of a channel stands in a subject as base64, so that no
/// character of it means anything to NATS.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
}

impl Names {
    /// Returns none if the prefix has a character that a stream's name or a token of a subject may not have,
    /// or is empty or too long. With an underscore, one prefix might name the stream of another.
    pub(crate) fn new(prefix: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let fits = (1..=PREFIX_BYTES).contains(&prefix.len()) && prefix.bytes().all(plain);
        fits.then(|| Self { prefix: prefix.to_owned() })
    }

    /// Names the stream that holds what has a place.
    pub(crate) fn places(&self) -> String {
        format!("{}_places", self.prefix)
    }

    /// Names the stream that remembers idempotency keys.
    pub(crate) fn keys(&self) -> String {
        format!("{}_keys", self.prefix)
    }

    /// Names the subject of a channel in the stream.
    pub(crate) fn placed(&self, channel: &ChannelId) -> String {
        format!("{}.p.{}", self.prefix, token(channel))
    }

    /// Names the subject on which the nodes of a channel hear what the stream took, signals and words.
    pub(crate) fn said(&self, channel: &ChannelId) -> String {
        format!("{}.h.{}", self.prefix, token(channel))
    }

    /// Names the subject on which all nodes hear words.
    pub(crate) fn said_to_all(&self) -> String {
        format!("{}.w", self.prefix)
    }

    /// Names a subject like those of channels, on which nothing is ever said.
    pub(crate) fn said_to_nobody(&self) -> String {
        // Base64 of a name has two characters or more.
        format!("{}.h.0", self.prefix)
    }

    /// Names the subject in the stream for the pieces of long texts, of a channel or of none.
    pub(crate) fn pieces(&self, channel: Option<&ChannelId>) -> String {
        format!("{}.x.{}", self.prefix, channel.map_or_else(|| "0".to_owned(), token))
    }

    /// Names the subject of an idempotency key of a channel. A channel's name holds no NUL, so that no two
    /// pairs are hashed alike.
    pub(crate) fn key(&self, channel: &ChannelId, key: &str) -> String {
        let hash =
            Sha256::new().chain_update(channel.as_str()).chain_update([0]).chain_update(key).finalize();
        format!("{}.k.{}", self.prefix, BASE64.encode(hash))
    }

    /// Names all subjects of one kind.
    pub(crate) fn all(&self, kind: char) -> String {
        format!("{}.{kind}.>", self.prefix)
    }
}

fn token(channel: &ChannelId) -> String {
    BASE64.encode(channel.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_token_whatever_it_holds() {
        let names = Names::new("chat").expect("a prefix");
        for name in ["a.b", "*", ">", "a b", "ж", &"x".repeat(255)] {
            let subject = names.placed(&name.parse().expect("a name"));
            let token = subject.strip_prefix("chat.p.").expect("the prefix");
            assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        }
    }

    #[test]
    fn keys_of_two_channels_differ_where_their_texts_together_do_not() {
        let names = Names::new("chat").expect("a prefix");
        let named = |channel: &str, key| names.key(&channel.parse().expect("a name"), key);
        assert_ne!(named("a", "bc"), named("ab", "c"));
        assert_eq!(named("a", "bc"), named("a", "bc"));
    }

    #[test]
    fn a_prefix_that_would_mean_something_is_refused() {
        for prefix in ["", "a.b", "a_b", "a*", ">", "a b", "ж", &"x".repeat(65)] {
            assert!(Names::new(prefix).is_none(), "{prefix}");
        }
    }
}
