//! Asks the server, over a connection that ends once and for all when it is lost.

use std::fmt;
use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_nats::{Client, ConnectOptions, Event, HeaderMap, Message, Request, RequestErrorKind, Subscriber};
use bytes::Bytes;
use chat_core::broker::{BrokerError, BrokerFault};
use futures::future::try_join_all;
use serde_json::Value;
use tokio::time::timeout;

use crate::address::{Login, Server};
use crate::error::{self, refused, unavailable};

/// Bounds each question, and each step of connecting.
pub(crate) const BOUND: Duration = Duration::from_secs(5);
/// Is the time between two questions whether the server is there. After three without an answer it is not.
const PING: Duration = Duration::from_secs(3);
/// Is how long the client waits before it connects by itself, by when it is given up.
const LATER: Duration = Duration::from_secs(10);
/// Is the number of the error that a stream did not store a message.
const NO_ROOM: u64 = 10077;
/// Bounds what waits of one subscription; what is beyond it is lost, and told.
const WAITING: usize = 16 * 1024;
/// Is a connection.
pub(crate) struct Link {
    pub(crate) client: Client,
    /// Is closed once the connection is lost.
    open: Sender<()>,
    lost: Receiver<()>,
    /// Is what the server said against it.
    why: Arc<OnceLock<BrokerError>>,
}

/// Tells why a question of JetStream has no answer.
pub(crate) enum Asked {
    Failed(BrokerError),
    /// The server says no: the status, the number of the error, and its words.
    Refused {
        status: u64,
        number: u64,
        words: String,
    },
}

impl Link {
    pub(crate) async fn open(server: &Server) -> Result<Self, BrokerError> {
        let ((open, lost), why) = (async_channel::bounded(1), Arc::new(OnceLock::new()));
        let connecting = options(server, &open, &why).connect(server.url.clone());
        match timeout(BOUND, connecting).await {
            Ok(Ok(client)) => Ok(Self { client, open, lost, why }),
            Ok(Err(error)) => Err(error::not_connected(&error)),
            Err(_) => Err(unavailable("the server does not answer")),
        }
    }

    /// Waits until the connection is lost.
    pub(crate) async fn lost(&self) {
        // Nothing is ever sent.
        let _ = self.lost.recv().await;
    }

    /// Returns why it is lost.
    pub(crate) fn why(&self) -> BrokerError {
        self.why.get().cloned().unwrap_or_else(|| unavailable("the connection to the server is lost"))
    }

    /// Fails if the connection is lost.
    pub(crate) fn check(&self) -> Result<(), BrokerError> {
        if self.open.is_closed() { Err(self.why()) } else { Ok(()) }
    }

    /// Gives the connection up: what is asked over it from now on is not answered.
    pub(crate) fn lose(&self) {
        self.open.close();
    }

    pub(crate) async fn ask(
        &self,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Message, BrokerError> {
        let request = Request::new().headers(headers).payload(payload).timeout(None);
        let answer = async { Some(timeout(BOUND, self.client.send_request(subject, request)).await) };
        let lost = async {
            self.lost().await;
            None
        };
        tokio::pin!(answer, lost);
        let answer = futures::future::select(lost, answer).await.factor_first().0;
        match answer {
            None => Err(self.why()),
            Some(Ok(Ok(message))) => Ok(message),
            Some(Ok(Err(error))) => Err(self.failed(error.kind())),
            Some(Err(_)) => {
                self.lose();
                Err(unavailable("the server does not answer"))
            }
        }
    }

    fn failed(&self, kind: RequestErrorKind) -> BrokerError {
        if matches!(kind, RequestErrorKind::MaxPayloadExceeded | RequestErrorKind::InvalidSubject) {
            return BrokerError::new(BrokerFault::Refused, kind.to_string());
        }
        // Where nobody answers, JetStream is gone, or the stream is.
        self.lose();
        unavailable(kind.to_string())
    }

    /// Asks JetStream a question of its interface, such as `STREAM.INFO.chat`.
    pub(crate) async fn api(&self, question: &str, payload: Bytes) -> Result<Value, Asked> {
        let answer = self.ask(format!("$JS.API.{question}"), HeaderMap::new(), payload).await;
        parsed(&answer.map_err(Asked::Failed)?)
    }

    /// Subscribes to subjects.
    pub(crate) async fn hear<const N: usize>(
        &self,
        subjects: [String; N],
    ) -> Result<[Subscriber; N], BrokerError> {
        let heard = subjects.map(|subject| self.client.subscribe(subject));
        let heard =
            timeout(BOUND, try_join_all(heard)).await.map_err(|_| unavailable("the server takes nothing"))?;
        let heard = heard.map_err(|error| unavailable(error.to_string()))?;
        Ok(heard.try_into().unwrap_or_else(|_| unreachable!("there is one for each")))
    }

    /// Says something that is kept nowhere, and that nobody answers.
    pub(crate) async fn say(&self, subject: String, payload: Bytes) -> Result<(), BrokerError> {
        let saying = async {
            self.client.publish(subject, payload).await.map_err(|error| error.to_string())?;
            self.client.flush().await.map_err(|error| error.to_string())
        };
        tokio::select! {
            () = self.lost() => Err(self.why()),
            said = timeout(BOUND, saying) => match said {
                Ok(said) => said.map_err(unavailable),
                Err(_) => {
                    self.lose();
                    Err(unavailable("the server takes nothing"))
                }
            }
        }
    }
}

/// Reads an answer of JetStream.
pub(crate) fn parsed(answer: &Message) -> Result<Value, Asked> {
    let value: Value = serde_json::from_slice(&answer.payload)
        .map_err(|_| Asked::Failed(error::corrupt("the server answers with something else")))?;
    let Some(error) = value.get("error") else { return Ok(value) };
    let number = |name: &str| error.get(name).and_then(Value::as_u64).unwrap_or_default();
    let words = error.get("description").and_then(Value::as_str).unwrap_or("the server refuses").to_owned();
    Err(Asked::Refused { status: number("code"), number: number("err_code"), words })
}

impl From<Asked> for BrokerError {
    fn from(asked: Asked) -> Self {
        match asked {
            Asked::Failed(error) => error,
            // Not now: there is no leader, or too much waits. A stream that has no room says the same.
            Asked::Refused { status: 503, number, words } if number != NO_ROOM => unavailable(words),
            Asked::Refused { words, .. } => refused(words),
        }
    }
}

/// Returns options for one connection, which is given up with the first event that something is lost.
fn options(server: &Server, open: &Sender<()>, why: &Arc<OnceLock<BrokerError>>) -> ConnectOptions {
    let (open, why, is_again) = (open.clone(), why.clone(), AtomicBool::new(false));
    let options =
        ConnectOptions::new()
            .name("chat-broker-nats")
            .subscription_capacity(WAITING)
            .connection_timeout(BOUND)
            .ping_interval(PING)
            .ignore_discovered_servers()
            .max_reconnects(1)
            .reconnect_delay_callback(move |_| {
                if is_again.swap(true, Ordering::Relaxed) { LATER } else { Duration::ZERO }
            })
            .event_callback(move |event| {
                if let Event::ServerError(error) = &event {
                    // Such as that a subject may not be subscribed to.
                    let _ = why.set(refused(error.to_string()));
                }
                if !matches!(event, Event::Connected) {
                    open.close();
                }
                ready(())
            });
    match server.login.clone() {
        Login::Nobody => options,
        Login::Token(token) => options.token(token),
        Login::User(user, password) => options.user_and_password(user, password),
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("lost", &self.open.is_closed()).finish_non_exhaustive()
    }
}
