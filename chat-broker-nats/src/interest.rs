//! Holds which channels this node has joined, and subscribes to them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};
use async_nats::{Client, Subscriber};
use chat_core::ChannelId;
use chat_core::broker::{BrokerError, Stand};
use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt, Shared, try_join_all};
use tokio::time::timeout;

use crate::error::unavailable;
use crate::link::BOUND;
use crate::names::Names;

/// Is ready once a channel is subscribed to. Who joins it meanwhile waits for the same.
pub(crate) type Ready = Shared<BoxFuture<'static, Result<(), BrokerError>>>;

/// Is a subscription to a channel.
pub(crate) struct Ear {
    pub(crate) channel: ChannelId,
    pub(crate) subscriber: Subscriber,
    /// Is ready once the channel is left.
    pub(crate) left: oneshot::Receiver<()>,
}

/// Tells how what was heard fits to what was heard before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Follows,
    /// Something between is missing.
    Gap,
    /// The channel was left.
    Left,
}

#[derive(Default)]
pub(crate) struct Interest(Mutex<State>);

#[derive(Default)]
struct State {
    joined: HashMap<ChannelId, Joined>,
    /// Is there while there is a connection.
    line: Option<Line>,
}

struct Joined {
    ready: Ready,
    /// Ends the subscription when it is dropped.
    _left: oneshot::Sender<()>,
    /// Is where the channel stands by what was read and heard since it was subscribed to.
    heard: Option<Stand>,
}

#[derive(Clone)]
struct Line {
    client: Client,
    names: Names,
    ears: Sender<Ear>,
}

impl Line {
    fn subscribe(&self, channel: &ChannelId) -> Joined {
        let (line, channel) = (self.clone(), channel.clone());
        let (left_sender, left) = oneshot::channel();
        let subscribing = async move {
            let subject = line.names.said(&channel);
            let subscribed = line.client.subscribe(subject).await;
            let subscriber = subscribed.map_err(|error| unavailable(error.to_string()))?;
            let heard = line.ears.send(Ear { channel, subscriber, left }).await;
            heard.map_err(|_| unavailable("the connection to the server is lost"))
        };
        Joined { ready: subscribing.boxed().shared(), _left: left_sender, heard: None }
    }
}

impl Interest {
    /// Joins channels, and waits until they are subscribed to. What is asked over the same connection after
    /// that is answered as things stand after the subscription.
    pub(crate) async fn join(&self, channels: impl Iterator<Item = &ChannelId>) -> Result<(), BrokerError> {
        let ready: Vec<_> = {
            let mut state = self.lock();
            let state = &mut *state;
            let line = state.line.as_ref().ok_or_else(|| unavailable("there is no connection"))?;
            let join = |channel: &ChannelId| match state.joined.get(channel) {
                Some(joined) => joined.ready.clone(),
                None => {
                    let joined = line.subscribe(channel);
                    let ready = joined.ready.clone();
                    state.joined.insert(channel.clone(), joined);
                    ready
                }
            };
            channels.map(join).collect()
        };
        let subscribed = timeout(BOUND, try_join_all(ready)).await;
        subscribed.map_err(|_| unavailable("the server takes nothing"))?.map(drop)
    }

    pub(crate) fn leave(&self, channels: &[ChannelId]) {
        let mut state = self.lock();
        channels.iter().for_each(|channel| _ = state.joined.remove(channel));
    }

    /// Begins with a connection. Returns the subscriptions as they are made, and what is ready once all
    /// channels that are joined have one.
    pub(crate) fn begin(&self, client: &Client, names: &Names) -> (Receiver<Ear>, Vec<Ready>) {
        let (ears, subscribed) = async_channel::unbounded();
        let line = Line { client: client.clone(), names: names.clone(), ears };
        let mut state = self.lock();
        for (channel, joined) in &mut state.joined {
            *joined = line.subscribe(channel);
        }
        let ready = state.joined.values().map(|joined| joined.ready.clone()).collect();
        state.line = Some(line);
        (subscribed, ready)
    }

    /// Ends with a connection.
    pub(crate) fn end(&self) {
        self.lock().line = None;
    }

    pub(crate) fn is_joined(&self, channel: &ChannelId) -> bool {
        self.lock().joined.contains_key(channel)
    }

    /// Notes where a channel stands by what was read.
    pub(crate) fn stands(&self, channel: &ChannelId, stand: Stand) {
        if let Some(joined) = self.lock().joined.get_mut(channel)
            && joined.heard.is_none_or(|heard| heard.epoch != stand.epoch)
        {
            joined.heard = Some(stand);
        }
    }

    /// Takes notice of publications that were heard, from behind an offset up to where the channel stands
    /// with them. Those of another epoch than was read are none of its order.
    pub(crate) fn hears(&self, channel: &ChannelId, before: u64, stand: Stand) -> Order {
        let mut state = self.lock();
        let Some(joined) = state.joined.get_mut(channel) else { return Order::Left };
        match &mut joined.heard {
            Some(heard) if heard.epoch == stand.epoch => {
                if before > heard.offset.0 {
                    return Order::Gap;
                }
                heard.offset = heard.offset.max(stand.offset);
                Order::Follows
            }
            Some(_) => Order::Follows,
            heard => {
                *heard = Some(stand);
                Order::Follows
            }
        }
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
