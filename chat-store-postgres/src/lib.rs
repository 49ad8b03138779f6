//! Stores the history of channels in PostgreSQL, for one hub.
//!
//! ```text
//!   PostgresStore    implements the port
//!      │
//!      ▼
//!   line             keeps up the one connection, and the lock of the store on it
//!      │
//!      ▼
//!   sql · recall     carry out the calls in SQL
//!      │
//!      ▼
//!   columns          converts values to columns and back
//! ```
//!
//! ```no_run
//! # async fn of<R: chat_core::runtime::Runtime>(runtime: R) -> Result<(), chat_core::store::StoreError> {
//! use std::time::Duration;
//! use chat_core::{Hub, OpenChat, Storage};
//! use chat_store_postgres::PostgresStore;
//!
//! let hub = Hub::builder(OpenChat::default())
//!     .history(100, Duration::from_secs(300)) // what clients can resume from
//!     .channel(|channel| channel.with_storage(Storage::Kept))
//!     .store(PostgresStore::open("postgres://chat@localhost/app").await?)
//!     .build(runtime);
//! # let _ = hub; Ok(()) }
//! ```

mod columns;
mod line;
mod recall;
mod sql;

use std::sync::Arc;

use chat_core::store::{HistoryStore, ReadMark, Recall, Recalled, StoreError, Stored, StoredPage};
use chat_core::{ChannelId, Epoch, HistoryRequest, Offset, Publication};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

use crate::line::Line;

/// Stores history in a schema that one hub at a time may use. It needs a Tokio runtime.
///
/// A write that is answered survives a crash of the server, whatever `synchronous_commit` is by default,
/// unless `fsync` is off. While the server is away each call fails, and the next one connects again.
#[derive(Debug)]
pub struct PostgresStore {
    line: Line,
    /// Bounds the publications that are kept of each channel; `None` keeps all.
    keep: Option<u64>,
}

impl PostgresStore {
    /// Opens the store in the database of a URL, `postgres://user:password@host:port/database`, with the
    /// parameters `schema` and `sslmode`, and brings the schema up to date. One that is in use by a store
    /// that was just dropped, or whose machine is lost, is waited for up to 5 s.
    ///
    /// # Errors
    /// Fails if the URL is not understood, if the server does not answer within 5 s or does not let us in, if
    /// it cannot be used (it is older than PostgreSQL 15, a replica, or the schema is of a newer version), or
    /// if another store has the schema open.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Ok(Self { line: Line::open(url).await?, keep: None })
    }

    /// Keeps only the newest publications of each channel: older ones are deleted with each append. By
    /// default all are kept for ever.
    pub fn keep(mut self, publications: u64) -> Self {
        self.keep = Some(publications);
        self
    }
}

impl HistoryStore for PostgresStore {
    fn open(
        &self,
        channel: &ChannelId,
        fresh: Epoch,
        tenure: u64,
    ) -> BoxFuture<'_, Result<Stored, StoreError>> {
        let channel = channel.clone();
        Box::pin(async move {
            let opened = sql::open_channel(&self.line, &channel, fresh, tenure, true).await?;
            opened.ok_or_else(|| StoreError::new("the channel was not opened"))
        })
    }

    fn resume(
        &self,
        channel: &ChannelId,
        fresh: Epoch,
        tenure: u64,
    ) -> BoxFuture<'_, Result<Option<Stored>, StoreError>> {
        let channel = channel.clone();
        Box::pin(async move { sql::open_channel(&self.line, &channel, fresh, tenure, false).await })
    }

    fn recall(
        &self,
        channel: &ChannelId,
        since: DateTime<Utc>,
        most: Recall,
    ) -> BoxFuture<'_, Result<Recalled, StoreError>> {
        let channel = channel.clone();
        Box::pin(async move { recall::recall(&self.line, &channel, since, most).await })
    }

    fn mark_read(&self, marks: Vec<ReadMark>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { recall::mark_read(&self.line, &marks).await })
    }

    fn append(&self, publications: Vec<Arc<Publication>>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { sql::append(&self.line, &publications, self.keep).await })
    }

    fn read(&self, request: HistoryRequest, bytes: usize) -> BoxFuture<'_, Result<StoredPage, StoreError>> {
        Box::pin(async move { sql::read(&self.line, &request, bytes).await })
    }

    fn trim(&self, channel: &ChannelId, before: Offset) -> BoxFuture<'_, Result<(), StoreError>> {
        let channel = channel.clone();
        Box::pin(async move { sql::trim(&self.line, &channel, before).await })
    }

    fn close(&self, tenure: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { sql::close(&self.line, tenure).await })
    }
}

/// Runs the README's examples with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
