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
        let asking = async {
            let borrowed = Borrowed::from(&self.pool).await?;
            let statement = borrowed.client().prepare_cached(&self.address.sql(sql)).await?;
            let rows = borrowed.client().query(&statement, parameters).await?;
            borrowed.give_back();
            Ok(rows)
        };
        timeout(BOUND, asking).await.unwrap_or_else(|_| Err(unavailable("the server does not answer")))
    }
}

/// Is a connection of the pool. Unless it is given back it is closed, since it may still be at a question, or
/// hold what was prepared for other tables.
struct Borrowed(Option<Object>);

impl Borrowed {
    async fn from(pool: &Pool) -> Result<Self, DatabaseError> {
        Ok(Self(Some(pool.get().await.map_err(of_pool)?)))
    }

    fn client(&self) -> &Object {
        self.0.as_ref().expect("it is there until it is given back")
    }

    fn give_back(mut self) {
        self.0 = None;
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("schema", &self.address.schema).finish_non_exhaustive()
    }
}

fn of_pool(error: PoolError) -> DatabaseError {
    match error {
        PoolError::Backend(error) => error.into(),
        PoolError::Timeout(_) => unavailable("the server does not answer, or too much is asked at once"),
        other => unavailable(other.to_string()),
    }
}
