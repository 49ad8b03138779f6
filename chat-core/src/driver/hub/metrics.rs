//! Counts what happens in a hub.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde::Serialize;

use crate::driver::outbox::subscription::Delivery;
use crate::driver::padded::Padded;
use crate::lock::lock;
use crate::model::{Close, Refusal};

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) publications: Spread,
    deliveries: Spread,
    pub(crate) opened: Counter,
    pub(crate) joined: Counter,
    pub(crate) left: Counter,
    pub(crate) bad_requests: Counter,
    pub(crate) turned_away: Counter,
    pub(crate) store_errors: Counter,
    pub(crate) hook_panics: Counter,
    pub(crate) broker_errors: Counter,
    pub(crate) broker_corrupt: Counter,
    pub(crate) broker_resets: Counter,
    /// Counts publications of the server that could not be given a place: too much waited, or the store was
    /// given up.
    pub(crate) undeferred: Counter,
    refusals: Mutex<BTreeMap<u16, u64>>,
    rejections: Mutex<BTreeMap<u16, u64>>,
    dropped: Mutex<BTreeMap<&'static str, u64>>,
    closes: Mutex<BTreeMap<u16, u64>>,
    cut_short: Mutex<BTreeMap<&'static str, u64>>,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

/// Counts what every core adds to all the time: each thread has one of its parts, and a read adds them up.
#[derive(Debug, Default)]
pub(crate) struct Spread([Padded<Counter>; PARTS]);

/// Sets the number of parts. More threads than that share parts, which costs them a little and nothing else.
const PARTS: usize = 16;

thread_local! {
    /// Chooses this thread's part.
    static PART: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % PARTS
    };
}

/// Holds what a hub has counted since it was built, and how much it holds now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Stats {
    /// Counts the sessions there are, open or not yet.
    pub sessions: usize,
    /// Counts the channels there are.
    pub channels: usize,
    /// Counts the subscriptions there are.
    pub subscriptions: u64,
    /// Counts the bytes that wait in all outboxes.
    pub outbox_bytes: usize,
    /// Counts the bytes of all history that channels keep.
    pub history_bytes: usize,
    /// Counts the sessions that were accepted.
    pub opened: u64,
    /// Counts the subscriptions that began.
    pub joined: u64,
    /// Counts the publications that were given a place.
    pub publications: u64,
    /// Counts the publications that were handed to subscribers, once for each subscriber.
    pub deliveries: u64,
    /// Counts the messages that were no request.
    pub bad_requests: u64,
    /// Counts the sessions that got no permit, because the hub was full or drained.
    pub turned_away: u64,
    /// Counts how often the store failed, or took too long.
    pub store_errors: u64,
    /// Counts the panics of hooks that only tell the endpoint something, of which nothing else comes.
    pub hook_panics: u64,
    /// Counts how often the broker failed, or took too long.
    pub broker_errors: u64,
    /// Counts what the broker handed over and no node of this version has said; it was dropped.
    pub broker_corrupt: u64,
    /// Counts how often a channel lost its place, and its subscribers were taken out with 112.
    pub broker_resets: u64,
    /// Counts the publications that should have been stored and are not.
    pub unstored: u64,
    /// Counts the clients that came no further than the handshake, by HTTP status.
    pub rejections: BTreeMap<u16, u64>,
    /// Counts the requests that were refused, by error code.
    pub refusals: BTreeMap<u16, u64>,
    /// Counts the publications that were dropped, by reason: `slow` over a bound, `left` with an unsubscribe,
    /// `closed` with a session.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Counts the sessions that ended, by close code.
    pub closes: BTreeMap<u16, u64>,
    /// Counts what met a bound and was cut short there, without a refusal: an `answer` of more entries than
    /// may be, a `turn` of more input, a `close` that the peer did not answer, an `accept` for which the
    /// system had nothing left, a `record` of a user or an address that was forgotten early, an `input` that
    /// was not complete when too much of that was held, `requests` that were not read at once since they came
    /// faster than they may, a publication that the `broker` was not given since too much waited for it,
    /// `presence` that one node has of another only in part, `users` of other nodes that are not counted.
    pub cut_short: BTreeMap<&'static str, u64>,
    /// Counts how often a channel was looked up by name, which measures the work of the shards.
    pub channel_visits: u64,
}

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Spread {
    pub(crate) fn add(&self, n: u64) {
        self.0[PART.with(|part| *part)].add(n);
    }

    fn read(&self) -> u64 {
        self.0.iter().map(|part| part.read()).sum()
    }
}

impl Metrics {
    pub(crate) fn delivered(&self, delivery: Delivery) {
        self.deliveries.add(delivery.taken as u64);
        self.dropped("slow", delivery.dropped);
        self.dropped("closed", delivery.late);
    }

    pub(crate) fn dropped(&self, reason: &'static str, n: usize) {
        if n > 0 {
            *lock(&self.dropped).entry(reason).or_default() += n as u64;
        }
    }

    pub(crate) fn cut_short(&self, what: &'static str) {
        *lock(&self.cut_short).entry(what).or_default() += 1;
    }

    pub(crate) fn rejected(&self, status: u16) {
        *lock(&self.rejections).entry(status).or_default() += 1;
    }

    pub(crate) fn refused(&self, refusal: &Refusal) {
        *lock(&self.refusals).entry(refusal.code()).or_default() += 1;
    }

    pub(crate) fn closed(&self, close: &Close) {
        *lock(&self.closes).entry(close.code()).or_default() += 1;
    }

    pub(crate) fn read(&self) -> Stats {
        let (joined, left) = (self.joined.read(), self.left.read());
        Stats {
            subscriptions: joined.saturating_sub(left),
            opened: self.opened.read(),
            joined,
            publications: self.publications.read(),
            deliveries: self.deliveries.read(),
            bad_requests: self.bad_requests.read(),
            turned_away: self.turned_away.read(),
            store_errors: self.store_errors.read(),
            hook_panics: self.hook_panics.read(),
            broker_errors: self.broker_errors.read(),
            broker_corrupt: self.broker_corrupt.read(),
            broker_resets: self.broker_resets.read(),
            rejections: lock(&self.rejections).clone(),
            refusals: lock(&self.refusals).clone(),
            dropped: lock(&self.dropped).clone(),
            closes: lock(&self.closes).clone(),
            cut_short: lock(&self.cut_short).clone(),
            ..Stats::default()
        }
    }
}
