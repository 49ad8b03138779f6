//! Puts messages into the streams of one run of the server, and reads them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_nats::{HeaderMap, Message};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use chat_core::broker::BrokerError;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::address::Address;
use crate::error::{corrupt, refused, strange, unavailable};
use crate::link::{Asked, Link, parsed};
use crate::names::Names;
use crate::streams;

/// Is the number of the error that another message came first.
const WRONG_LAST_SEQUENCE: u64 = 10071;
/// Is how long the streams are taken for the same as when they were last looked at.
const FRESH: Duration = Duration::from_secs(1);
/// Bounds a message from below, so that the longest body has few pieces.
const PAYLOAD_BYTES: usize = 128_000;

/// Asks one run of the server.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) link: Link,
    pub(crate) names: Names,
    /// Names what the streams hold: another number, and what was known of a channel is forgotten.
    pub(crate) run: u64,
    /// Is how long the stream keeps what it took.
    pub(crate) age: Duration,
    /// Bounds how long a key is remembered.
    pub(crate) key_age: Duration,
    /// Is true if the server that answers may be behind the one that took the last message.
    is_cluster: bool,
    durable: bool,
    looked: Mutex<Instant>,
}

/// Is a message of a stream.
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) sequence: u64,
    /// Is the server's time.
    pub(crate) time: SystemTime,
    pub(crate) payload: Bytes,
}

/// Tells why a message was not taken.
pub(crate) enum Put {
    /// Another one of the same subject came first.
    Conflict,
    Failed(BrokerError),
}

/// Names one of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Places,
    Keys,
}

impl Calls {
    /// Connects, makes the streams if there are none, and finds out which run of the server this is.
    pub(crate) async fn open(address: &Address) -> Result<Self, BrokerError> {
        let (link, names) = (Link::open(&address.server).await?, address.names.clone());
        let (run, age, key_age, looked) = (0, Duration::ZERO, Duration::ZERO, Mutex::new(Instant::now()));
        let (is_cluster, durable) = (false, address.durable);
        let mut calls = Self { link, names, run, age, key_age, is_cluster, durable, looked };
        calls.is_cluster = calls.usable()?;
        let made = streams::make(&calls.link, &calls.names, &address.bounds).await?;
        (calls.run, calls.age, calls.key_age) = (calls.incarnation(&made.created), made.age, made.key_age);
        Ok(calls)
    }

    /// Checks the server. Returns true if it is one of several.
    fn usable(&self) -> Result<bool, BrokerError> {
        let info = self.link.client.server_info();
        if !self.link.client.is_server_compatible(2, 9, 0) {
            return Err(refused("the server must be nats-server 2.9 or newer"));
        }
        if !info.jetstream {
            return Err(refused("the server has no JetStream"));
        }
        if info.max_payload < PAYLOAD_BYTES {
            return Err(refused(format!("the server's max_payload must be {PAYLOAD_BYTES} or more")));
        }
        // What one server was asked says nothing of the run of another.
        if info.cluster.is_some() && !self.durable {
            return Err(refused("the server is one of several, which needs durable=file"));
        }
        Ok(info.cluster.is_some())
    }

    fn incarnation(&self, created: &str) -> u64 {
        let server = if self.durable { String::new() } else { self.link.client.server_info().server_id };
        let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        [server.as_str(), " ", created].iter().flat_map(|part| part.bytes()).fold(0xcbf2_9ce4_8422_2325, step)
    }

    /// Checks that the stream is still the one that was found: it may have been deleted and made again.
    pub(crate) async fn look(&self) -> Result<(), BrokerError> {
        let last = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() < FRESH {
            return Ok(());
        }
        let found = streams::created(&self.link, &self.names).await?;
        if self.incarnation(&found) != self.run {
            self.link.lose();
            return Err(unavailable("the stream is another"));
        }
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Ok(())
    }

    /// Returns how many bytes a message may have.
    pub(crate) fn room(&self) -> usize {
        self.link.client.server_info().max_payload
    }

