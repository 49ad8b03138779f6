//! Carries out the calls of the port with the scripts, and reads their answers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use chat_core::broker::{
    BODY_BYTES, Broker, BrokerError, BrokerFault, Draft, Entry, Join, Joined, Page, Placed, Stand,
};
use chat_core::{ChannelId, Epoch, HistoryOptions, HistoryRequest, Offset};
use futures::stream::{self, StreamExt, TryStreamExt};
use redis::Value;

use crate::calls::{Calls, Script};
use crate::error::{self, corrupt};
use crate::node::RedisBroker;

/// Bounds the drafts of one call.
const DRAFTS: usize = 256;
/// Bounds the bytes of the bodies of one call.
const BYTES: usize = BODY_BYTES;
/// Bounds the channels that one call asks where they stand.
const STANDS: usize = 256;
/// Bounds the channels that one call reads.
const JOINS: usize = 8;
/// Bounds the calls that are asked at once.
const CALLS: usize = 4;

/// Bounds times, so that the server can add them up: a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);
/// Bounds numbers, so that the scripts can hold them.
const MOST: u64 = (1 << 53) - 1;

pub(crate) async fn place(node: &RedisBroker, batch: Vec<Draft>) -> Vec<Result<Placed, BrokerError>> {
    let (fitting, too_large): (Vec<_>, Vec<_>) =
        batch.iter().enumerate().partition(|(_, draft)| draft.body.len() <= BODY_BYTES);
    let too_large = too_large.into_iter().map(|(at, _)| (at, Err(too_large_error())));
    let mut answers: BTreeMap<usize, _> = too_large.collect();
    let mut rest = &fitting[..];
    let mut failed: Option<BrokerError> = None;
    while !rest.is_empty() {
        let (some, others) = rest.split_at(together(rest));
        let drafts: Vec<_> = some.iter().map(|(_, draft)| *draft).collect();
        // What follows must not be placed before what may be said again.
        let placed = match &failed {
            Some(error) => Err(error.clone()),
            None => place_together(node, &drafts).await,
        };
        match placed {
            Ok(placed) => answers.extend(some.iter().zip(placed).map(|((at, _), placed)| (*at, placed))),
            Err(error) => {
                answers.extend(some.iter().map(|(at, _)| (*at, Err(error.clone()))));
                failed = Some(error);
            }
        }
        rest = others;
    }
    answers.into_values().collect()
}

pub(crate) fn too_large_error() -> BrokerError {
    BrokerError::new(BrokerFault::TooLarge, format!("a body has at most {BODY_BYTES} bytes"))
}

/// Returns how many of these drafts are placed by one call: at least one.
fn together(drafts: &[(usize, &Draft)]) -> usize {
    let mut bytes = 0;
    let fits = |(_, draft): &&(usize, &Draft)| {
        bytes += draft.body.len();
        bytes <= BYTES
    };
    drafts.iter().take(DRAFTS).take_while(fits).count().max(1)
}

async fn place_together(
    node: &RedisBroker,
    drafts: &[&Draft],
) -> Result<Vec<Result<Placed, BrokerError>>, BrokerError> {
    let calls = node.calls()?;
    let names = &node.address.names;
    let (mut keys, mut arguments) = (Vec::new(), Vec::new());
    for draft in drafts {
        let Draft { channel, body, key, ephemeral, keep, .. } = draft;
        let lane = node.lane(channel);
        let (key, window) = match key {
            Some((key, window)) => (names.key(lane, channel, key), milliseconds(*window).max(1).to_string()),
            None => (names.meta(lane, channel), String::new()),
        };
        keys.extend([names.meta(lane, channel), names.entries(lane, channel), key]);
        let flag = if *ephemeral { "1" } else { "0" };
        let fields =
            [names.said_in(lane, channel).into(), flag.into(), window.into(), fresh(), (&**body).into()];
        arguments.extend(fields);
        arguments.extend([
            bounded(keep.entries),
            bounded(keep.bytes),
            milliseconds(keep.age).to_string().into(),
        ]);
    }
    let answers = array(calls.call(Script::Place, &keys, &arguments).await?)?;
    if answers.len() != drafts.len() {
        return Err(strange());
    }
    Ok(answers.into_iter().map(|answer| placed(&calls, answer)).collect())
}

