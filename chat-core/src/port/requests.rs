//! Collects the requests that a protocol decodes from one message.

use crate::model::{BadRequest, Request};

/// Holds the requests of one message, bounded in number, since a message with more requests than a session
/// may send at once is not read to its end.
///
/// ```
/// use chat_core::protocol::{Command, Request, Requests};
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
    /// Counts the parts of the message that request nothing.
    silent: usize,
    most: usize,
}

impl Requests {
    /// Returns an empty collection that is full with `most` requests.
    pub fn at_most(most: usize) -> Self {
        Self { all: Vec::new(), silent: 0, most }
    }

    /// Appends a request, or what is wrong with it.
    pub fn push(&mut self, request: Result<Request, BadRequest>) {
        self.all.push(request);
    }

    /// Counts a part of the message that requests nothing, such as the answer to a ping.
    pub fn count(&mut self) {
        self.silent += 1;
    }

    /// Returns whether no more requests are to be read.
    pub fn is_full(&self) -> bool {
        self.counted() >= self.most
    }

    /// Returns the requests that were read so far, in their order.
    pub fn all(&self) -> &[Result<Request, BadRequest>] {
        &self.all
    }

    /// Returns the number of requests, including the parts that request nothing.
    pub(crate) fn counted(&self) -> usize {
        self.all.len() + self.silent
    }
}

/// Appends as many requests as there is room for.
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
