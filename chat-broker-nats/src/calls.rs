//! Puts messages into the streams of one run of the server, and reads them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use chat_core::broker::BrokerError;
use serde_json::json;
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
    durable: bool,
    /// Is how far this machine's clock is behind the server's, and how far it is ahead.
    clock: [Duration; 2],
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
        let (durable, clock) = (address.durable, [Duration::ZERO; 2]);
        let mut calls = Self { link, names, run, age, key_age, durable, clock, looked };
        calls.usable()?;
        // If these may not be heard, the server says so, and the connection is lost.
        let _heard = calls.link.hear([calls.names.said_to_all(), calls.names.said_to_nobody()]).await?;
        let made = streams::make(&calls.link, &calls.names, &address.bounds).await?;
        (calls.run, calls.age, calls.key_age) = (calls.incarnation(&made.created), made.age, made.key_age);
        calls.clock = calls.compare_clocks().await?;
        calls.link.check()?;
        Ok(calls)
    }

    /// Returns the time by the server's clock, which says how old a message is.
    pub(crate) fn now(&self) -> SystemTime {
        let [behind, ahead] = self.clock;
        SystemTime::now() + behind - ahead
    }

    /// Lets the server note its time on a message, which must be within the time that this takes.
    async fn compare_clocks(&self) -> Result<[Duration; 2], BrokerError> {
        let asked = SystemTime::now();
        let sequence = self.append(self.names.pieces(None), Bytes::from_static(b"1")).await?;
        let answered = SystemTime::now();
        let noted = self.at(sequence).await?.ok_or_else(strange)?.time;
        Ok([noted.duration_since(answered), asked.duration_since(noted)].map(Result::unwrap_or_default))
    }

    fn usable(&self) -> Result<(), BrokerError> {
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
        // Servers up to 2.9 take two messages behind the same one where several hold a stream, and the run of
        // one says nothing of the others.
        if info.cluster.is_some() {
            return Err(refused("the server is one of several, and only one by itself can be used"));
        }
        Ok(())
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
        let question = format!("$JS.API.DIRECT.GET.{stream}.{subject}");
        stored(&self.link.ask(question, HeaderMap::new(), Bytes::new()).await?)
    }

    /// Returns a message of the stream of places.
    pub(crate) async fn at(&self, sequence: u64) -> Result<Option<Stored>, BrokerError> {
        let (stream, wanted) = (self.names.places(), json!({ "seq": sequence }));
        let question = format!("$JS.API.DIRECT.GET.{stream}");
        stored(&self.link.ask(question, HeaderMap::new(), wanted.to_string().into()).await?)
    }

    /// Puts a message behind the one of its subject that has this sequence number, 0 for none. Returns its
    /// own.
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
