//! The requests that a protocol reads of one message.

use crate::model::{BadRequest, Request};

/// The requests of one message, bounded in number: one that has more than a session may ask for at once is not worth reading on.
///
/// ```
/// use chat_core::{Command, Request, Requests};
///
/// let mut requests = Requests::at_most(2);
/// requests.push(Ok(Request::new(Command::Ping)));
/// requests.count();
/// assert!(requests.is_full());
/// assert_eq!(requests.all().len(), 1);
/// ```
#[derive(Debug)]
pub struct Requests {
    all: Vec<Result<Request, BadRequest>>,
    /// Those that ask for nothing.
    silent: usize,
    most: usize,
}

impl Requests {
    /// Makes an empty one that is full with so many.
    pub fn at_most(most: usize) -> Self {
        Self { all: Vec::new(), silent: 0, most }
    }

    /// Appends a request, or what is wrong with it.
    pub fn push(&mut self, request: Result<Request, BadRequest>) {
        self.all.push(request);
    }

    /// Counts a part of the message that asks for nothing, such as the answer to a ping.
    pub fn count(&mut self) {
        self.silent += 1;
    }

    /// Returns whether no more are to be read.
    pub fn is_full(&self) -> bool {
        self.counted() >= self.most
    }

    /// Returns what was read so far, in its order.
    pub fn all(&self) -> &[Result<Request, BadRequest>] {
        &self.all
    }

    /// How many there were, with those that asked for nothing.
    pub(crate) fn counted(&self) -> usize {
        self.all.len() + self.silent
    }
}

/// Appends as many as there is room for.
impl Extend<Result<Request, BadRequest>> for Requests {
    fn extend<I: IntoIterator<Item = Result<Request, BadRequest>>>(&mut self, requests: I) {
        let room = self.most.saturating_sub(self.counted());
        self.all.extend(requests.into_iter().take(room));
    }
}

impl IntoIterator for Requests {
    type Item = Result<Request, BadRequest>;
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}
