//! Says words to the other nodes, and that something was published: much of it with one transaction.
//!
//! Transactions that notify commit one after another in the whole server. What is to be said while one of
//! this node's is under way goes with the next.

use std::convert::Infallible;
use std::sync::Arc;

use chat_core::ChannelId;
use chat_core::broker::BrokerError;

use crate::error::{self, unavailable};
use crate::node::PostgresBroker;
use crate::outgoing::Word;
use crate::words::published;

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

/// Says a word, together with those that wait. One whose future is dropped may have been said or not.
pub(crate) async fn tell(
    node: &PostgresBroker,
    channel: Option<ChannelId>,
    body: Arc<str>,
) -> Result<(), BrokerError> {
    let mut answer = node.outgoing.push(channel, body);
    loop {
        let turn = tokio::select! {
            biased;
            answer = &mut answer => return answer.unwrap_or_else(|_| Err(unavailable("it may have been said"))),
            turn = node.outgoing.turn.lock() => turn,
        };
        let words = node.outgoing.take();
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
        node.outgoing.placed.notified().await;
        if let Ok(database) = node.database() {
            // Without it they look within a second.
            let _ = database.query(WAKE, &[&database.schema(), &text]).await;
        }
    }
}
