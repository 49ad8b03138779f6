//! Keeps which call a request is for, within its id, so that its reply finds the call.

use chat_core::protocol::RequestId;

const AUTH: &str = "auth";
const LEAVE: &str = "leave";
const JOIN: &str = "join ";
const PUBLISH: &str = "publish ";

/// Tells what a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyContext<'a> {
    /// Opens or refreshes the session.
    Auth,
    /// Joins a channel for the call with this key.
    Join(&'a str),
    /// Publishes a message of a call.
    Publish {
        /// Counts the session's calls: another call may have the key by the time of the reply.
        number: u64,
        key: &'a str,
    },
    /// Leaves a channel.
    Leave,
}

impl<'a> ReplyContext<'a> {
    pub(super) fn to_id(self) -> RequestId {
        RequestId(match self {
            Self::Auth => AUTH.into(),
            Self::Join(key) => format!("{JOIN}{key}").into(),
            Self::Publish { number, key } => format!("{PUBLISH}{number} {key}").into(),
            Self::Leave => LEAVE.into(),
        })
    }

    /// Reads a context back; none if [`to_id`](Self::to_id) did not make the id.
    pub(super) fn of(RequestId(id): &'a RequestId) -> Option<Self> {
        match &**id {
            AUTH => Some(Self::Auth),
            LEAVE => Some(Self::Leave),
            id => match id.strip_prefix(JOIN) {
                Some(key) => Some(Self::Join(key)),
                None => {
                    let (number, key) = id.strip_prefix(PUBLISH)?.split_once(' ')?;
                    Some(Self::Publish { number: number.parse().ok()?, key })
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_comes_back_whatever_the_key_is() {
        for key in ["", "a:b:c", "join ", "publish 7 x", "auth"] {
            for context in [
                ReplyContext::Auth,
                ReplyContext::Join(key),
                ReplyContext::Publish { number: u64::MAX, key },
                ReplyContext::Leave,
            ] {
                assert_eq!(ReplyContext::of(&context.to_id()), Some(context));
            }
        }
    }
}
