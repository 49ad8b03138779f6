//! Holds which channels this node has joined, and asks for them on the connection that subscribes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};
use chat_core::ChannelId;
use chat_core::broker::BrokerError;
use futures::channel::oneshot;
use redis::cmd;
use tokio::time::timeout;

use crate::calls::BOUND;
use crate::error::unavailable;

/// Bounds the requests that wait to be written.
const REQUESTS: usize = 1024;
/// Bounds the channels of one command.
const TOGETHER: usize = 256;

/// Is a change of what is subscribed to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Join,
    Leave,
}

type Confirmed = Result<(), BrokerError>;

#[derive(Default)]
pub(crate) struct Interest(Mutex<State>);

#[derive(Default)]
struct State {
    /// Holds the ticket of the request with which each channel was joined.
    joined: HashMap<ChannelId, u64>,
    /// Takes requests while there is a connection.
    requests: Option<Sender<Vec<u8>>>,
    /// Holds who waits for which confirmation.
    waiting: HashMap<u64, oneshot::Sender<Confirmed>>,
    /// Is the ticket of the last request, and of the last that was confirmed: they are in their order.
    last: u64,
    confirmed: u64,
}

impl Interest {
    /// Joins or leaves channels, given with their names in Redis, and waits until the server confirms it.
    ///
    /// A PING behind the command is answered after it, however often a channel was joined and left before. A
    /// channel that is joined already is not asked for again, so that whoever takes what is heard can join it
    /// anew: the answer to a PING would wait behind what is not taken.
    pub(crate) async fn change(&self, change: Change, channels: &[(ChannelId, String)]) -> Confirmed {
        let Some(confirmed) = self.request(change, channels)? else { return Ok(()) };
        let confirmed = timeout(BOUND, confirmed).await;
        let confirmed = confirmed.map_err(|_| unavailable("the server does not confirm"))?;
        confirmed.unwrap_or_else(|_| Err(unavailable("the connection to the server is lost")))
    }

    /// Returns none if there is nothing to wait for.
    fn request(
        &self,
        change: Change,
        channels: &[(ChannelId, String)],
    ) -> Result<Option<oneshot::Receiver<Confirmed>>, BrokerError> {
        let mut state = self.lock();
        let Some(requests) = state.requests.clone() else {
            return match change {
                Change::Join => Err(unavailable("there is no connection to the server")),
                Change::Leave => {
                    channels.iter().for_each(|(channel, _)| _ = state.joined.remove(channel));
                    Ok(None)
                }
            };
        };
        let is_new = |channel| state.joined.get(channel).is_none_or(|ticket| *ticket > state.confirmed);
        let wanted = |channel| matches!(change, Change::Leave) || is_new(channel);
        let changed: Vec<_> = channels.iter().filter(|(channel, _)| wanted(channel)).collect();
        if changed.is_empty() {
            return Ok(None);
        }
        let names: Vec<_> = changed.iter().map(|(_, name)| &**name).collect();
        let command = match change {
            Change::Join => "SUBSCRIBE",
            Change::Leave => "UNSUBSCRIBE",
        };
        let ticket = state.last + 1;
        let written = requests.try_send(commands(command, &names, ticket));
        written.map_err(|_| unavailable("too many requests wait"))?;
        let (confirm, confirmed) = oneshot::channel();
        state.last = ticket;
        state.waiting.insert(ticket, confirm);
        for (channel, _) in changed {
            match change {
                Change::Join => _ = state.joined.insert(channel.clone(), ticket),
                Change::Leave => _ = state.joined.remove(channel),
            }
        }
        Ok(Some(confirmed))
    }

    /// Begins with a connection. Returns the requests that are to be written to it, and the channels that
    /// have to be subscribed to before, with a ticket for these.
    pub(crate) fn begin(&self) -> (Receiver<Vec<u8>>, Vec<ChannelId>, u64) {
        let (requests, written) = async_channel::bounded(REQUESTS);
        let mut state = self.lock();
        state.requests = Some(requests);
        state.last += 1;
        let ticket = state.last;
        state.joined.values_mut().for_each(|joined| *joined = ticket);
        (written, state.joined.keys().cloned().collect(), ticket)
    }

    /// Ends with a connection: nobody waits for it any longer.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.requests = None;
        state.waiting.clear();
    }

    /// Asks the server whether it is still there.
    pub(crate) fn ping(&self) {
        if let Some(requests) = &self.lock().requests {
            // If there is no room, others wait for an answer.
            let _ = requests.try_send(cmd("PING").arg("").get_packed_command());
        }
    }

    /// Confirms the request with this ticket, or says why it was refused.
    pub(crate) fn confirm(&self, ticket: u64, confirmed: Confirmed) {
        let mut state = self.lock();
        state.confirmed = ticket;
        if confirmed.is_err() {
            // They would be refused again with each reconnect.
            state.joined.retain(|_, joined| *joined != ticket);
        }
        let waits = state.waiting.remove(&ticket);
        drop(state);
        // Who no longer waits needs no answer.
        _ = waits.map(|waits| waits.send(confirmed));
    }

    /// Returns the channel of this name if it is joined.
    pub(crate) fn joined(&self, name: &str) -> Option<ChannelId> {
        self.lock().joined.get_key_value(name).map(|(channel, _)| channel.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interest").field("joined", &self.lock().joined.len()).finish_non_exhaustive()
    }
}

/// Returns commands for these channels, and a PING with the ticket.
pub(crate) fn commands(command: &str, names: &[&str], ticket: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for some in names.chunks(TOGETHER) {
        bytes.extend(cmd(command).arg(some).get_packed_command());
    }
    bytes.extend(cmd("PING").arg(ticket).get_packed_command());
    bytes
}
