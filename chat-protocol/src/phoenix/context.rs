//! Keeps what a reply needs of its request, within the request's id: so a reply is written without a look-up.

use std::borrow::Cow;
use std::fmt::Write;

use chat_core::protocol::RequestId;

use crate::read::Text;

/// Stands for no ref, as JSON.
pub(super) const NO_REF: &str = "null";

/// Names the topic of what concerns the whole socket (socket.ex).
pub(super) const SOCKET: &str = "phoenix";

/// Tells which kind of reply a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyKind {
    /// Replies to a join.
    Join,
    /// Replies to a leave, and then ends the channel.
    Leave,
    /// Ends a channel that is joined anew.
    Close,
    /// Replies to a push.
    Push,
    /// Replies that all is well.
    Ok,
    /// Replies that the topic is not joined.
    Unmatched,
    /// Replies that the message itself is wrong.
    Malformed,
}

/// Holds a request's refs and topic. The refs are JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReplyContext<'a> {
    pub(super) kind: ReplyKind,
    pub(super) join_ref: &'a str,
    pub(super) reference: &'a str,
    pub(super) topic: &'a str,
}

const KINDS: [(ReplyKind, char); 7] = [
    (ReplyKind::Join, 'j'),
    (ReplyKind::Leave, 'l'),
    (ReplyKind::Close, 'c'),
    (ReplyKind::Push, 'p'),
    (ReplyKind::Ok, 'o'),
    (ReplyKind::Unmatched, 'u'),
    (ReplyKind::Malformed, 'm'),
];

/// Separates the parts: no JSON has one unescaped, and the topic, which may, comes last.
const SEPARATOR: char = '\0';

impl<'a> ReplyContext<'a> {
    pub(super) fn to_id(self) -> RequestId {
        let Self { kind, join_ref, reference, topic } = self;
        let (_, letter) = KINDS.iter().find(|(known, _)| *known == kind).expect("every one has a letter");
        let mut id = String::with_capacity(3 + join_ref.len() + reference.len() + topic.len());
        write!(id, "{letter}{join_ref}{SEPARATOR}{reference}{SEPARATOR}{topic}").expect("a String takes it");
        RequestId(id.into())
    }

    /// Reads a context back; none if [`to_id`](Self::to_id) did not make the id.
    pub(super) fn of(id: &'a RequestId) -> Option<Self> {
        let letter = id.0.chars().next()?;
        let (kind, _) = *KINDS.iter().find(|(_, known)| *known == letter)?;
        let mut parts = id.0[1..].splitn(3, SEPARATOR);
        let (join_ref, reference, topic) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { kind, join_ref, reference, topic })
    }
}

/// Turns a ref from JSON into text, as a binary frame holds it: a string without its quotes, and nothing for
/// null (v2_json_serializer.ex).
pub(super) fn unquoted(reference: &str) -> Cow<'_, str> {
    match reference {
        NO_REF => Cow::Borrowed(""),
        string if string.starts_with('"') => {
            serde_json::from_str::<Text<'_>>(string).map_or_else(|_| Cow::Borrowed(string), |text| text.0)
        }
        other => Cow::Borrowed(other),
    }
}

/// Turns a ref from text into JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_comes_back_whatever_the_topic_is() {
        for topic in ["", "room:1", "a\0b\0c", "é"] {
            for (kind, _) in KINDS {
                let context = ReplyContext { kind, join_ref: "null", reference: r#""7""#, topic };
                assert_eq!(ReplyContext::of(&context.to_id()), Some(context));
            }
        }
    }
}
