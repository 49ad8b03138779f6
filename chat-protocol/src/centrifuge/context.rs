//! What of a command its answer needs: it goes with the request, as the request's mark.

use std::fmt::Write;

use chat_core::{Offset, RequestId};

/// A command's number and method, and where it wanted to go on; in a [`RequestId`] as `5 subscribe 17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark<'a> {
    pub(super) id: u32,
    pub(super) method: &'a str,
    pub(super) since: Option<Offset>,
}

impl<'a> Mark<'a> {
    pub(super) fn new(id: u32, method: &'a str) -> Self {
        Self { id, method, since: None }
    }

    /// None if it was not made by [`id`](Self::id).
    pub(super) fn of(id: &'a RequestId) -> Option<Self> {
        let mut words = id.0.split(' ');
        let (id, method) = (words.next()?.parse().ok()?, words.next()?);
        let since = words.next().and_then(|offset| offset.parse().ok()).map(Offset);
        Some(Self { id, method, since })
    }

    pub(super) fn id(self) -> RequestId {
        let mut text = format!("{} {}", self.id, self.method);
        if let Some(since) = self.since {
            write!(text, " {since}").expect("a String takes it");
        }
        RequestId(text.into())
    }
}
