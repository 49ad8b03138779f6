//! Keeps the connections up, and hands over what is heard on them.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use bytes::Bytes;
use chat_core::broker::{Broker, BrokerError, BrokerFault, Heard};
use redis::cmd;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{sleep, timeout};

use crate::calls::{BOUND, Calls};
use crate::envelope::{self, Said};
use crate::error::{self, unavailable};
use crate::interest::commands;
use crate::line::{Line, dial};
use crate::names::heard_from;
use crate::node::RedisBroker;
use crate::resp::{Frame, Reader};

/// Is how long the server may be silent before it is asked whether it is there, and then to answer.
const SILENCE: Duration = Duration::from_secs(5);
/// Bounds the pause before the next attempt to connect. It doubles from the first to the second.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(5)];

/// Hands over what is heard until the receiver is closed, and connects again whenever a connection is lost.
pub(crate) async fn run(node: &RedisBroker, heard: Sender<Heard>) {
    let _end = Disconnect(node);
    tokio::select! {
        () = heard.closed() => {}
        () = keep_up(node, &heard) => {}
    }
}

/// Disconnects when it is dropped.
struct Disconnect<'a>(&'a RedisBroker);

impl Drop for Disconnect<'_> {
    fn drop(&mut self) {
        disconnect(self.0, unavailable("the node does not listen"));
    }
}

fn disconnect(node: &RedisBroker, why: BrokerError) {
    node.interest.end();
    node.set_calls(Err(why));
}

/// Is never ready.
async fn keep_up(node: &RedisBroker, heard: &Sender<Heard>) {
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

/// Connects, and hands over what is heard until a connection is lost. Returns why.
async fn session(node: &RedisBroker, heard: &Sender<Heard>, is_back: &mut bool) -> BrokerError {
    let (calls, line) = match connect(node).await {
        Ok(connected) => connected,
        Err(why) => return why,
    };
    let (requests, joined, ticket) = node.interest.begin();
    let names = &node.address.names;
    let mut subscribed = vec![names.said_to_all()];
    subscribed.extend(joined.iter().map(|channel| names.said_in(node.lane(channel), channel)));
    let subscribed: Vec<_> = subscribed.iter().map(|name| &**name).collect();
    let info = cmd("INFO").arg("server").get_packed_command();
    let first = [login(node), info, commands("SUBSCRIBE", &subscribed, ticket)].concat();
    let (read, write) = tokio::io::split(line);
    tokio::select! {
        () = calls.lost() => unavailable("the connection to the server is lost"),
        why = write_all(write, first, requests) => why,
        why = hear(node, &calls, heard, Reader::new(read), is_back) => why,
    }
}

async fn connect(node: &RedisBroker) -> Result<(Arc<Calls>, Box<dyn Line>), BrokerError> {
    let calls = Arc::new(Calls::open(&node.address).await?);
    let line = timeout(BOUND, dial(&node.address)).await;
    let line = line.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(lost)?;
    Ok((calls, line))
}

fn login(node: &RedisBroker) -> Vec<u8> {
    let login = &node.address.login;
    let Some(password) = login.password() else { return Vec::new() };
    let mut auth = cmd("AUTH");
    if let Some(user) = login.username() {
        auth.arg(user);
    }
    auth.arg(password).get_packed_command()
}

fn lost(error: io::Error) -> BrokerError {
    BrokerError::of(BrokerFault::Unavailable, error)
}

async fn write_all(
    mut line: WriteHalf<Box<dyn Line>>,
    first: Vec<u8>,
    requests: Receiver<Vec<u8>>,
) -> BrokerError {
    let mut request = first;
    loop {
        if let Err(error) = line.write_all(&request).await {
            return lost(error);
        }
        if requests.is_empty()
            && let Err(error) = line.flush().await
        {
            return lost(error);
        }
        match requests.recv().await {
            Ok(next) => request = next,
            Err(_) => return pending().await,
        }
    }
}

async fn hear(
    node: &RedisBroker,
    calls: &Arc<Calls>,
    heard: &Sender<Heard>,
    mut reader: Reader<ReadHalf<Box<dyn Line>>>,
    is_back: &mut bool,
) -> BrokerError {
    let mut refused = None;
    loop {
        match next(node, &mut reader).await {
            Err(error) => return lost(error),
            Ok(Frame::Error(line)) if !*is_back => return error::line(&line),
            Ok(Frame::Error(line)) => refused = Some(error::line(&line)),
            Ok(Frame::Pong(said)) => {
                // One without a ticket answers the question whether the server is there.
                let Some(ticket) = ticket(&said) else { continue };
                node.interest.confirm(ticket, refused.take().map_or(Ok(()), Err));
                if !*is_back {
                    node.set_calls(Ok(calls.clone()));
                    hand_over(heard, Heard::Back).await;
                    *is_back = true;
                }
            }
            Ok(Frame::Text(info)) if !calls.is_run(&info) => {
                return unavailable("the address leads to more than one server");
            }
            Ok(Frame::Message { channel, payload }) if *is_back => {
                if let Some(event) = event(node, &channel, payload.as_deref()) {
                    hand_over(heard, event).await;
                }
            }
            Ok(Frame::Message { .. } | Frame::Text(_) | Frame::Other) => {}
        }
    }
}

/// Returns the next frame. The server must say something while it is asked whether it is there: one that is
/// stopped keeps its connections.
async fn next<R: tokio::io::AsyncRead + Unpin>(
    node: &RedisBroker,
    reader: &mut Reader<R>,
) -> io::Result<Frame> {
    let mut is_asked = false;
    loop {
        if let Some(frame) = reader.frame()? {
            return Ok(frame);
        }
        match timeout(SILENCE, reader.fill()).await {
            Ok(filled) => {
                filled?;
                is_asked = false;
            }
            Err(_) if is_asked => return Err(io::ErrorKind::TimedOut.into()),
            Err(_) => {
                node.interest.ping();
                is_asked = true;
            }
        }
    }
}

fn ticket(said: &[u8]) -> Option<u64> {
    std::str::from_utf8(said).ok()?.parse().ok()
}

/// Returns what a message says; none if it is of a channel that was left.
fn event(node: &RedisBroker, from: &Bytes, payload: Option<&[u8]>) -> Option<Heard> {
    let channel = match heard_from(from) {
        Some(Some(name)) => Some(node.interest.joined(name)?),
        Some(None) => None,
        None => return Some(Heard::Corrupt),
    };
    Some(match (payload.and_then(envelope::read), channel) {
        (Some(Said::Published { stand, ephemeral, body }), Some(channel)) => {
            Heard::Published { channel, stand, ephemeral, body }
        }
        (Some(Said::Told(body)), channel) => Heard::Told { channel, body },
        _ => Heard::Corrupt,
    })
}
