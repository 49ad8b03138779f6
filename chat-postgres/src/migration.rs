//! Brings the schema of a deployment up to the version of this program.

use tokio_postgres::Client;

use crate::address::Address;
use crate::error::{ConnectError, DatabaseError, Fault};

/// Lists the statements that make each version's schema out of that of the version before.
const STEPS: [&str; 1] = [concat!(
    include_str!("schema/tables.sql"),
    include_str!("schema/place.sql"),
    include_str!("schema/read.sql"),
    include_str!("schema/publish.sql"),
    include_str!("schema/prune.sql"),
    include_str!("schema/store.sql"),
)];

const VERSION: i32 = STEPS.len() as i32;

/// Is the oldest version of the server that this is tested on.
const SERVER: i32 = 150_000;

/// Checks that the server can be used, and makes or changes the schema if it is older. Of many nodes that do
/// so at once one does it, and the others wait. A schema that is up to date is only looked at.
pub(crate) async fn migrate(client: &Client, address: &Address) -> Result<(), ConnectError> {
    check(client).await?;
    let version = version(client, address).await?;
    if version > VERSION {
        return Err(ConnectError::Newer(version, VERSION));
    }
    if version == VERSION {
        return Ok(());
    }
    client.batch_execute("BEGIN; SET LOCAL statement_timeout = 0").await.map_err(DatabaseError::from)?;
    let done = change(client, address).await;
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute(end).await.map_err(DatabaseError::from)?;
    done
}

async fn check(client: &Client) -> Result<(), DatabaseError> {
    let sql = "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), \
               pg_is_in_recovery()";
    let row = client.query_one(sql, &[]).await?;
    let (number, encoding, replica): (i32, String, bool) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let refused = |why: &str| Err(DatabaseError::new(Fault::Refused, why));
    match () {
        () if number < SERVER => refused("the server must be PostgreSQL 15 or newer"),
        () if encoding != "UTF8" => refused("the database must have the encoding UTF8"),
        () if replica => Err(DatabaseError::new(Fault::Unavailable, "the server is a replica")),
        () => Ok(()),
    }
}

/// Returns the version of the schema; 0 if there is none.
async fn version(client: &Client, address: &Address) -> Result<i32, DatabaseError> {
    // Its caches may not know yet what another node has just made: the table of tables does.
    let sql = "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'version')";
    let found = client.query_one(sql, &[&address.schema]).await?;
    if !found.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let rows = client.query(&address.sql("SELECT version FROM chat.version"), &[]).await?;
    rows.first().map_or(Ok(0), |row| Ok(row.try_get(0)?))
}

async fn change(client: &Client, address: &Address) -> Result<(), ConnectError> {
    let run = async |sql: String| client.batch_execute(&sql).await.map_err(DatabaseError::from);
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    let name = format!("chat schema {}", address.schema);
    client.execute(lock, &[&name]).await.map_err(DatabaseError::from)?;
    let version = version(client, address).await?;
    if version > VERSION {
        return Err(ConnectError::Newer(version, VERSION));
    }
    if version == 0 {
        run(format!("CREATE SCHEMA IF NOT EXISTS \"{}\"", address.schema)).await?;
        run(address.sql("CREATE TABLE IF NOT EXISTS chat.version (version int NOT NULL)")).await?;
        run(address.sql("INSERT INTO chat.version SELECT 0 WHERE NOT EXISTS (SELECT FROM chat.version)"))
            .await?;
    }
    for step in STEPS.iter().skip(version.unsigned_abs() as usize) {
        run(address.sql(step)).await?;
    }
    run(address.sql(&format!("UPDATE chat.version SET version = {VERSION}"))).await?;
    Ok(())
}