fn placed(calls: &Calls, answer: Value) -> Result<Placed, BrokerError> {
    match &array(answer)?[..] {
        [Value::BulkString(mark), Value::BulkString(line)] if mark == b"!" => {
            let line = String::from_utf8_lossy(line);
            if error::is_elsewhere(line.split(' ').next().unwrap_or_default()) {
                calls.lose();
            }
            Err(error::line(&line))
        }
        [epoch, offset, already] => {
            let stand = stand(epoch, offset)?;
            Ok(if *already == Value::Int(1) { Placed::already(stand) } else { Placed::now(stand) })
        }
        _ => Err(strange()),
    }
}

pub(crate) async fn stands(node: &RedisBroker, channels: &[ChannelId]) -> Result<Vec<Stand>, BrokerError> {
    let nothing = HistoryOptions::default();
    let wanted: Vec<_> = channels.iter().map(|channel| (channel, nothing)).collect();
    let visited = visit(node, &wanted, STANDS).await?;
    Ok(visited.into_iter().map(|joined| joined.stand).collect())
}

pub(crate) async fn read_joined(node: &RedisBroker, joins: &[Join]) -> Result<Vec<Joined>, BrokerError> {
    let wanted: Vec<_> = joins.iter().map(|join| (&join.channel, join.keep)).collect();
    visit(node, &wanted, JOINS).await
}

/// Visits channels, so many of a lane with one call, and returns the answers in the order of the channels.
async fn visit(
    node: &RedisBroker,
    wanted: &[(&ChannelId, HistoryOptions)],
    together: usize,
) -> Result<Vec<Joined>, BrokerError> {
    let mut lanes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, (channel, _)) in wanted.iter().enumerate() {
        lanes.entry(node.lane(channel)).or_default().push(at);
    }
    let calls = lanes.iter().flat_map(|(lane, all)| all.chunks(together).map(|some| (*lane, some.to_vec())));
    let calls: Vec<_> = calls.map(|(lane, some)| visit_together(node, lane, wanted, some)).collect();
    let answers: Vec<_> = stream::iter(calls).buffered(CALLS).try_collect().await?;
    let ordered: BTreeMap<_, _> = answers.into_iter().flatten().collect();
    Ok(ordered.into_values().collect())
}

async fn visit_together(
    node: &RedisBroker,
    lane: usize,
    wanted: &[(&ChannelId, HistoryOptions)],
    some: Vec<usize>,
) -> Result<Vec<(usize, Joined)>, BrokerError> {
    let names = &node.address.names;
    let (mut keys, mut arguments) = (Vec::new(), Vec::new());
    for (channel, keep) in some.iter().map(|at| wanted[*at]) {
        keys.extend([names.meta(lane, channel), names.entries(lane, channel)]);
        let age = milliseconds(keep.age).to_string().into();
        arguments.extend([age, bounded(keep.entries), bounded(keep.bytes), fresh()]);
    }
    let answers = array(node.calls()?.call(Script::Visit, &keys, &arguments).await?)?;
    if answers.len() != some.len() {
        return Err(strange());
    }
    some.into_iter().zip(answers).map(|(at, answer)| Ok((at, visited(answer)?))).collect()
}

fn visited(answer: Value) -> Result<Joined, BrokerError> {
    let [epoch, offset, newest] = exactly(answer)?;
    let stand = stand(&epoch, &offset)?;
    let mut kept = entries(newest)?;
    kept.reverse();
    let first = Offset((stand.offset.0 + 1).saturating_sub(kept.len() as u64));
    if kept.iter().zip(first.0..).all(|(entry, offset)| entry.offset.0 == offset) {
        Ok(Joined::new(stand, kept))
    } else {
        Err(corrupt("the entries are not those that were put there"))
    }
}

