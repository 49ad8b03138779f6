//! Reads and goes on with the messages of one channel.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chat_core::broker::{BrokerError, STAND, Stand};
use chat_core::{ChannelId, Epoch, HistoryOptions, Offset};
use futures::stream::{self, StreamExt};

use crate::calls::{Calls, Kind, Put};
use crate::error::{corrupt, unavailable};
use crate::message::{Entry, Head, Placed, Text};
use crate::trail::{DENSE, Trail};

/// Bounds how often others may come first before a visit is given up.
const TRIES: usize = 32;
/// Bounds ages, so that they can be written: a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// Is the log of one channel.
#[derive(Clone, Copy)]
pub(crate) struct Log<'a> {
    pub(crate) calls: &'a Calls,
    pub(crate) channel: &'a ChannelId,
}

/// Is a message of a channel, and where it stands in the stream.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) sequence: u64,
    pub(crate) time: SystemTime,
    pub(crate) placed: Placed,
}

/// Is what the next message of a channel is written behind.
#[derive(Clone, Debug)]
pub(crate) struct Last {
    pub(crate) sequence: u64,
    pub(crate) head: Head,
    /// Is true if the message only tells where the channel stands.
    pub(crate) is_mark: bool,
}

/// Is a publication that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) offset: u64,
    pub(crate) length: usize,
    pub(crate) text: Text,
}

impl Found {
    pub(crate) fn stand(&self) -> Stand {
        self.placed.head.stand
    }

    pub(crate) fn last(&self) -> Last {
        let is_mark = self.placed.entries.is_empty();
        Last { sequence: self.sequence, head: self.placed.head.clone(), is_mark }
    }
}

impl Last {
    /// Returns the message that follows with these entries, of which the channel keeps so much.
    pub(crate) fn next(&self, entries: Vec<Entry>, keep: HistoryOptions) -> Placed {
        let Head { run, stand, bytes, first, trail, .. } = &self.head;
        let publications = || entries.iter().filter(|entry| !entry.ephemeral);
        let offset = stand.offset.0 + publications().count() as u64;
        let bytes = bytes + publications().map(|entry| entry.length as u64).sum::<u64>();
        let first = (*first).max((offset + 1).saturating_sub(keep.entries as u64));
        let trail = match self.is_mark {
            true => trail.clone(),
            false => trail.after(stand.offset.0, self.sequence, first),
        };
        let keep = HistoryOptions::of(keep.entries, keep.age.min(LONGEST)).with_bytes(keep.bytes);
        let stand = Stand::new(stand.epoch, Offset(offset));
        let head = Head { run: *run, stand, bytes, first, keep, after: self.sequence, trail };
        Placed { head, entries }
    }
}

impl Log<'_> {
    /// Returns the last message, which is written if the channel is not known in this run of the server, or
    /// if the stream would forget it earlier than in this time, or in that of its publications.
    pub(crate) async fn visit(&self, age: Duration) -> Result<Found, BrokerError> {
        let subject = self.calls.names.placed(self.channel);
        for _ in 0..TRIES {
            let (mark, after) = match self.newest(&subject).await? {
                Some(found) if found.placed.head.run != self.calls.run => {
                    (self.first().await?, found.sequence)
                }
                Some(found) if !self.fades(&found, age) => return Ok(found),
                Some(found) => (found.last().next(Vec::new(), found.placed.head.keep), found.sequence),
                None => (self.first().await?, 0),
            };
            let mark = Placed { head: Head { after, ..mark.head }, ..mark };
            match self.calls.put(subject.clone(), after, mark.text()).await {
                Ok(sequence) => return Ok(Found { sequence, time: self.calls.now(), placed: mark }),
                Err(Put::Conflict) => {}
                Err(Put::Failed(error)) => return Err(error),
            }
        }
        Err(unavailable("others publish all the time"))
    }

    async fn newest(&self, subject: &str) -> Result<Option<Found>, BrokerError> {
        let Some(stored) = self.calls.last(Kind::Places, subject).await? else { return Ok(None) };
        let odd = || corrupt("the stream holds something else for the channel than nodes write");
        let placed = Placed::read(&stored.payload).ok_or_else(odd)?;
        Ok(Some(Found { sequence: stored.sequence, time: stored.time, placed }))
    }

    /// Returns the beginning of an epoch.
    async fn first(&self) -> Result<Placed, BrokerError> {
        self.calls.look().await?;
        let (run, stand) = (self.calls.run, Stand::new(Epoch(fastrand::u64(1..)), Offset(0)));
        let (keep, trail) = (HistoryOptions::of(0, Duration::ZERO).with_bytes(0), Trail::default());
        let head = Head { run, stand, bytes: 0, first: 1, keep, after: 0, trail };
        Ok(Placed { head, entries: Vec::new() })
    }

    fn fades(&self, found: &Found, age: Duration) -> bool {
        let is_old = self.calls.now().duration_since(found.time).unwrap_or_default();
        fades(is_old, age.max(found.placed.head.keep.age), self.calls.age)
    }

    /// Returns a message of the channel; none if it is gone, or is of another epoch.
    async fn at(&self, sequence: u64, epoch: Epoch) -> Result<Option<Found>, BrokerError> {
        let Some(stored) = self.calls.at(sequence).await? else { return Ok(None) };
        let odd = || corrupt("the stream holds something else for the channel than nodes write");
        if stored.subject != self.calls.names.placed(self.channel) {
            return Err(odd());
        }
        let placed = Placed::read(&stored.payload).ok_or_else(odd)?;
        let found = Found { sequence, time: stored.time, placed };
        Ok(Some(found).filter(|found| found.stand().epoch == epoch))
    }

    /// Returns what is kept from above `low` up to `high`, the newest first and without a gap, as this last
    /// message says what is kept.
    pub(crate) async fn range(&self, last: &Found, low: u64, high: u64) -> Result<Vec<Kept>, BrokerError> {
        let (mut range, epoch) = (Range::new(last, low, high, self.calls.now()), last.stand().epoch);
        let mut current = last.clone();
        while current.placed.before() >= high {
            let Some(next) = current.placed.head.trail.towards(high) else { return Ok(Vec::new()) };
            let Some(found) = self.at(next, epoch).await? else { return Ok(Vec::new()) };
            if found.sequence >= current.sequence || found.stand().offset.0 < high {
                return Err(corrupt("a trail leads elsewhere"));
            }
            current = found;
        }
        let mut goes_on = range.take(&current);
        while goes_on {
            let next = current.placed.head.trail.last(range.floor);
            goes_on = !next.is_empty();
            let mut before = stream::iter(next).map(|next| self.at(next, epoch)).buffered(DENSE);
            while let Some(found) = before.next().await {
                let Some(found) = found?.filter(|found| found.stand().offset.0 == current.placed.before())
                else {
                    return Ok(range.kept);
                };
                goes_on = goes_on && found.sequence < current.sequence && range.take(&found);
                current = found;
            }
        }
        Ok(range.kept)
    }

    /// Looks for idempotency keys in the messages up to this one and behind the other. Returns where those
    /// stand that are there.
    ///
    /// # Errors
    /// Fails as unavailable if one of these messages is gone: it may have held the keys.
    pub(crate) async fn search(
        &self,
        last: &Last,
        after: u64,
        wanted: &[&str],
    ) -> Result<HashMap<String, Stand>, BrokerError> {
        let (mut next, mut all, epoch) = (Some(last.sequence), HashMap::new(), last.head.stand.epoch);
        while let Some(sequence) = next.filter(|sequence| *sequence > after) {
            let gone = || unavailable("whether it is published already is no longer known");
            let found = self.at(sequence, epoch).await?.ok_or_else(gone)?;
            let mut offset = found.placed.before();
            for entry in &found.placed.entries {
                offset += u64::from(!entry.ephemeral);
                if let Some(key) = entry.key.as_ref().filter(|key| wanted.contains(&key.as_str())) {
                    all.insert(key.clone(), Stand::new(epoch, Offset(offset)));
                }
            }
            next = found.placed.head.trail.before().filter(|before| *before < sequence);
        }
        Ok(all)
    }
}

