//! Implements a broker within one process, for hubs that share it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};

use async_channel::{Receiver, Sender, TrySendError};
use futures::future::{BoxFuture, ready};

use crate::lock::lock;
use crate::model::{ChannelId, Epoch, HistoryOptions, HistoryRequest, Instant, Offset, later};
use crate::port::Runtime;
use crate::port::broker::{
    BODY_BYTES, Broker, BrokerError, BrokerFault, Draft, Entry, Heard, Join, Joined, Page, Placed, Promises,
    STAND, Stand,
};

/// Bounds the events that wait for one node; a node that is further behind is deaf.
const BEHIND: usize = 1024;

/// Bounds the publications of which the order over all channels is known.
const RECENT: usize = 1024;

/// Makes hubs of one process one, as an engine does for nodes: the reference that other brokers are compared
/// with. A clone is the same memory.
///
/// ```
/// use chat_core::broker::Broker;
/// use chat_core::testkit::{MemoryBroker, World};
///
/// let memory = MemoryBroker::new(World::new());
/// let (here, there) = (memory.node(), memory.node());
/// assert!(here.promises().reliable && there.lanes() == 1);
/// ```
#[derive(Clone)]
pub struct MemoryBroker(Arc<Memory>);

/// Connects one node to a [`MemoryBroker`].
#[derive(Debug)]
pub struct MemoryNode {
    memory: MemoryBroker,
    number: u64,
    queue: Receiver<Heard>,
}

struct Memory {
    runtime: Arc<dyn Runtime>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    channels: BTreeMap<ChannelId, Kept>,
    /// Lists the last publications over all channels, in their order.
    recent: VecDeque<(ChannelId, Offset)>,
    nodes: BTreeMap<u64, Ears>,
    next: u64,
}

/// Holds what the memory knows of a node.
struct Ears {
    queue: Sender<Heard>,
    joined: HashSet<ChannelId>,
    /// Is true if something was dropped since the node last heard [`Heard::Back`].
    deaf: bool,
    /// Is true once the node listens.
    listens: bool,
}

/// Holds what is kept of a channel.
struct Kept {
    stand: Stand,
    keep: HistoryOptions,
    entries: VecDeque<(Entry, Instant)>,
    bytes: usize,
    keys: HashMap<Arc<str>, (Offset, Instant)>,
    until: Instant,
}

impl MemoryBroker {
    /// Returns an empty memory that takes the time from this runtime.
    pub fn new(runtime: impl Runtime) -> Self {
        Self(Arc::new(Memory { runtime: Arc::new(runtime), state: Mutex::default() }))
    }

    /// Connects one more node.
    pub fn node(&self) -> MemoryNode {
        let (sender, queue) = async_channel::bounded(BEHIND);
        let mut state = lock(&self.0.state);
        state.next += 1;
        let number = state.next;
        let ears = Ears { queue: sender, joined: HashSet::new(), deaf: false, listens: false };
        state.nodes.insert(number, ears);
        MemoryNode { memory: self.clone(), number, queue }
    }

    /// Forgets everything, as an engine does that restarts without its data: each channel begins a new epoch.
    pub fn forget(&self) {
        let mut state = lock(&self.0.state);
        state.channels.clear();
        state.recent.clear();
    }

    /// Forgets the last publications, so many over all channels, and begins a new epoch of each channel.
    pub(super) fn forget_last(&self, publications: usize) {
        let mut state = lock(&self.0.state);
        let kept = state.recent.len().saturating_sub(publications);
        for (channel, offset) in state.recent.split_off(kept).into_iter().rev() {
            if let Some(kept) = state.channels.get_mut(&channel) {
                kept.forget_from(offset);
            }
        }
        state.channels.values_mut().for_each(|kept| kept.stand.epoch = self.epoch());
    }

    /// Begins a new epoch of a channel, which keeps what it has.
    pub(super) fn begin_epoch(&self, channel: &ChannelId) {
        if let Some(kept) = lock(&self.0.state).channels.get_mut(channel) {
            kept.stand.epoch = self.epoch();
        }
    }

    /// Returns how many channels are joined, once for each node.
    pub fn joined(&self) -> usize {
        lock(&self.0.state).nodes.values().map(|node| node.joined.len()).sum()
    }

    /// Returns how many nodes are connected.
    pub fn nodes(&self) -> usize {
        lock(&self.0.state).nodes.len()
    }

