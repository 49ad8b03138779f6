//! Says words to the other nodes, and that something was published: much of it with one transaction.
//!
//! Transactions that notify commit one after another in the whole server. What is to be said while one of this
//! node's is under way goes with the next.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chat_core::ChannelId;
use chat_core::broker::BrokerError;
use tokio::sync::{Notify, oneshot};

use crate::error::{self, unavailable};
use crate::node::PostgresBroker;
use crate::words::{WORDS, published};

/// Bounds the bytes of the words of one transaction, but for the first.
const BYTES: usize = 1024 * 1024;

// A crash may take either back: nodes that are disconnected ask anew what they may have missed.
const TELL: &str = "
    WITH word AS (
        INSERT INTO chat.words (channel, body, at)
        SELECT u.channel, u.body, chat.now()
        FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS u (channel, body, number) ORDER BY u.number
        RETURNING id
    )
    SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, 'W' || string_agg(id::text, ',' ORDER BY id))
    FROM word";
const WAKE: &str = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)";

/// Holds what is to be said.
#[derive(Default)]
pub(crate) struct Saying {
    words: Mutex<VecDeque<Word>>,
    /// Is held by whoever says the words that wait.
    turn: tokio::sync::Mutex<()>,
    placed: Notify,
    placed_here: Notify,
}

struct Word {
    channel: Option<ChannelId>,
    body: Arc<str>,
    said: oneshot::Sender<Result<(), BrokerError>>,
}

impl Saying {
    /// Notes that this node has placed something.
    pub(crate) fn placed(&self) {
        self.placed.notify_one();
        self.placed_here.notify_one();
    }

    /// Waits until this node has placed something since the last wait.
    pub(crate) async fn placed_here(&self) {
        self.placed_here.notified().await;
    }

    fn push(&self, channel: Option<ChannelId>, body: Arc<str>) -> oneshot::Receiver<Result<(), BrokerError>> {
        let (said, answer) = oneshot::channel();
        self.lock().push_back(Word { channel, body, said });
        answer
    }

    /// Takes the words that go with the next transaction. Words that nobody waits for any more are not said.
    fn take(&self) -> Vec<Word> {
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

/// Says a word, together with those that wait. One whose future is dropped may have been said or not.
pub(crate) async fn tell(
    node: &PostgresBroker,
    channel: Option<ChannelId>,
    body: Arc<str>,
) -> Result<(), BrokerError> {
    let mut answer = node.saying.push(channel, body);
    loop {
        let turn = tokio::select! {
            biased;
            answer = &mut answer => return answer.unwrap_or_else(|_| Err(unavailable("it may have been said"))),
            turn = node.saying.turn.lock() => turn,
        };
        let words = node.saying.take();
        let said = if words.is_empty() { Ok(()) } else { say(node, &words).await };
        for word in words {
            // Who waits no longer needs no answer.
            let _ = word.said.send(said.clone());
        }
        drop(turn);
    }
}

async fn say(node: &PostgresBroker, words: &[Word]) -> Result<(), BrokerError> {
    let database = node.database()?;
    let names: Vec<_> = words.iter().map(|word| word.channel.as_ref().map(ChannelId::as_str)).collect();
    let bodies: Vec<_> = words.iter().map(|word| word.body.as_bytes()).collect();
    database.query(TELL, &[&database.schema(), &names, &bodies]).await.map(drop).map_err(error::of)
}

/// Wakes the other nodes whenever this one has placed something.
pub(crate) async fn wake_others(node: &PostgresBroker) -> Infallible {
    let text = published(node.tag);
    loop {
        node.saying.placed.notified().await;
        if let Ok(database) = node.database() {
            // Without it they look within a second.
            let _ = database.query(WAKE, &[&database.schema(), &text]).await;
        }
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
        let saying = Saying::default();
        let large: Arc<str> = "x".repeat(BYTES).into();
        let _one = saying.push(None, "1".into());
        drop(saying.push(None, "2".into()));
        let _three = saying.push(None, "3".into());
        let _large = saying.push(None, large.clone());
        let _five = saying.push(None, "5".into());
        assert_eq!(said(&saying.take()), ["1", "3"]);
        assert_eq!(said(&saying.take()), [&*large]);
        assert_eq!(said(&saying.take()), ["5"]);
        let _many: Vec<_> = (0..=WORDS).map(|n| saying.push(None, n.to_string().into())).collect();
        assert_eq!((saying.take().len(), saying.take().len(), saying.take().len()), (WORDS, 1, 0));
    }
}
