//! Keeps up the one connection of a store, and the lock of the store on it.
//!
//! The server gives the lock back when the connection ends, so that whoever writes has the lock.

use std::sync::Arc;
use std::time::Duration;

use chat_core::store::StoreError;
use chat_postgres::{Database, DatabaseError, Dedicated, Fault};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// Bounds the wait for a store that was just dropped, and the pause between two looks.
const WAIT: (Duration, Duration) = (Duration::from_secs(5), Duration::from_millis(50));

/// Bounds the calls that are under way at once. Others wait for their turn, which the time of an answer does
/// not count.
const CALLS: usize = 8;

const LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))";
const SYNCHRONOUS: &str = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

#[derive(Debug)]
pub(crate) struct Line {
    database: Database,
    connection: Mutex<Option<Arc<Dedicated>>>,
    turns: Semaphore,
}

impl Line {
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let database = Database::connect(url).await.map_err(StoreError::of)?;
        let connection = connect(&database).await?;
        let connection = Mutex::new(Some(Arc::new(connection)));
        Ok(Self { database, connection, turns: Semaphore::new(CALLS) })
    }

    /// Asks something of SQL. It is one transaction.
    ///
    /// # Errors
    /// Fails if the server refuses it, or does not answer in time. A connection that is lost is made anew
    /// with the next call.
    pub(crate) async fn query(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let _turn = self.turns.acquire().await.map_err(StoreError::of)?;
        let connection = self.connection().await?;
        let answer = connection.query(sql, parameters).await;
        if let Err(error) = &answer
            && error.fault() == Fault::Unavailable
        {
            let mut current = self.connection.lock().await;
            current.take_if(|current| Arc::ptr_eq(current, &connection));
        }
        answer.map_err(StoreError::of)
    }

    async fn connection(&self) -> Result<Arc<Dedicated>, StoreError> {
        let mut current = self.connection.lock().await;
        if let Some(connection) = current.as_ref().filter(|connection| !connection.is_lost()) {
            return Ok(connection.clone());
        }
        // The lock of the one before must not be waited for by this one.
        *current = None;
        let connection = Arc::new(connect(&self.database).await?);
        *current = Some(connection.clone());
        Ok(connection)
    }
}

async fn connect(database: &Database) -> Result<Dedicated, StoreError> {
    let connection = database.dedicated(|_| {}).await.map_err(StoreError::of)?;
    connection.query(SYNCHRONOUS, &[]).await.map_err(StoreError::of)?;
    let name = format!("chat store {}", database.schema());
    let end = Instant::now() + WAIT.0;
    while !is_locked(&connection, &name).await.map_err(StoreError::of)? {
        if Instant::now() > end {
            return Err(StoreError::new(format!("another store has the schema {} open", database.schema())));
        }
        sleep(WAIT.1).await;
    }
    Ok(connection)
}

async fn is_locked(connection: &Dedicated, name: &str) -> Result<bool, DatabaseError> {
    let rows = connection.query(LOCK, &[&name]).await?;
    Ok(rows.first().is_some_and(|row| row.try_get(0).unwrap_or_default()))
}
