//! Holds the connections to the database of a deployment.

use std::fmt;
use std::sync::Arc;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::address::Address;
use crate::dedicated::{BOUND, Dedicated};
use crate::error::{ConnectError, DatabaseError, unavailable};
use crate::tls::tls;

/// Bounds the connections that are asked at once: one for each lane, and some to read.
const CONNECTIONS: usize = 12;

/// Connects to the database of a URL, in which a deployment has a schema.
#[derive(Clone)]
pub struct Database {
    address: Arc<Address>,
    pool: Pool,
}

impl Database {
    /// Connects to the database of a URL, and brings its schema up to date.
    ///
    /// # Errors
    /// Fails if the URL is not understood, if the server does not answer within 5 s or does not let us in, or
    /// if it cannot be used: it is older than PostgreSQL 15, a replica, or the schema is of a newer version.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let address = Arc::new(Address::parse(url)?);
        let recycling_method = RecyclingMethod::Fast;
        let manager =
            Manager::from_config(address.config.clone(), tls()?, ManagerConfig { recycling_method });
        let bounds = Timeouts { wait: Some(BOUND), create: Some(BOUND), recycle: Some(BOUND) };
        let pool = Pool::builder(manager).max_size(CONNECTIONS).runtime(Runtime::Tokio1).timeouts(bounds);
        let pool = pool.build().map_err(|error| unavailable(error.to_string()))?;
        let database = Self { address, pool };
        database.dedicated(|_| {}).await?;
        Ok(database)
    }

    /// Opens a connection of its own, brings the schema up to date, and hands the text of each notification
    /// of the deployment to a function, which must not wait.
    ///
    /// # Errors
    /// Fails as [`connect`](Self::connect) does.
    pub async fn dedicated(&self, hear: impl Fn(&str) + Send + 'static) -> Result<Dedicated, ConnectError> {
        Dedicated::open(self.address.clone(), hear).await
    }

    /// Returns the name of the schema.
    pub fn schema(&self) -> &str {
        &self.address.schema
    }

    /// Asks something of SQL on one of the pool's connections, at most 12 at once. In the text `chat.` stands
    /// for the schema of the deployment. It is one transaction.
    ///
    /// # Errors
    /// Fails if the server refuses it, or if all does not take place within 5 s.
    pub async fn query(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DatabaseError> {
        self.ask(sql, parameters, None).await
    }

    /// Asks something as [`query`](Self::query) does, and then notifies the nodes. The notification is no
    /// part of the transaction, since those that notify commit one after another; it may be lost.
    ///
    /// # Errors
    /// Fails as [`query`](Self::query) does.
    pub async fn query_and_notify(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
        text: &str,
    ) -> Result<Vec<Row>, DatabaseError> {
        self.ask(sql, parameters, Some(text)).await
    }

    async fn ask(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
        notice: Option<&str>,
    ) -> Result<Vec<Row>, DatabaseError> {
        let mut taken = None;
        let asking = async {
            let client = taken.insert(self.pool.get().await.map_err(of_pool)?);
            answer(client, &self.address.sql(sql), parameters, notice.map(|text| (self.schema(), text))).await
        };
        let answer = timeout(BOUND, asking).await;
        let answer = answer.unwrap_or_else(|_| Err(unavailable("the server does not answer")));
        if let (Err(_), Some(client)) = (&answer, taken) {
            // It may still be at it, or hold what was prepared for other tables.
            drop(Object::take(client));
        }
        answer
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("schema", &self.address.schema).finish_non_exhaustive()
    }
}

async fn answer(
    client: &Object,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
    notice: Option<(&str, &str)>,
) -> Result<Vec<Row>, DatabaseError> {
    let statement = client.prepare_cached(sql).await?;
    let Some((schema, text)) = notice else { return Ok(client.query(&statement, parameters).await?) };
    let notify = client.prepare_cached("SELECT pg_notify($1, $2)").await?;
    let said: [&(dyn ToSql + Sync); 2] = [&schema, &text];
    // Both are under way at once, and the server answers one after the other.
    let (answer, _) = tokio::join!(client.query(&statement, parameters), client.query(&notify, &said));
    Ok(answer?)
}

fn of_pool(error: PoolError) -> DatabaseError {
    match error {
        PoolError::Backend(error) => error.into(),
        PoolError::Timeout(_) => unavailable("the server does not answer, or too much is asked at once"),
        other => unavailable(other.to_string()),
    }
}