    /// Publishes a body that no hub wrote, as whoever has access to an engine can.
    ///
    /// # Panics
    /// Panics if the text is no name of a channel.
    pub fn inject(&self, channel: &str, body: &str) -> impl Future<Output = ()> + Send + 'static {
        let channel = channel.parse().expect("a name");
        let draft = Draft::new(channel, body, HistoryOptions::of(100, STAND));
        let node = self.node();
        async move {
            node.publish(0, vec![draft]).await;
        }
    }

    fn now(&self) -> Instant {
        self.0.runtime.instant()
    }

    fn epoch(&self) -> Epoch {
        Epoch(self.0.runtime.random() | 1)
    }

    fn with<T>(&self, act: impl FnOnce(&mut State, Instant) -> T) -> T {
        let now = self.now();
        act(&mut lock(&self.0.state), now)
    }

    /// Returns a channel, which begins anew if nothing is remembered of it.
    fn channel<'a>(&self, state: &'a mut State, name: &ChannelId, now: Instant) -> &'a mut Kept {
        if state.channels.get(name).is_some_and(|kept| kept.until <= now) {
            state.channels.remove(name);
            state.recent.retain(|(channel, _)| channel != name);
        }
        let kept = state
            .channels
            .entry(name.clone())
            .or_insert_with(|| Kept::new(Stand::new(self.epoch(), Offset(0)), now));
        kept.forget_old(now);
        kept
    }

    fn place(&self, state: &mut State, draft: Draft, now: Instant) -> Result<Placed, BrokerError> {
        if draft.body.len() > BODY_BYTES {
            return Err(BrokerError::new(BrokerFault::TooLarge, "the body is longer than a broker carries"));
        }
        let kept = self.channel(state, &draft.channel, now);
        if let Some(offset) = draft.key.as_ref().and_then(|(key, _)| kept.keys.get(key)).map(|(at, _)| *at) {
            return Ok(Placed::already(Stand::new(kept.stand.epoch, offset)));
        }
        kept.keep(draft.keep, now);
        kept.append(&draft, now);
        let stand = kept.stand;
        let Draft { channel, body, ephemeral, .. } = draft;
        if !ephemeral {
            state.recent.push_back((channel.clone(), stand.offset));
            let over = state.recent.len().saturating_sub(RECENT);
            state.recent.drain(..over);
        }
        state.say(Some(&channel.clone()), &Heard::Published { channel, stand, ephemeral, body });
        Ok(Placed::now(stand))
    }
}

impl Kept {
    fn new(stand: Stand, now: Instant) -> Self {
        let (entries, keys) = (VecDeque::new(), HashMap::new());
        Self { stand, keep: HistoryOptions::default(), entries, bytes: 0, keys, until: later(now, STAND) }
    }

    /// Takes over how much is to be kept, and keeps the stand for as long.
    fn keep(&mut self, keep: HistoryOptions, now: Instant) {
        self.keep = keep;
        self.touch(now);
    }

    fn touch(&mut self, now: Instant) {
        self.until = self.until.max(later(now, self.keep.age.max(STAND)));
    }

    fn append(&mut self, draft: &Draft, now: Instant) {
        if !draft.ephemeral {
            self.stand.offset = self.stand.offset.next();
            self.bytes += draft.body.len();
            self.entries.push_back((Entry::new(self.stand.offset, draft.body.clone()), now));
            while self.entries.len() > self.keep.entries || self.bytes > self.keep.bytes {
                self.forget_first();
            }
        }
        if let Some((key, window)) = &draft.key {
            let until = later(now, *window);
            self.keys.insert(key.clone(), (self.stand.offset, until));
            self.until = self.until.max(until);
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while self.entries.front().is_some_and(|(_, at)| later(*at, self.keep.age) <= now) {
            self.forget_first();
        }
        self.keys.retain(|_, (_, until)| *until > now);
    }

    fn forget_first(&mut self) {
        if let Some((entry, _)) = self.entries.pop_front() {
            self.bytes -= entry.body.len();
        }
    }

    /// Forgets the publication at this offset and all that follow it.
    fn forget_from(&mut self, offset: Offset) {
        self.stand.offset = self.stand.offset.min(Offset(offset.0.saturating_sub(1)));
        while let Some((entry, at)) = self.entries.pop_back() {
            if entry.offset < offset {
                return self.entries.push_back((entry, at));
            }
            self.bytes -= entry.body.len();
        }
        self.keys.retain(|_, (at, _)| *at < offset);
    }

    /// Returns what is kept, but no more than this.
    fn newest(&self, most: HistoryOptions) -> Joined {
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            bytes += entry.body.len();
            bytes <= most.bytes
        };
        let newest_first = self.entries.iter().rev().map(|(entry, _)| entry).take(most.entries);
        let mut kept: Vec<_> = newest_first.take_while(fits).cloned().collect();
        kept.reverse();
        Joined::new(self.stand, kept)
    }

    fn page(&self, request: &HistoryRequest, mut bytes: usize) -> Page {
        let kept = self.entries.iter().map(|(entry, _)| entry);
        let mut found: Vec<_> = kept
            .filter(|entry| request.after.is_none_or(|after| entry.offset > after))
            .filter(|entry| request.before.is_none_or(|before| entry.offset < before))
            .collect();
        if request.reverse {
            found.reverse();
        }
        let all = found.len();
        let mut page = Vec::new();
        for entry in found.into_iter().take(request.limit) {
            if !page.is_empty() && entry.body.len() > bytes {
                break;
            }
            bytes = bytes.saturating_sub(entry.body.len());
            page.push(entry.clone());
        }
        let more = page.len() < all;
        Page::new(self.stand, page, more)
    }
}