    fn stream(&self, kind: Kind) -> String {
        match kind {
            Kind::Places => self.names.places(),
            Kind::Keys => self.names.keys(),
        }
    }

    /// Returns the last message of a subject.
    pub(crate) async fn last(&self, kind: Kind, subject: &str) -> Result<Option<Stored>, BrokerError> {
        let stream = self.stream(kind);
        if self.is_cluster {
            return self.stored_by_leader(&stream, json!({ "last_by_subj": subject })).await;
        }
        let question = format!("$JS.API.DIRECT.GET.{stream}.{subject}");
        stored(&self.link.ask(question, HeaderMap::new(), Bytes::new()).await?)
    }

    /// Returns a message of the stream of places.
    pub(crate) async fn at(&self, sequence: u64) -> Result<Option<Stored>, BrokerError> {
        let (stream, wanted) = (self.names.places(), json!({ "seq": sequence }));
        if self.is_cluster {
            return self.stored_by_leader(&stream, wanted).await;
        }
        let question = format!("$JS.API.DIRECT.GET.{stream}");
        stored(&self.link.ask(question, HeaderMap::new(), wanted.to_string().into()).await?)
    }

    /// Asks the leader of a stream for a message: other servers may not have the last one yet.
    async fn stored_by_leader(&self, stream: &str, wanted: Value) -> Result<Option<Stored>, BrokerError> {
        match self.link.api(&format!("STREAM.MSG.GET.{stream}"), wanted.to_string().into()).await {
            Ok(found) => stored_in(&found["message"]).map(Some).ok_or_else(strange),
            Err(Asked::Refused { status: 404, .. }) => Ok(None),
            Err(asked) => Err(asked.into()),
        }
    }

    /// Puts a message behind the one of its subject that has this sequence number, 0 for none. Returns its own.
    pub(crate) async fn put(&self, subject: String, after: u64, payload: Bytes) -> Result<u64, Put> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", after.to_string());
        self.put_with(subject, headers, payload).await
    }

    /// Puts a message behind whatever is there.
    pub(crate) async fn append(&self, subject: String, payload: Bytes) -> Result<u64, BrokerError> {
        match self.put_with(subject, HeaderMap::new(), payload).await {
            Ok(sequence) => Ok(sequence),
            Err(Put::Failed(error)) => Err(error),
            Err(Put::Conflict) => Err(strange()),
        }
    }

    async fn put_with(&self, subject: String, headers: HeaderMap, payload: Bytes) -> Result<u64, Put> {
        let answer = self.link.ask(subject, headers, payload).await.map_err(Put::Failed)?;
        match parsed(&answer) {
            Ok(taken) => taken["seq"].as_u64().ok_or_else(|| Put::Failed(strange())),
            Err(Asked::Refused { number: WRONG_LAST_SEQUENCE, .. }) => Err(Put::Conflict),
            Err(asked) => Err(Put::Failed(asked.into())),
        }
    }
}

/// Reads an answer whose headers tell of the message.
fn stored(answer: &Message) -> Result<Option<Stored>, BrokerError> {
    match answer.status.map(|status| status.as_u16()) {
        Some(404) => return Ok(None),
        Some(status) => return Err(corrupt(format!("the server answers with status {status}"))),
        None => {}
    }
    let header = |name: &str| Some(answer.headers.as_ref()?.get(name)?.as_str());
    let found = || {
        let sequence = header("Nats-Sequence")?.parse().ok()?;
        let time = humantime::parse_rfc3339(header("Nats-Time-Stamp")?).ok()?;
        let subject = header("Nats-Subject")?.to_owned();
        Some(Stored { subject, sequence, time, payload: answer.payload.clone() })
    };
    found().map(Some).ok_or_else(strange)
}

fn stored_in(message: &Value) -> Option<Stored> {
    let time = humantime::parse_rfc3339(message["time"].as_str()?).ok()?;
    let payload = BASE64.decode(message["data"].as_str().unwrap_or_default()).ok()?.into();
    let (subject, sequence) = (message["subject"].as_str()?.to_owned(), message["seq"].as_u64()?);
    Some(Stored { subject, sequence, time, payload })
}
