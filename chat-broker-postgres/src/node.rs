//! Holds what one node has: a database, whether it can be asked, and what it has joined.

use std::fmt;
use std::time::Duration;

use chat_core::broker::BrokerError;
use chat_postgres::{ConnectError, Database};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::cursors::Seen;
use crate::error::unavailable;
use crate::interest::Interest;
use crate::outgoing::Outgoing;

/// Bounds the wait for a node that is connected for the first time.
const BEGIN: Duration = Duration::from_secs(5);

/// Connects one node to the others over PostgreSQL: see the [crate's documentation](crate).
pub struct PostgresBroker {
    pub(crate) database: Database,
    pub(crate) is_durable: bool,
    pub(crate) interest: Interest,
    pub(crate) seen: Seen,
    pub(crate) outgoing: Outgoing,
    /// Names the node in notifications.
    pub(crate) tag: u32,
    listens: watch::Sender<Listens>,
}

/// Tells whether the node hears what is published.
#[derive(Clone)]
enum Listens {
    /// Is so until it begins to.
    NotYet,
    Yes,
    /// Is so while the connection is lost, and holds why.
    No(BrokerError),
}

impl PostgresBroker {
    /// Connects to the database of a URL, `postgres://user:password@host:port/database`, with the parameters
    /// `schema` and `sslmode`, and brings the schema up to date. It needs a Tokio runtime, as all that
    /// follows does.
    ///
    /// A node that is to start while its server is away tries again.
    ///
    /// # Errors
    /// Fails if the URL is not understood, if the server does not answer within 5 s or does not let us in, or
    /// if it cannot be used: it is older than PostgreSQL 15, a replica, or the schema is of a newer version.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let database = Database::connect(url).await?;
        let rows = database.query("SELECT current_setting('fsync') <> 'off'", &[]).await?;
        let is_durable = rows.first().is_some_and(|row| row.try_get(0).unwrap_or_default());
        let (interest, listens) = (Interest::default(), watch::Sender::new(Listens::NotYet));
        let (seen, outgoing, tag) = (Seen::default(), Outgoing::default(), fastrand::u32(..));
        Ok(Self { database, is_durable, interest, seen, outgoing, tag, listens })
    }

    /// Returns the database.
    ///
    /// # Errors
    /// Fails while the connection is lost, with the reason.
    pub(crate) fn database(&self) -> Result<&Database, BrokerError> {
        match &*self.listens.borrow() {
            Listens::No(why) => Err(why.clone()),
            Listens::NotYet | Listens::Yes => Ok(&self.database),
        }
    }

    /// Returns the channels that this node has joined, to which others are to be added. A node that is just
    /// being connected for the first time is waited for.
    ///
    /// # Errors
    /// Fails while the node does not listen.
    pub(crate) async fn interest_to_join(&self) -> Result<&Interest, BrokerError> {
        let mut listens = self.listens.subscribe();
        let begins = listens.wait_for(|listens| !matches!(listens, Listens::NotYet));
        // What has not begun by then is told below.
        let _ = timeout(BEGIN, begins).await;
        match &*self.listens.borrow() {
            Listens::Yes => Ok(&self.interest),
            Listens::No(why) => Err(why.clone()),
            Listens::NotYet => Err(unavailable("the node does not listen yet")),
        }
    }

    pub(crate) fn begins_to_listen(&self) {
        self.listens.send_replace(Listens::Yes);
    }

    pub(crate) fn is_lost(&self, why: BrokerError) {
        self.listens.send_replace(Listens::No(why));
    }
}

impl fmt::Debug for PostgresBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBroker").field("database", &self.database).finish_non_exhaustive()
    }
}
