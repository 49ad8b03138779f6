//! Remembers idempotency keys, each in a message of its own.
//!
//! A key is claimed before its publication is placed, and the claim says behind which message of the channel
//! that will stand. The publication itself holds the key: whoever finds a claim without a place looks for it
//! there, and places it, if it is not there, behind the last message that was looked at. So it happens once,
//! however many nodes say it at once, and whichever of them ends between the steps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::HeaderMap;
use chat_core::broker::{BrokerError, Stand};
use chat_core::{ChannelId, Epoch, Offset};

use crate::calls::{Calls, Kind, Put};
use crate::error::{corrupt, refused, unavailable};

/// Bounds how often others may come first.
const TRIES: usize = 16;

/// Is what is known of a key before its publication is placed.
pub(crate) enum Claim {
    /// Lets its publication be placed.
    Open(Claimed),
    /// Tells where its publication stands.
    Placed(Stand),
}

/// Is a key whose publication is to be placed, unless it stands behind the message `searched`.
#[derive(Debug)]
pub(crate) struct Claimed {
    subject: String,
    /// Is the sequence number of the claim.
    sequence: u64,
    /// Is when the key is forgotten, in milliseconds since 1970.
    until: u64,
    /// Is the sequence number of a message of the channel: up to it the publication is not placed.
    pub(crate) searched: u64,
    /// Is true if nobody has claimed the key before.
    pub(crate) is_new: bool,
}

impl Claimed {
    /// Returns what the publication holds of its key.
    pub(crate) fn token(&self) -> &str {
        self.subject.rsplit('.').next().unwrap_or_default()
    }
}

/// Claims a key for a channel that stands so, whose last message has this sequence number.
pub(crate) async fn claim(
    calls: &Calls,
    channel: &ChannelId,
    (key, window): (&str, Duration),
    (stand, last): (Stand, u64),
) -> Result<Claim, BrokerError> {
    if window > calls.key_age {
        let most = humantime::format_duration(calls.key_age);
        return Err(refused(format!("a key is remembered for at most {most}, the max_age of its stream")));
    }
    let (subject, now) = (calls.names.key(channel, key), milliseconds(calls.now()));
    let until = now.saturating_add(u64::try_from(window.as_millis()).unwrap_or(u64::MAX));
    let (mut after, text) = (0, format!("1c {} {last} {until}", stand.epoch));
    for _ in 0..TRIES {
        match calls.put(subject.clone(), after, text.clone().into()).await {
            Ok(sequence) => {
                return Ok(Claim::Open(Claimed { subject, sequence, until, searched: last, is_new: true }));
            }
            Err(Put::Failed(error)) => return Err(error),
            Err(Put::Conflict) => {}
        }
        let Some(stored) = calls.last(Kind::Keys, &subject).await? else {
            after = 0;
            continue;
        };
        let odd = || corrupt("the stream holds something else for the key than nodes write");
        let record = Record::read(&stored.payload).ok_or_else(odd)?;
        if record.until <= now || record.epoch != stand.epoch {
            after = stored.sequence;
            continue;
        }
        let (sequence, until, at) = (stored.sequence, record.until, record.at);
        return Ok(match record.is_placed {
            true => Claim::Placed(Stand::new(record.epoch, Offset(at))),
            false => Claim::Open(Claimed { subject, sequence, until, searched: at, is_new: false }),
        });
    }
    Err(unavailable("others claim the key all the time"))
}

/// Notes where a publication stands, so that nobody has to look for it. Nobody waits for that.
pub(crate) async fn settle(calls: &Calls, claimed: &Claimed, stand: Stand) {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Expected-Last-Subject-Sequence", claimed.sequence.to_string());
    let text = format!("1d {} {} {}", stand.epoch, stand.offset.0, claimed.until);
    // If it fails, the publication is found where it stands.
    let _ = calls.link.client.publish_with_headers(claimed.subject.clone(), headers, text.into()).await;
}

/// Is a message of a key: a claim, and then a place.
struct Record {
    is_placed: bool,
    epoch: Epoch,
    /// Is the offset of the publication, or the sequence number of the message before it.
    at: u64,
    until: u64,
}

impl Record {
    /// Returns none for what no node of this version writes.
    fn read(text: &[u8]) -> Option<Self> {
        let mut fields = std::str::from_utf8(text).ok()?.split(' ');
        let is_placed = match fields.next()? {
            "1c" => false,
            "1d" => true,
            _ => return None,
        };
        let epoch: Epoch = fields.next()?.parse().ok()?;
        let (at, until) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Self { is_placed, epoch, at, until })
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
