//! Stores the history of channels in a SQLite file, for a hub on any runtime.
//!
//! ```text
//!   SqliteStore    implements the port: asks the thread, and waits for its answer
//!      │
//!      ▼
//!   thread         owns the file, and puts all waiting calls into one transaction
//!      │
//!      ▼
//!   sql · recall   carry out the calls in SQL
//!      │
//!      ▼
//!   columns        converts values to columns and back
//! ```
//!
//! ```no_run
//! # fn of<R: chat_core::runtime::Runtime>(runtime: R) -> Result<(), chat_core::store::StoreError> {
//! use std::time::Duration;
//! use chat_core::{Hub, OpenChat, Storage};
//! use chat_store_sqlite::SqliteStore;
//!
//! let hub = Hub::builder(OpenChat::default())
//!     .history(100, Duration::from_secs(300)) // what clients can resume from
//!     .channel(|channel| channel.with_storage(Storage::Kept))
//!     .store(SqliteStore::open("chat.db")?)
//!     .build(runtime);
//! # let _ = hub; Ok(()) }
//! ```

mod columns;
mod recall;
mod sql;
mod thread;

use std::path::Path;
use std::sync::Arc;

use chat_core::store::{HistoryStore, ReadMark, Recall, Recalled, StoreError, Stored, StoredPage};
use chat_core::{ChannelId, Epoch, HistoryRequest, Offset, Publication};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use thread::Thread;

/// Stores history in a file that one process at a time may use. Dropping the store finishes all calls that
/// were made.
///
/// Writes that wait at the same time are committed together. A write that is answered survives a crash of the
/// machine.
#[derive(Debug)]
pub struct SqliteStore {
    thread: Thread,
    /// Bounds the publications that are kept of each channel; `None` keeps all.
    keep: Option<u64>,
}

impl SqliteStore {
    /// Opens a file, and creates it if it does not exist.
    ///
    /// # Errors
    /// Fails if the file is no store, was written by a newer version, or is open in another process.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let named = |error: rusqlite::Error| StoreError::of(error).within(path.display());
        let connection = sql::open(path).map_err(named)?;
        let version = sql::version(&connection).map_err(named)?;
        if version != sql::VERSION {
            let message = format!("the file has version {version}; the newest supported is {}", sql::VERSION);
            return Err(StoreError::new(message).within(path.display()));
        }
        Ok(Self { thread: Thread::spawn(connection), keep: None })
    }

    /// Keeps only the newest publications of each channel: older ones are deleted with each append. By
    /// default all are kept for ever.
    pub fn keep(mut self, publications: u64) -> Self {
        self.keep = Some(publications);
        self
    }

    /// Returns how many transactions were committed: fewer than calls, if many came at once.
    pub fn commits(&self) -> u64 {
        self.thread.commits()
    }
}

impl HistoryStore for SqliteStore {
    fn open(
        &self,
        channel: &ChannelId,
        fresh: Epoch,
        tenure: u64,
    ) -> BoxFuture<'_, Result<Stored, StoreError>> {
        let channel = channel.clone();
        self.thread.ask(move |db| sql::open_channel(db, &channel, fresh, tenure))
    }

    fn resume(
        &self,
        channel: &ChannelId,
        fresh: Epoch,
        tenure: u64,
    ) -> BoxFuture<'_, Result<Option<Stored>, StoreError>> {
        let channel = channel.clone();
        self.thread.ask(move |db| sql::resume(db, &channel, fresh, tenure))
    }

    fn recall(
        &self,
        channel: &ChannelId,
        since: DateTime<Utc>,
        most: Recall,
    ) -> BoxFuture<'_, Result<Recalled, StoreError>> {
        let channel = channel.clone();
        self.thread.ask(move |db| recall::recall(db, &channel, since, most))
    }

    fn mark_read(&self, marks: Vec<ReadMark>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.thread.ask(move |db| recall::mark_read(db, &marks))
    }

    fn append(&self, publications: Vec<Arc<Publication>>) -> BoxFuture<'_, Result<(), StoreError>> {
        let keep = self.keep;
        self.thread.ask(move |db| sql::append(db, &publications, keep))
    }

    fn read(&self, request: HistoryRequest, bytes: usize) -> BoxFuture<'_, Result<StoredPage, StoreError>> {
        self.thread.ask(move |db| sql::read(db, &request, bytes))
    }

    fn trim(&self, channel: &ChannelId, before: Offset) -> BoxFuture<'_, Result<(), StoreError>> {
        let channel = channel.clone();
        self.thread.ask(move |db| sql::trim(db, &channel, before))
    }

    fn close(&self, tenure: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        self.thread.ask(move |db| sql::close(db, tenure))
    }
}

/// Runs the README's examples with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
