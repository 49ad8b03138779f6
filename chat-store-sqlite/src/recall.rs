//! Remembers idempotency keys and read offsets of a channel, beside its publications.

use std::sync::Arc;

use chat_core::store::{ReadMark, Recall, Recalled, RecalledKey};
use chat_core::{ChannelId, NameError, Offset, Publication, UserId};
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use crate::columns::{odd, offset, signed, time};

pub(crate) const TABLES: &str = "
    CREATE TABLE keys (
        channel INTEGER NOT NULL,
        author TEXT NOT NULL, -- the user with a u before; empty for the server itself
        key TEXT NOT NULL,
        place INTEGER NOT NULL,
        microseconds INTEGER NOT NULL, -- since 1970, UTC
        PRIMARY KEY (channel, author, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX keys_by_age ON keys (microseconds);
    CREATE TABLE marks (
        channel INTEGER NOT NULL,
        user TEXT NOT NULL,
        place INTEGER NOT NULL,
        PRIMARY KEY (channel, user)
    ) STRICT, WITHOUT ROWID;
";

/// Keeps a key for longer than any hub remembers one.
const KEY_AGE: TimeDelta = TimeDelta::minutes(10);

/// Stores the key of a publication, and deletes a few old keys.
pub(crate) fn remember(
    db: &Connection,
    channel: i64,
    author: Option<&str>,
    key: &str,
    publication: &Publication,
) -> Result<()> {
    let mut insert = db.prepare_cached(
        "INSERT OR REPLACE INTO keys (channel, author, key, place, microseconds) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let at = publication.message.timestamp;
    let place = signed(publication.offset);
    insert.execute(params![channel, author_text(author), key, place, at.timestamp_micros()])?;
    // Deleting two for each new key keeps their number near that of a few minutes.
    let mut forget = db.prepare_cached(
        "DELETE FROM keys WHERE (channel, author, key) IN
         (SELECT channel, author, key FROM keys WHERE microseconds < ?1 ORDER BY microseconds LIMIT 2)",
    )?;
    forget.execute([(at - KEY_AGE).timestamp_micros()]).map(drop)
}

pub(crate) fn recall(
    db: &Connection,
    channel: &ChannelId,
    since: DateTime<Utc>,
    most: Recall,
) -> Result<Recalled> {
    let mut find = db.prepare_cached("SELECT id FROM channels WHERE name = ?1")?;
    let found: Option<i64> = find.query_row([channel.as_str()], |row| row.get(0)).optional()?;
    let Some(id) = found else { return Ok(Recalled::default()) };
    let mut keys = db.prepare_cached(
        "SELECT author, key, place, microseconds FROM keys WHERE channel = ?1 AND microseconds > ?2
         ORDER BY microseconds DESC, place DESC LIMIT ?3",
    )?;
    let mut keys: Vec<_> = keys
        .query_map(params![id, since.timestamp_micros(), count(most.keys)], key)?
        .collect::<Result<_>>()?;
    keys.reverse();
    let mut marks = db.prepare_cached("SELECT user, place FROM marks WHERE channel = ?1 LIMIT ?2")?;
    let read = marks.query_map(params![id, count(most.marks)], mark)?.collect::<Result<_>>()?;
    Ok(Recalled::default().with_keys(keys).with_read(read))
}

/// Stores read offsets. Those of unknown channels are ignored, and none exceeds the channel's last offset.
pub(crate) fn mark_read(db: &Connection, marks: &[ReadMark]) -> Result<()> {
    let mut insert = db.prepare_cached(
        "INSERT INTO marks (channel, user, place) SELECT id, ?2, min(?3, last) FROM channels WHERE name = ?1
         ON CONFLICT (channel, user) DO UPDATE SET place = max(place, excluded.place)",
    )?;
    for ReadMark { channel, user, offset, .. } in marks {
        insert.execute(params![channel.as_str(), user.as_str(), signed(*offset)])?;
    }
    Ok(())
}

fn key(row: &Row<'_>) -> Result<RecalledKey> {
    let (author, key): (String, String) = (row.get(0)?, row.get(1)?);
    let author = author.strip_prefix('u').map(UserId::try_from).transpose();
    Ok(RecalledKey::new(
        author.map_err(|error: NameError| odd(0, error))?,
        Arc::from(key),
        offset(row.get(2)?),
        time(row.get(3)?),
    ))
}

fn mark(row: &Row<'_>) -> Result<(UserId, Offset)> {
    let user: String = row.get(0)?;
    Ok((user.try_into().map_err(|error: NameError| odd(0, error))?, offset(row.get(1)?)))
}

fn author_text(author: Option<&str>) -> String {
    author.map_or_else(String::new, |author| format!("u{author}"))
}

fn count(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}
