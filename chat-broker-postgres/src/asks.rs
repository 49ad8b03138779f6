//! Carries out the calls of the port with the functions of the schema, and reads their answers.

use std::collections::BTreeMap;
use std::time::Duration;

use chat_core::broker::{
    BODY_BYTES, Broker, BrokerError, BrokerFault, Draft, Entry, Join, Joined, Page, Placed, Stand,
};
use chat_core::{ChannelId, HistoryOptions, HistoryRequest, Offset};
use sha2::{Digest, Sha256};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::cursors::Position;
use crate::error::{self, corrupt, too_large};
use crate::node::PostgresBroker;
use crate::rows::{body, position, stand, value};

/// Bounds the drafts of one call.
const DRAFTS: usize = 256;
/// Bounds the bytes of the bodies of one call.
const BYTES: usize = BODY_BYTES;
/// Bounds the channels that one call asks where they stand.
const STANDS: usize = 256;
/// Bounds the channels that one call reads.
const JOINS: usize = 8;

/// Bounds times, so that the server can add them up: a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);
/// Bounds numbers, so that the server can add them up.
const MOST: u64 = 1 << 53;

const PLACE: &str = "SELECT * FROM chat.place($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const VISIT: &str = "SELECT * FROM chat.visit($1, $2, $3, $4)";
const PAGE: &str = "SELECT * FROM chat.page($1, $2, $3, $4, $5, $6)";

pub(crate) async fn place(node: &PostgresBroker, batch: Vec<Draft>) -> Vec<Result<Placed, BrokerError>> {
    let mut answers = Vec::with_capacity(batch.len());
    let mut rest = &batch[..];
    let mut failed: Option<BrokerError> = None;
    while !rest.is_empty() {
        let (some, others) = rest.split_at(together(node, rest));
        // What follows must not be placed before what may be said again.
        let placed = match &failed {
            Some(error) => refused_all(some, error),
            None if some[0].body.len() > BODY_BYTES => vec![Err(too_large())],
            None => place_together(node, some).await,
        };
        let unavailable = |error: &&BrokerError| error.fault() == BrokerFault::Unavailable;
        failed =
            failed.or_else(|| placed.iter().filter_map(|one| one.as_ref().err()).find(unavailable).cloned());
        answers.extend(placed);
        rest = others;
    }
    answers
}

fn refused_all(drafts: &[Draft], error: &BrokerError) -> Vec<Result<Placed, BrokerError>> {
    drafts
        .iter()
        .map(|draft| Err(if draft.body.len() > BODY_BYTES { too_large() } else { error.clone() }))
        .collect()
}

/// Returns how many of these drafts are placed by one call: at least one. They are of one lane, and none is
/// too large, unless it is the only one.
fn together(node: &PostgresBroker, drafts: &[Draft]) -> usize {
    let lane = node.lane(&drafts[0].channel);
    let mut bytes = 0;
    let fits = |draft: &&Draft| {
        bytes += draft.body.len();
        bytes <= BYTES && node.lane(&draft.channel) == lane
    };
    drafts.iter().take(DRAFTS).take_while(fits).count().max(1)
}

/// Places drafts with one call. If something under one of their channels is corrupt, each has a call of its
/// own, so that the others are placed.
async fn place_together(node: &PostgresBroker, drafts: &[Draft]) -> Vec<Result<Placed, BrokerError>> {
    let error = match place_all(node, drafts).await {
        Ok(placed) => return placed.into_iter().map(Ok).collect(),
        Err(error) => error,
    };
    if error.fault() != BrokerFault::Corrupt || drafts.len() == 1 {
        return refused_all(drafts, &error);
    }
    let mut answers = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let placed = place_all(node, std::slice::from_ref(draft)).await;
        answers.push(placed.map(|mut placed| placed.remove(0)));
    }
    answers
}

async fn place_all(node: &PostgresBroker, drafts: &[Draft]) -> Result<Vec<Placed>, BrokerError> {
    let lane = node.lane(&drafts[0].channel);
    let names: Vec<_> = drafts.iter().map(|draft| draft.channel.as_str()).collect();
    let signals: Vec<_> = drafts.iter().map(|draft| draft.ephemeral).collect();
    let bodies: Vec<_> = drafts.iter().map(|draft| draft.body.as_bytes()).collect();
    let digest = |(key, _): &(_, _)| digest(key);
    let digests: Vec<_> = drafts.iter().map(|draft| draft.key.as_ref().map(digest)).collect();
    let window = |(_, window): &(_, _)| microseconds(*window).max(1);
    let windows: Vec<_> = drafts.iter().map(|draft| draft.key.as_ref().map(window)).collect();
    let [entries, bytes, ages] = bounds(drafts.iter().map(|draft| draft.keep));
    let values: [&(dyn ToSql + Sync); 9] =
        [&(lane as i32), &names, &signals, &bodies, &digests, &windows, &entries, &bytes, &ages];
    let rows = node.database()?.query(PLACE, &values).await.map_err(error::of)?;
    node.outgoing.placed();
    if rows.len() != drafts.len() {
        return Err(strange());
    }
    for row in &rows {
        node.seen.note(lane, position(row)?);
    }
    rows.iter().map(placed).collect()
}

fn placed(row: &Row) -> Result<Placed, BrokerError> {
    let stand = stand(row, "place")?;
    Ok(if value(row, "already")? { Placed::already(stand) } else { Placed::now(stand) })
}

