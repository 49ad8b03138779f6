//! Implements a store in memory that keeps the port's contract, and that can fail in every way.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chat_core::runtime::Runtime;
use chat_core::store::{
    HistoryStore, ReadMark, Recall, Recalled, RecalledKey, StoreError, Stored, StoredPage,
};
use chat_core::testkit::World;
use chat_core::{ChannelId, Epoch, HistoryRequest, Offset, Publication, UserId};
use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::{BoxFuture, pending};

/// Holds the store. It is cheap to clone; the clones are one store.
#[derive(Clone, Debug, Default)]
pub struct FaultyStore(Arc<Mutex<State>>);

/// Names the calls that a store gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names of the port")]
pub enum Call {
    Open,
    Resume,
    Recall,
    Append,
    Read,
    MarkRead,
    Trim,
    Close,
}

/// Sets the outcome of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// Does the call.
    #[default]
    Well,
    /// Does the call after this time.
    Slow(Duration),
    /// Fails without doing the call.
    Fails,
    /// Does the call, and answers that it failed.
    Lies,
    /// Never ends, without doing the call.
    Hangs,
    /// Does the call, and never ends.
    Swallows,
    /// Panics in the call.
    Panics,
}

/// Holds the stored part of a channel.
#[derive(Clone, Debug)]
struct Row {
    epoch: Epoch,
    last: Offset,
    tenure: Option<u64>,
    publications: BTreeMap<Offset, Publication>,
    read: HashMap<UserId, Offset>,
}

#[derive(Default)]
struct State {
    rows: HashMap<ChannelId, Row>,
    moods: Option<Moods>,
    calls: Vec<Call>,
    world: Option<World>,
}