/// Returns true if a stream that keeps messages for `kept` would forget a channel within the time that it
/// must stand, if one that is so old stayed its last.
fn fades(is_old: Duration, must_stand: Duration, kept: Duration) -> bool {
    let must_stand = must_stand.max(STAND).min(kept / 2);
    is_old > kept - must_stand
}

/// Returns a whole body; none if a piece of it is gone, or if it is no text of this length.
pub(crate) async fn body(
    calls: &Calls,
    channel: Option<&ChannelId>,
    text: &Text,
) -> Result<Option<Arc<str>>, BrokerError> {
    let (mut body, subject) = (Vec::new(), calls.names.pieces(channel));
    for piece in &text.pieces {
        match calls.at(*piece).await? {
            Some(stored) if stored.subject == subject => body.extend_from_slice(&stored.payload),
            _ => return Ok(None),
        }
    }
    body.extend_from_slice(&text.inline);
    let fits = body.len() <= chat_core::broker::BODY_BYTES;
    Ok(String::from_utf8(body).ok().filter(|_| fits).map(Arc::from))
}

/// Collects what is kept of a range.
struct Range<'a> {
    head: &'a Head,
    floor: u64,
    high: u64,
    now: SystemTime,
    kept: Vec<Kept>,
}

impl<'a> Range<'a> {
    fn new(last: &'a Found, low: u64, high: u64, now: SystemTime) -> Self {
        let head = &last.placed.head;
        let floor = low.max(head.first.saturating_sub(1));
        Self { head, floor, high, now, kept: Vec::new() }
    }

    /// Takes the entries of a message, the newest first. Returns false if no earlier one is kept or wanted.
    fn take(&mut self, found: &Found) -> bool {
        let Head { keep, bytes: all, .. } = self.head;
        if self.now.duration_since(found.time).unwrap_or_default() >= keep.age {
            return false;
        }
        let (mut offset, mut bytes) = (found.stand().offset.0, found.placed.head.bytes);
        for entry in found.placed.entries.iter().rev().filter(|entry| !entry.ephemeral) {
            bytes = bytes.saturating_sub(entry.length as u64);
            if offset <= self.floor || all.saturating_sub(bytes) > keep.bytes as u64 {
                return false;
            }
            if offset <= self.high {
                let text = entry.text.clone();
                self.kept.push(Kept { offset, length: entry.length, text });
            }
            offset -= 1;
        }
        offset > self.floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_written_anew_before_the_stream_would_forget_it_too_early() {
        let [minute, hour] = [60, 3600].map(Duration::from_secs);
        assert!(!fades(54 * minute, Duration::ZERO, hour) && fades(56 * minute, Duration::ZERO, hour));
        assert!(!fades(29 * minute, hour, hour) && fades(31 * minute, hour, hour));
        assert!(!fades(hour, hour, Duration::MAX));
    }
}