/// Returns what stands for a key, however long it is.
fn digest(key: &std::sync::Arc<str>) -> Vec<u8> {
    Sha256::digest(key.as_bytes()).to_vec()
}

pub(crate) async fn stands(node: &PostgresBroker, channels: &[ChannelId]) -> Result<Vec<Stand>, BrokerError> {
    let nothing = HistoryOptions::default();
    let wanted: Vec<_> = channels.iter().map(|channel| (channel, nothing)).collect();
    let visited = visit(node, &wanted, STANDS).await?;
    Ok(visited.into_iter().map(|(_, joined)| joined.stand).collect())
}

/// Reads channels. The answers also hold the number of the last row of each channel's lane.
pub(crate) async fn read_joined(
    node: &PostgresBroker,
    joins: &[Join],
) -> Result<Vec<(i64, Joined)>, BrokerError> {
    let wanted: Vec<_> = joins.iter().map(|join| (&join.channel, join.keep)).collect();
    visit(node, &wanted, JOINS).await
}

/// Visits channels, so many with one call, and returns the answers in the order of the channels.
async fn visit(
    node: &PostgresBroker,
    wanted: &[(&ChannelId, HistoryOptions)],
    together: usize,
) -> Result<Vec<(i64, Joined)>, BrokerError> {
    let mut answers = Vec::with_capacity(wanted.len());
    for some in wanted.chunks(together) {
        let names: Vec<_> = some.iter().map(|(channel, _)| channel.as_str()).collect();
        let [entries, bytes, ages] = bounds(some.iter().map(|(_, keep)| *keep));
        let values: [&(dyn ToSql + Sync); 4] = [&names, &entries, &bytes, &ages];
        let rows = node.database()?.query(VISIT, &values).await.map_err(error::of)?;
        let mut visited: BTreeMap<i64, (Position, Joined)> = BTreeMap::new();
        for row in &rows {
            let empty = (position(row)?, Joined::new(stand(row, "last")?, Vec::new()));
            let (_, joined) = visited.entry(value(row, "number")?).or_insert(empty);
            joined.kept.extend(entry(row)?);
        }
        if visited.len() != some.len() {
            return Err(strange());
        }
        for ((channel, _), (at, joined)) in some.iter().zip(visited.into_values()) {
            node.seen.note(node.lane(channel), at);
            answers.push((at.seq, joined));
        }
    }
    answers.into_iter().map(|(seq, joined)| Ok((seq, checked(joined)?))).collect()
}

/// Puts what is kept, which comes with the newest first, into its order.
fn checked(mut joined: Joined) -> Result<Joined, BrokerError> {
    joined.kept.reverse();
    let last = joined.kept.last().is_none_or(|entry| entry.offset == joined.stand.offset);
    if last && follow(&joined.kept) { Ok(joined) } else { Err(other_entries()) }
}

fn follow(entries: &[Entry]) -> bool {
    entries.windows(2).all(|pair| pair[0].offset.0.abs_diff(pair[1].offset.0) == 1)
}

pub(crate) async fn page(
    node: &PostgresBroker,
    request: &HistoryRequest,
    bytes: usize,
) -> Result<Page, BrokerError> {
    let HistoryRequest { channel, after, before, limit, reverse, .. } = request;
    let number = |offset: Option<Offset>| offset.map(|offset| bounded(offset.0));
    let (name, after, before) = (channel.as_str(), number(*after), number(*before));
    let (limit, bytes) = (bounded(*limit as u64), bounded(bytes as u64));
    let values: [&(dyn ToSql + Sync); 6] = [&name, &after, &before, &limit, &bytes, reverse];
    let rows = node.database()?.query(PAGE, &values).await.map_err(error::of)?;
    let first = rows.first().ok_or_else(strange)?;
    node.seen.note(node.lane(channel), position(first)?);
    let (stand, found): (_, i64) = (stand(first, "last")?, value(first, "found")?);
    let entries: Vec<_> = rows.iter().filter_map(|row| entry(row).transpose()).collect::<Result<_, _>>()?;
    let more = (entries.len() as i64) < found;
    if follow(&entries) { Ok(Page::new(stand, entries, more)) } else { Err(other_entries()) }
}

/// Reads an entry, unless the row only tells where a channel stands.
fn entry(row: &Row) -> Result<Option<Entry>, BrokerError> {
    let Some(place) = value::<Option<i64>>(row, "place")? else { return Ok(None) };
    let offset = u64::try_from(place).map_err(|_| corrupt("an offset is less than 0"))?;
    Ok(Some(Entry::new(Offset(offset), body(row)?)))
}

/// Returns bounds as columns: entries, bytes, and microseconds.
fn bounds(keeps: impl Iterator<Item = HistoryOptions>) -> [Vec<i64>; 3] {
    let mut columns = [Vec::new(), Vec::new(), Vec::new()];
    for keep in keeps {
        columns[0].push(bounded(keep.entries as u64));
        columns[1].push(bounded(keep.bytes as u64));
        columns[2].push(microseconds(keep.age));
    }
    columns
}

fn microseconds(time: Duration) -> i64 {
    time.min(LONGEST).as_micros() as i64
}

fn bounded(number: u64) -> i64 {
    number.min(MOST) as i64
}

fn strange() -> BrokerError {
    corrupt("the server answers with something else")
}

fn other_entries() -> BrokerError {
    corrupt("the entries are not those that were put there")
}
