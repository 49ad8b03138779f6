//! Tells where channels stand and what is kept of them.

use std::time::Duration;

use chat_core::broker::{BrokerError, Entry, Join, Joined, Page, Stand};
use chat_core::{ChannelId, HistoryRequest, Offset};
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::calls::Calls;
use crate::log::{Found, Kept, Log, body};
use crate::node::NatsBroker;

/// Bounds the channels that are asked at once.
const CHANNELS: usize = 64;
/// Bounds the channels whose entries are read at once.
const JOINS: usize = 8;
/// Bounds the offsets that are looked at together.
const CHUNK: u64 = 64;

pub(crate) async fn stands(node: &NatsBroker, channels: Vec<ChannelId>) -> Result<Vec<Stand>, BrokerError> {
    let calls = node.calls()?;
    let stand = |channel: ChannelId| {
        let calls = &calls;
        async move { Ok(visit(node, &Log { calls, channel: &channel }, Duration::ZERO).await?.stand()) }
    };
    stream::iter(channels).map(stand).buffered(CHANNELS).try_collect().await
}

pub(crate) async fn read_joined(node: &NatsBroker, joins: Vec<Join>) -> Result<Vec<Joined>, BrokerError> {
    let calls = node.calls()?;
    let visited = |join: Join| {
        let calls = &calls;
        async move {
            let log = Log { calls, channel: &join.channel };
            let last = visit(node, &log, join.keep.age).await?;
            Ok::<_, BrokerError>((join, last))
        }
    };
    let kept = |(join, last): (Join, Found)| {
        let calls = &calls;
        async move {
            let log = Log { calls, channel: &join.channel };
            let most = Most { limit: join.keep.entries, bytes: join.keep.bytes, but_one: false };
            let (newest, _) = newest(&log, &last, [0, last.stand().offset.0], most).await?;
            let mut kept = entries(&log, newest).await?;
            kept.reverse();
            Ok(Joined::new(last.stand(), kept))
        }
    };
    let visits = stream::iter(joins).map(visited).buffered(CHANNELS);
    visits.map(|visited| async { kept(visited?).await }).buffered(JOINS).try_collect().await
}

async fn visit(node: &NatsBroker, log: &Log<'_>, age: Duration) -> Result<Found, BrokerError> {
    let last = log.visit(age).await?;
    node.interest.stands(log.channel, last.stand());
    Ok(last)
}

pub(crate) async fn page(
    node: &NatsBroker,
    request: &HistoryRequest,
    bytes: usize,
) -> Result<Page, BrokerError> {
    let HistoryRequest { channel, after, before, limit, reverse, .. } = request;
    let calls: &Calls = &*node.calls()?;
    let log = Log { calls, channel };
    let last = visit(node, &log, Duration::ZERO).await?;
    let low = after.map_or(0, |after| after.0);
    let high = before.map_or(u64::MAX, |before| before.0.saturating_sub(1)).min(last.stand().offset.0);
    let most = Most { limit: *limit, bytes, but_one: true };
    if *reverse {
        let (found, more) = newest(&log, &last, [low, high], most).await?;
        let found_all = found.len();
        let entries = entries(&log, found).await?;
        let more = more && entries.len() == found_all;
        return Ok(Page::new(last.stand(), entries, more));
    }
    let (mut found, more) = oldest(&log, &last, [low, high], most).await?;
    found.reverse();
    let mut entries = entries(&log, found).await?;
    entries.reverse();
    Ok(Page::new(last.stand(), entries, more))
}

/// Bounds what is read.
#[derive(Clone, Copy)]
struct Most {
    limit: usize,
    bytes: usize,
    /// Is true if there is one in any case.
    but_one: bool,
}

impl Most {
    /// Returns how many of these fit.
    fn fits(&self, found: &[Kept]) -> usize {
        let mut bytes = self.bytes;
        let mut fits = 0;
        for kept in found.iter().take(self.limit) {
            if kept.length > bytes && !(self.but_one && fits == 0) {
                break;
            }
            bytes = bytes.saturating_sub(kept.length);
            fits += 1;
        }
        fits
    }
}

/// Returns the newest of a range, the newest first, and whether there are others beyond.
async fn newest(
    log: &Log<'_>,
    last: &Found,
    [low, high]: [u64; 2],
    most: Most,
) -> Result<(Vec<Kept>, bool), BrokerError> {
    let (mut found, mut high) = (Vec::new(), high);
    while high > low && most.limit > 0 && most.fits(&found) == found.len() {
        let next = low.max(high.saturating_sub(CHUNK));
        let some = log.range(last, next, high).await?;
        let is_last = (some.len() as u64) < high - next;
        found.extend(some);
        high = if is_last { low } else { next };
    }
    let fits = most.fits(&found);
    let more = fits < found.len();
    found.truncate(fits);
    Ok((found, more))
}

/// Returns the oldest of a range, the oldest first, and whether there are others beyond.
async fn oldest(
    log: &Log<'_>,
    last: &Found,
    [low, high]: [u64; 2],
    most: Most,
) -> Result<(Vec<Kept>, bool), BrokerError> {
    let mut found: Vec<Kept> = Vec::new();
    let mut low = low.max(last.placed.head.first.saturating_sub(1));
    while low < high && most.limit > 0 && most.fits(&found) == found.len() {
        let next = high.min(low.saturating_add(CHUNK));
        let mut some = log.range(last, low, next).await?;
        some.reverse();
        // What is older than something that is gone is not kept either.
        if (some.len() as u64) < next - low {
            found.clear();
        }
        found.extend(some);
        low = next;
    }
    let fits = most.fits(&found);
    let more = fits < found.len() || low < high;
    found.truncate(fits);
    Ok((found, more))
}

/// Returns these with their bodies, up to the first of which a piece is gone.
async fn entries(log: &Log<'_>, newest_first: Vec<Kept>) -> Result<Vec<Entry>, BrokerError> {
    let read = |kept: Kept| async move {
        let body = body(log.calls, Some(log.channel), &kept.text).await?;
        Ok::<_, BrokerError>(body.map(|body| Entry::new(Offset(kept.offset), body)))
    };
    let mut bodies = stream::iter(newest_first).map(read).buffered(JOINS);
    let mut entries = Vec::new();
    while let Some(entry) = bodies.next().await {
        match entry? {
            Some(entry) => entries.push(entry),
            None => break,
        }
    }
    Ok(entries)
}