pub(crate) async fn page(
    node: &RedisBroker,
    request: &HistoryRequest,
    bytes: usize,
) -> Result<Page, BrokerError> {
    let HistoryRequest { channel, after, before, limit, reverse, .. } = request;
    let (names, lane) = (&node.address.names, node.lane(channel));
    let keys = [names.meta(lane, channel), names.entries(lane, channel)];
    let number = |offset: Option<Offset>, without| match offset {
        Some(offset) => offset.0.min(MOST).to_string().into(),
        None => Cow::from(without),
    };
    let (after, before) = (number(*after, "0"), number(*before, "9007199254740991"));
    let reverse = if *reverse { "1" } else { "0" }.into();
    let arguments = [fresh(), after, before, bounded(*limit), bounded(bytes), reverse];
    let [epoch, offset, more, found] = exactly(node.calls()?.call(Script::Page, &keys, &arguments).await?)?;
    let entries = entries(found)?;
    let step = |pair: &[Entry]| pair[0].offset.0.abs_diff(pair[1].offset.0) == 1;
    if entries.windows(2).all(step) {
        Ok(Page::new(stand(&epoch, &offset)?, entries, more == Value::Int(1)))
    } else {
        Err(corrupt("the entries are not those that were put there"))
    }
}

fn fresh() -> Cow<'static, str> {
    Epoch(fastrand::u64(1..)).to_string().into()
}

fn milliseconds(time: Duration) -> u128 {
    time.min(LONGEST).as_millis()
}

fn bounded(number: usize) -> Cow<'static, str> {
    (number as u64).min(MOST).to_string().into()
}

fn strange() -> BrokerError {
    corrupt("the server answers with something else")
}

fn array(value: Value) -> Result<Vec<Value>, BrokerError> {
    if let Value::Array(values) = value { Ok(values) } else { Err(strange()) }
}

fn exactly<const N: usize>(value: Value) -> Result<[Value; N], BrokerError> {
    array(value)?.try_into().map_err(|_| strange())
}

fn stand(epoch: &Value, offset: &Value) -> Result<Stand, BrokerError> {
    let (Value::BulkString(epoch), Value::Int(offset)) = (epoch, offset) else { return Err(strange()) };
    let epoch = std::str::from_utf8(epoch).ok().and_then(|text| text.parse::<Epoch>().ok());
    let offset = u64::try_from(*offset).map_err(|_| strange())?;
    Ok(Stand::new(epoch.filter(|epoch| *epoch != Epoch::NONE).ok_or_else(strange)?, Offset(offset)))
}

fn entries(value: Value) -> Result<Vec<Entry>, BrokerError> {
    let odd = || corrupt("an entry has another form");
    array(value)?.into_iter().map(|value| entry(value).ok_or_else(odd)).collect()
}

/// Reads `version offset time`, a line feed, and a body.
fn entry(value: Value) -> Option<Entry> {
    let Value::BulkString(bytes) = value else { return None };
    let (head, body) = std::str::from_utf8(&bytes).ok()?.split_once('\n')?;
    let offset = head.strip_prefix("1 ")?.split(' ').next()?.parse().ok()?;
    (body.len() <= BODY_BYTES).then(|| Entry::new(Offset(offset), body))
}

pub(crate) async fn tell(
    node: &RedisBroker,
    channel: Option<&ChannelId>,
    envelope: &str,
) -> Result<(), BrokerError> {
    let names = &node.address.names;
    let to = match channel {
        Some(channel) => names.said_in(node.lane(channel), channel),
        None => names.said_to_all(),
    };
    node.calls()?.publish(&to, envelope).await
}
