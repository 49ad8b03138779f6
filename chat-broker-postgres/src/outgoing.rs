//! Holds the words that wait to be said to the other nodes, and whether something was placed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chat_core::ChannelId;
use chat_core::broker::BrokerError;
use tokio::sync::{Notify, oneshot};

use crate::words::WORDS;

/// Bounds the bytes of the words of one transaction, but for the first.
const BYTES: usize = 1024 * 1024;

/// Holds what is to be said.
#[derive(Default)]
pub(crate) struct Outgoing {
    words: Mutex<VecDeque<Word>>,
    /// Is held by whoever says the words that wait.
    pub(crate) turn: tokio::sync::Mutex<()>,
    pub(crate) placed: Notify,
    placed_here: Notify,
}

pub(crate) struct Word {
    pub(crate) channel: Option<ChannelId>,
    pub(crate) body: Arc<str>,
    pub(crate) said: oneshot::Sender<Result<(), BrokerError>>,
}

impl Outgoing {
    /// Notes that this node has placed something.
    pub(crate) fn placed(&self) {
        self.placed.notify_one();
        self.placed_here.notify_one();
    }

    /// Waits until this node has placed something since the last wait.
    pub(crate) async fn placed_here(&self) {
        self.placed_here.notified().await;
    }

    pub(crate) fn push(
        &self,
        channel: Option<ChannelId>,
        body: Arc<str>,
    ) -> oneshot::Receiver<Result<(), BrokerError>> {
        let (said, answer) = oneshot::channel();
        self.lock().push_back(Word { channel, body, said });
        answer
    }

    /// Takes the words that go with the next transaction. Words that nobody waits for any more are not said.
    pub(crate) fn take(&self) -> Vec<Word> {
        let (mut words, mut taken, mut bytes) = (self.lock(), Vec::new(), 0);
        while taken.len() < WORDS
            && let Some(word) = words.pop_front()
        {
            if word.said.is_closed() {
                continue;
            }
            bytes += word.body.len();
            if bytes > BYTES && !taken.is_empty() {
                words.push_front(word);
                break;
            }
            taken.push(word);
        }
        taken
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Word>> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &[Word]) -> Vec<&str> {
        words.iter().map(|word| &*word.body).collect()
    }

    #[test]
    fn words_are_taken_in_their_order_as_many_as_fit_without_those_that_nobody_waits_for() {
        let outgoing = Outgoing::default();
        let large: Arc<str> = "x".repeat(BYTES).into();
        let _one = outgoing.push(None, "1".into());
        drop(outgoing.push(None, "2".into()));
        let _three = outgoing.push(None, "3".into());
        let _large = outgoing.push(None, large.clone());
        let _five = outgoing.push(None, "5".into());
        assert_eq!(said(&outgoing.take()), ["1", "3"]);
        assert_eq!(said(&outgoing.take()), [&*large]);
        assert_eq!(said(&outgoing.take()), ["5"]);
        let _many: Vec<_> = (0..=WORDS).map(|n| outgoing.push(None, n.to_string().into())).collect();
        assert_eq!((outgoing.take().len(), outgoing.take().len(), outgoing.take().len()), (WORDS, 1, 0));
    }
}
