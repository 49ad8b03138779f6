//! Holds a connection of its own, on which notifications are heard.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Row, Statement};

use crate::address::Address;
use crate::error::{ConnectError, DatabaseError, unavailable};
use crate::migration::migrate;
use crate::tls::tls;

/// Bounds each question, and each step of connecting.
pub(crate) const BOUND: Duration = Duration::from_secs(5);
/// Bounds a migration, which may wait for that of another node.
const MIGRATION: Duration = Duration::from_secs(30);

/// Is a connection of its own, which ends once and for all when it is lost. Dropping it ends it.
pub struct Dedicated {
    client: Client,
    address: Arc<Address>,
    prepared: Mutex<HashMap<&'static str, Statement>>,
    /// Ends when the connection does.
    lives: watch::Receiver<()>,
    task: AbortHandle,
}

impl Dedicated {
    /// Connects, brings the schema up to date, and hands the text of each notification of the deployment to a
    /// function, which must not wait.
    pub(crate) async fn open(
        address: Arc<Address>,
        hear: impl Fn(&str) + Send + 'static,
    ) -> Result<Self, ConnectError> {
        let connecting = timeout(BOUND, address.config.connect(tls()?));
        let connected = connecting.await.map_err(|_| unavailable("the server does not answer"))?;
        let (client, mut connection) = connected.map_err(DatabaseError::from)?;
        let (alive, lives) = watch::channel(());
        let schema = address.schema.clone();
        let task = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notification(said) = message
                    && said.channel() == schema
                {
                    hear(said.payload());
                }
            }
            drop(alive);
        });
        let task = task.abort_handle();
        let opened = Self { client, address, prepared: Mutex::default(), lives, task };
        let migrated = timeout(MIGRATION, migrate(&opened.client, &opened.address)).await;
        migrated.map_err(|_| unavailable("the server does not answer"))??;
        Ok(opened)
    }

    /// Begins to hear the notifications of the deployment.
    ///
    /// # Errors
    /// Fails if the server does not answer within 5 s.
    pub async fn listen(&self) -> Result<(), DatabaseError> {
        let listen = format!("LISTEN \"{}\"", self.address.schema);
        let done = timeout(BOUND, self.client.batch_execute(&listen)).await;
        Ok(done.map_err(|_| unavailable("the server does not answer"))??)
    }

    /// Asks something of SQL, in which `chat.` stands for the schema of the deployment. The question is
    /// prepared once.
    ///
    /// # Errors
    /// Fails if the server refuses it, or does not answer within 5 s; the connection should then be dropped.
    pub async fn query(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DatabaseError> {
        let asking = async {
            let found = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
            let statement = match found {
                Some(statement) => statement,
                None => {
                    let prepared = self.client.prepare(&self.address.sql(sql)).await?;
                    let mut all = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
                    all.entry(sql).or_insert(prepared).clone()
                }
            };
            self.client.query(&statement, parameters).await
        };
        Ok(timeout(BOUND, asking).await.map_err(|_| unavailable("the server does not answer"))??)
    }

    /// Returns true if the connection is lost.
    pub fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    /// Waits until the connection is lost.
    pub async fn lost(&self) {
        // Nothing is ever sent: it ends with an error.
        let _ = self.lives.clone().changed().await;
    }
}

impl Drop for Dedicated {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Dedicated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dedicated").field("lost", &self.is_lost()).finish_non_exhaustive()
    }
}
