//! What a request is marked with, so that its answer is written without looking anything up.

use std::fmt::Write;

use chat_core::RequestId;

/// What kind of answer is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The reply to a join.
    Joined,
    /// The reply to a leave, then the channel's end.
    Left,
    /// The end of a channel that is joined anew.
    Closed,
    /// The reply to a push.
    Pushed,
    /// A reply that all is well.
    Fine,
    /// A reply that the topic is not joined.
    Unmatched,
    /// A reply that says what is wrong with the message itself.
    Wrong,
}

/// A request's refs and topic. The refs are JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark<'a> {
    pub(super) due: Due,
    pub(super) join_ref: &'a str,
    pub(super) reference: &'a str,
    pub(super) topic: &'a str,
}

const DUES: [(Due, char); 7] = [
    (Due::Joined, 'j'),
    (Due::Left, 'l'),
    (Due::Closed, 'c'),
    (Due::Pushed, 'p'),
    (Due::Fine, 'f'),
    (Due::Unmatched, 'u'),
    (Due::Wrong, 'w'),
];

/// Stands between the parts: no JSON has one unescaped, and the topic, which may, comes last.
const BETWEEN: char = '\0';

impl<'a> Mark<'a> {
    pub(super) fn to_id(self) -> RequestId {
        let Self { due, join_ref, reference, topic } = self;
        let (_, letter) = DUES.iter().find(|(known, _)| *known == due).expect("every one has a letter");
        let mut id = String::with_capacity(3 + join_ref.len() + reference.len() + topic.len());
        write!(id, "{letter}{join_ref}{BETWEEN}{reference}{BETWEEN}{topic}").expect("a String takes it");
        RequestId(id.into())
    }

    /// None for what was not made by [`to_id`](Self::to_id).
    pub(super) fn of(id: &'a RequestId) -> Option<Self> {
        let letter = id.0.chars().next()?;
        let (due, _) = *DUES.iter().find(|(_, known)| *known == letter)?;
        let mut parts = id.0[1..].splitn(3, BETWEEN);
        let (join_ref, reference, topic) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { due, join_ref, reference, topic })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_back_whatever_the_topic_is() {
        for topic in ["", "room:1", "a\0b\0c", "é"] {
            for (due, _) in DUES {
                let mark = Mark { due, join_ref: "null", reference: r#""7""#, topic };
                assert_eq!(Mark::of(&mark.to_id()), Some(mark));
            }
        }
    }
}
