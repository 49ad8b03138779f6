//! Keeps the connection up, and hands over what is heard on it.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_nats::{Message, Subscriber};
use chat_core::ChannelId;
use chat_core::broker::{BrokerError, Heard};
use futures::future::try_join_all;
use futures::stream::{BoxStream, SelectAll, StreamExt};
use tokio::time::{sleep, timeout};

use crate::calls::Calls;
use crate::error::unavailable;
use crate::hearing::events;
use crate::interest::Ear;
use crate::link::BOUND;
use crate::node::NatsBroker;
use crate::streams;

/// Bounds the pause before the next attempt to connect. It doubles from the first to the second.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(5)];
/// Bounds the bytes that wait while the node takes nothing. Beyond it the connection is given up.
const WAITING_BYTES: usize = 32 * 1024 * 1024;
/// Is about what a message takes beside its payload.
const MESSAGE_BYTES: usize = 512;

/// Is a message with the channel that it was heard in; none for what is said to all nodes.
type Said = (Option<ChannelId>, Message);

/// Hands over what is heard until the receiver is closed, and connects again whenever the connection is lost.
pub(crate) async fn run(node: &NatsBroker, heard: Sender<Heard>) {
    let _end = Disconnect(node);
    tokio::select! {
        () = heard.closed() => {}
        () = keep_up(node, &heard) => {}
    }
}

/// Disconnects when it is dropped.
struct Disconnect<'a>(&'a NatsBroker);

impl Drop for Disconnect<'_> {
    fn drop(&mut self) {
        disconnect(self.0, unavailable("the node does not listen"));
    }
}

fn disconnect(node: &NatsBroker, why: BrokerError) {
    node.interest.end();
    node.set_calls(Err(why));
}

/// Is never ready.
async fn keep_up(node: &NatsBroker, heard: &Sender<Heard>) {
    let mut pause = PAUSES[0];
    loop {
        let mut is_back = false;
        let why = session(node, heard, &mut is_back).await;
        disconnect(node, why);
        if is_back {
            pause = PAUSES[0];
            hand_over(heard, Heard::Deaf).await;
        }
        sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        pause = (pause * 2).min(PAUSES[1]);
    }
}

/// Waits while the receiver is full; for ever once it is closed, which ends the whole.
async fn hand_over(heard: &Sender<Heard>, event: Heard) {
    if heard.send(event).await.is_err() {
        pending::<()>().await;
    }
}

/// Connects, and hands over what is heard until the connection is lost. Returns why.
async fn session(node: &NatsBroker, heard: &Sender<Heard>, is_back: &mut bool) -> BrokerError {
    let calls = match Calls::open(&node.address).await {
        Ok(calls) => Arc::new(calls),
        Err(why) => return why,
    };
    let (ears, all) = match subscribe(node, &calls).await {
        Ok(subscribed) => subscribed,
        Err(why) => return why,
    };
    let (queue, queued) = async_channel::unbounded();
    let waiting = AtomicUsize::new(0);
    tokio::select! {
        () = calls.link.lost() => calls.link.why(),
        why = drain(ears, all, queue, &waiting) => why,
        why = async {
            node.set_calls(Ok(calls.clone()));
            hand_over(heard, Heard::Back).await;
            *is_back = true;
            hear(node, &calls, heard, queued, &waiting).await
        } => why,
    }
}

/// Subscribes to all channels that are joined, and waits until the server has taken notice of it.
async fn subscribe(
    node: &NatsBroker,
    calls: &Calls,
) -> Result<(SelectAll<BoxStream<'static, Said>>, Receiver<Ear>), BrokerError> {
    let client = &calls.link.client;
    let [words] = calls.link.hear([calls.names.said_to_all()]).await?;
    let mut ears = SelectAll::new();
    ears.push(words.map(|message| (None, message)).boxed());
    let (subscribed, ready) = node.interest.begin(client, &calls.names);
    let ready = timeout(BOUND, try_join_all(ready)).await;
    ready.map_err(|_| unavailable("the server takes nothing"))??;
    streams::created(&calls.link, &calls.names).await?;
    Ok((ears, subscribed))
}

/// Takes what comes, as fast as it comes, and passes it on. Returns why that ends.
async fn drain(
    mut ears: SelectAll<BoxStream<'static, Said>>,
    subscribed: Receiver<Ear>,
    queue: Sender<Said>,
    waiting: &AtomicUsize,
) -> BrokerError {
    loop {
        tokio::select! {
            ear = subscribed.recv() => match ear {
                Ok(Ear { channel, subscriber, left }) => ears.push(named(channel, subscriber, left)),
                Err(_) => return unavailable("the connection to the server is lost"),
            },
            said = ears.next() => {
                let Some(said) = said else { return unavailable("the connection to the server is lost") };
                let bytes = size(&said.1);
                if waiting.fetch_add(bytes, Ordering::Relaxed) + bytes > WAITING_BYTES {
                    return unavailable("the node takes less than comes");
                }
                if queue.try_send(said).is_err() {
                    return unavailable("the node takes nothing");
                }
            }
        }
    }
}

fn named(
    channel: ChannelId,
    subscriber: Subscriber,
    left: futures::channel::oneshot::Receiver<()>,
) -> BoxStream<'static, Said> {
    subscriber.map(move |message| (Some(channel.clone()), message)).take_until(left).boxed()
}

fn size(message: &Message) -> usize {
    message.payload.len() + MESSAGE_BYTES
}

/// Hands over what was passed on. Returns why that ends.
async fn hear(
    node: &NatsBroker,
    calls: &Calls,
    heard: &Sender<Heard>,
    queued: Receiver<Said>,
    waiting: &AtomicUsize,
) -> BrokerError {
    while let Ok((from, message)) = queued.recv().await {
        let bytes = size(&message);
        match events(node, calls, from, message).await {
            Ok(events) => {
                for event in events {
                    hand_over(heard, event).await;
                }
            }
            Err(why) => return why,
        }
        waiting.fetch_sub(bytes, Ordering::Relaxed);
    }
    unavailable("the connection to the server is lost")
}