/// Decides the outcome of a call by its kind, and by its channel if it has one.
type Moods = Box<dyn FnMut(Call, Option<&ChannelId>) -> Mood + Send>;

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl FaultyStore {
    /// Makes an empty store; slow calls wait in the time of this world.
    pub fn within(world: &World) -> Self {
        let store = Self::default();
        store.move_to(world);
        store
    }

    /// Moves the store into another world, as a disk survives a restart of its machine.
    pub fn move_to(&self, world: &World) {
        self.with(|state| state.world = Some(world.clone()));
    }

    /// Sets the outcome of all calls from now on.
    pub fn be(&self, mood: Mood) {
        self.decide(move |_, _| mood);
    }

    /// Sets the outcome of calls of this kind from now on; all others succeed.
    pub fn be_at(&self, call: Call, mood: Mood) {
        self.decide(move |asked, _| if asked == call { mood } else { Mood::Well });
    }

    /// Sets the outcome of calls about this channel alone from now on; all others succeed.
    pub fn be_for(&self, channel: &str, mood: Mood) {
        let channel: ChannelId = channel.parse().expect("a name");
        self.decide(move |_, asked| if asked == Some(&channel) { mood } else { Mood::Well });
    }

    /// Sets what decides the outcome of each call from now on.
    pub fn decide(&self, moods: impl FnMut(Call, Option<&ChannelId>) -> Mood + Send + 'static) {
        let before = self.with(|state| state.moods.replace(Box::new(moods)));
        drop(before);
    }

    /// Returns the calls so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.with(|state| state.calls.clone())
    }

    /// Returns the channels that have stored anything.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.with(|state| state.rows.keys().map(ToString::to_string).collect());
        names.sort();
        names
    }

    /// Returns the offsets that are stored of a channel.
    pub fn offsets(&self, channel: &str) -> Vec<u64> {
        self.contents(channel).into_iter().map(|(offset, _)| offset).collect()
    }

    /// Returns the stored part of a channel.
    pub fn contents(&self, channel: &str) -> Vec<(u64, String)> {
        let text = |said: &Publication| String::from_utf8_lossy(said.message.content.as_bytes()).into_owned();
        self.with(|state| {
            let row = state.rows.get(&channel.parse::<ChannelId>().expect("a name"));
            let all = row.into_iter().flat_map(|row| &row.publications);
            all.map(|(offset, said)| (offset.0, text(said))).collect()
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a call with the outcome that is set. Its work is done at once, unless the call is slow.
    fn call<T: Send + 'static>(
        &self,
        call: Call,
        channel: Option<&ChannelId>,
        what: impl FnOnce(&mut State) -> Result<T, StoreError> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        let mood = self.with(|state| {
            state.calls.push(call);
            state.moods.as_mut().map_or(Mood::Well, |moods| moods(call, channel))
        });
        let failed = || Err(StoreError::new("the disk is full"));
        async move {
            match mood {
                Mood::Well => self.with(what),
                Mood::Slow(by) => {
                    let world = self.with(|state| state.world.clone()).expect("a world, for time to pass");
                    world.sleep_until(world.after(by)).await;
                    self.with(what)
                }
                Mood::Fails => failed(),
                Mood::Lies => self.with(what).and_then(|_| failed()),
                Mood::Hangs => pending().await,
                Mood::Swallows => {
                    let _ = self.with(what);
                    pending().await
                }
                Mood::Panics => panic!("a store that panics"),
            }
        }
        .boxed()
    }
}

fn open(rows: &mut HashMap<ChannelId, Row>, channel: ChannelId, fresh: Epoch, tenure: u64) -> Stored {
    let row = rows.entry(channel).or_insert_with(|| Row {
        epoch: fresh,
        last: Offset(0),
        tenure: None,
        publications: BTreeMap::new(),
        read: HashMap::new(),
    });
    if row.tenure.is_some_and(|before| before != tenure) {
        row.epoch = fresh;
    }
    row.tenure = Some(tenure);
    Stored::new(row.epoch, row.last)
}

fn append(state: &mut State, publications: &[Arc<Publication>]) -> Result<(), StoreError> {
    let all_open = publications.iter().all(|said| state.rows.contains_key(&said.message.channel_id));
    if !all_open {
        return Err(StoreError::new("a channel that was never opened"));
    }
    for said in publications {
        let row = state.rows.get_mut(&said.message.channel_id).expect("it was opened");
        row.last = row.last.max(said.offset);
        row.publications.entry(said.offset).or_insert_with(|| Publication::clone(said));
    }
    Ok(())
}

fn read(state: &State, request: &HistoryRequest, mut bytes: usize) -> StoredPage {
    let Some(row) = state.rows.get(&request.channel) else { return StoredPage::default() };
    let (after, before) = (request.after.unwrap_or_default(), request.before.unwrap_or(Offset(u64::MAX)));
    let mut all: Vec<_> = row.publications.values().cloned().collect();
    all.retain(|said| said.offset > after && said.offset < before);
    if request.reverse {
        all.reverse();
    }
    let found = all.len();
    let mut publications: Vec<Publication> = Vec::new();
    for mut said in all.into_iter().take(request.limit) {
        let size = said.message.content.as_bytes().len();
        if !publications.is_empty() && size > bytes {
            break;
        }
        bytes = bytes.saturating_sub(size);
        (said.epoch, said.key, said.from) = (row.epoch, None, None);
        publications.push(said);
    }
    let more = publications.len() < found;
    StoredPage::new(publications, more)
}

fn recall(state: &State, channel: &ChannelId, since: DateTime<Utc>, most: Recall) -> Recalled {
    let Some(row) = state.rows.get(channel) else { return Recalled::default() };
    let key = |said: &Publication| {
        let key = said.key.clone().filter(|_| said.message.timestamp > since)?;
        Some(RecalledKey::new(said.author.clone(), key, said.offset, said.message.timestamp))
    };
    let keys: Vec<_> = row.publications.values().filter_map(key).collect();
    let newest = keys.len().saturating_sub(most.keys);
    let read = row.read.iter().take(most.marks).map(|(user, offset)| (user.clone(), *offset)).collect();
    Recalled::default().with_keys(keys.into_iter().skip(newest).collect()).with_read(read)
}

impl HistoryStore for FaultyStore {
    fn open(
        &self,
        channel: &ChannelId,
        fresh: Epoch,
        tenure: u64,
    ) -> BoxFuture<'_, Result<Stored, StoreError>> {
        let name = channel.clone();
        self.call(Call::Open, Some(channel), move |state| Ok(open(&mut state.rows, name, fresh, tenure)))
    }

    fn resume(
        &self,
        channel: &ChannelId,
        fresh: Epoch,
        tenure: u64,
    ) -> BoxFuture<'_, Result<Option<Stored>, StoreError>> {
        let name = channel.clone();
        self.call(Call::Resume, Some(channel), move |state| {
            let known = state.rows.contains_key(&name);
            Ok(known.then(|| open(&mut state.rows, name, fresh, tenure)))
        })
    }

    fn recall(
        &self,
        channel: &ChannelId,
        since: DateTime<Utc>,
        most: Recall,
    ) -> BoxFuture<'_, Result<Recalled, StoreError>> {
        let name = channel.clone();
        self.call(Call::Recall, Some(channel), move |state| Ok(recall(state, &name, since, most)))
    }

    fn mark_read(&self, marks: Vec<ReadMark>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.call(Call::MarkRead, None, move |state| {
            for ReadMark { channel, user, offset, .. } in marks {
                let Some(row) = state.rows.get_mut(&channel) else { continue };
                let mark = row.read.entry(user).or_default();
                *mark = offset.min(row.last).max(*mark);
            }
            Ok(())
        })
    }

    fn append(&self, publications: Vec<Arc<Publication>>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.call(Call::Append, None, move |state| append(state, &publications))
    }

    fn read(&self, request: HistoryRequest, bytes: usize) -> BoxFuture<'_, Result<StoredPage, StoreError>> {
        let channel = request.channel.clone();
        self.call(Call::Read, Some(&channel), move |state| Ok(read(state, &request, bytes)))
    }

    fn trim(&self, channel: &ChannelId, before: Offset) -> BoxFuture<'_, Result<(), StoreError>> {
        let name = channel.clone();
        self.call(Call::Trim, Some(channel), move |state| {
            if let Some(row) = state.rows.get_mut(&name) {
                row.publications.retain(|offset, _| *offset >= before);
            }
            Ok(())
        })
    }

    fn close(&self, tenure: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        self.call(Call::Close, None, move |state| {
            let of_it = state.rows.values_mut().filter(|row| row.tenure == Some(tenure));
            of_it.for_each(|row| row.tenure = None);
            Ok(())
        })
    }
}