impl State {
    /// Hands an event to the nodes of a channel, or to all nodes.
    fn say(&mut self, channel: Option<&ChannelId>, heard: &Heard) {
        for ears in self.nodes.values_mut().filter(|ears| ears.listens) {
            if channel.is_none_or(|channel| ears.joined.contains(channel)) {
                ears.hear(heard.clone());
            }
        }
    }
}

impl Ears {
    fn hear(&mut self, heard: Heard) {
        if !self.deaf {
            self.deaf = matches!(self.queue.try_send(heard), Err(TrySendError::Full(_)));
        }
    }
}

impl MemoryNode {
    fn ears<T>(&self, act: impl FnOnce(&mut Ears) -> T) -> Option<T> {
        self.memory.with(|state, _| state.nodes.get_mut(&self.number).map(act))
    }

    /// Returns true if something was dropped, and from here on nothing more is.
    fn takes_up(&self) -> bool {
        self.ears(|ears| {
            // What still waits is older than what was dropped: the node reads it instead.
            while ears.deaf && self.queue.try_recv().is_ok() {}
            std::mem::take(&mut ears.deaf)
        })
        .unwrap_or_default()
    }

    async fn hand_over(&self, to: Sender<Heard>) -> Option<()> {
        self.ears(|ears| ears.listens = true)?;
        to.send(Heard::Back).await.ok()?;
        loop {
            let heard = self.queue.recv().await.ok()?;
            if self.takes_up() {
                to.send(Heard::Deaf).await.ok()?;
                to.send(Heard::Back).await.ok()?;
            } else {
                to.send(heard).await.ok()?;
            }
        }
    }
}

impl Broker for MemoryNode {
    fn publish(&self, _: usize, batch: Vec<Draft>) -> BoxFuture<'_, Vec<Result<Placed, BrokerError>>> {
        let memory = &self.memory;
        let placed = memory
            .with(|state, now| batch.into_iter().map(|draft| memory.place(state, draft, now)).collect());
        Box::pin(ready(placed))
    }

    fn join(&self, joins: Vec<Join>) -> BoxFuture<'_, Result<Vec<Joined>, BrokerError>> {
        let memory = &self.memory;
        let joined = memory.with(|state, now| {
            let join = |Join { channel, keep }| {
                if let Some(ears) = state.nodes.get_mut(&self.number) {
                    ears.joined.insert(channel.clone());
                }
                let kept = memory.channel(state, &channel, now);
                kept.until = kept.until.max(later(now, keep.age.max(STAND)));
                kept.newest(keep)
            };
            joins.into_iter().map(join).collect()
        });
        Box::pin(ready(Ok(joined)))
    }

    fn leave(&self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.ears(|ears| ears.joined.retain(|joined| !channels.contains(joined)));
        Box::pin(ready(Ok(())))
    }

    fn stands(&self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<Vec<Stand>, BrokerError>> {
        let memory = &self.memory;
        let stands = memory.with(|state, now| {
            let stand = |name| {
                let kept = memory.channel(state, &name, now);
                kept.touch(now);
                kept.stand
            };
            channels.into_iter().map(stand).collect()
        });
        Box::pin(ready(Ok(stands)))
    }

    fn read(&self, request: HistoryRequest, bytes: usize) -> BoxFuture<'_, Result<Page, BrokerError>> {
        let memory = &self.memory;
        let page =
            memory.with(|state, now| memory.channel(state, &request.channel, now).page(&request, bytes));
        Box::pin(ready(Ok(page)))
    }

    fn tell(&self, channel: Option<ChannelId>, body: Arc<str>) -> BoxFuture<'_, Result<(), BrokerError>> {
        if body.len() > BODY_BYTES {
            let error = BrokerError::new(BrokerFault::TooLarge, "the word is longer than a broker carries");
            return Box::pin(ready(Err(error)));
        }
        self.memory.with(|state, _| state.say(channel.clone().as_ref(), &Heard::Told { channel, body }));
        Box::pin(ready(Ok(())))
    }

    fn run(&self, heard: Sender<Heard>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.hand_over(heard).await;
        })
    }

    fn promises(&self) -> Promises {
        Promises::default().with_reliable(true)
    }
}

impl Drop for MemoryNode {
    fn drop(&mut self) {
        self.memory.with(|state, _| state.nodes.remove(&self.number));
    }
}

impl fmt::Debug for MemoryBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels = lock(&self.0.state).channels.len();
        f.debug_struct("MemoryBroker").field("channels", &channels).finish_non_exhaustive()
    }
}
