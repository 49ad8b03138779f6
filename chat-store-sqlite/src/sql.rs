//! Carries out the calls of the store in SQL.

use std::path::Path;
use std::sync::Arc;

use chat_core::store::{Stored, StoredPage};
use chat_core::{
    ChannelId, ChatMessage, Epoch, EventName, HistoryRequest, Offset, Payload, Publication, Reference, UserId,
};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use crate::columns::{odd, offset, signed, time};
use crate::recall;

/// Holds the version of the tables.
pub(crate) const VERSION: i64 = STEPS.len() as i64;

/// Lists the statements that make each version's tables out of those of the version before.
const STEPS: &[&str] = &[FIRST, AUTHORS, recall::TABLES];

const FIRST: &str = "
    CREATE TABLE channels (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        epoch INTEGER NOT NULL,
        last INTEGER NOT NULL,
        tenure INTEGER -- who has it open; null if it was closed in order
    ) STRICT;
    CREATE TABLE publications (
        channel INTEGER NOT NULL,
        place INTEGER NOT NULL,
        sender TEXT NOT NULL,
        event TEXT,
        binary INTEGER NOT NULL,
        content BLOB NOT NULL,
        microseconds INTEGER NOT NULL, -- since 1970, UTC
        edits INTEGER,
        deletes INTEGER,
        PRIMARY KEY (channel, place)
    ) STRICT, WITHOUT ROWID;
";

/// Adds the user who published; null for the server itself, and for publications stored before this version.
const AUTHORS: &str = "ALTER TABLE publications ADD COLUMN author TEXT";

pub(crate) fn open(path: &Path) -> Result<Connection> {
    let db = Connection::open(path)?;
    db.busy_timeout(std::time::Duration::ZERO)?;
    // The lock is exclusive; the transaction takes it at once.
    db.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
    )?;
    db.execute_batch("BEGIN EXCLUSIVE")?;
    let version = version(&db)?;
    if (0..VERSION).contains(&version) {
        STEPS.iter().skip(version as usize).try_for_each(|step| db.execute_batch(step))?;
        db.pragma_update(None, "user_version", VERSION)?;
    }
    db.execute_batch("COMMIT")?;
    Ok(db)
}

pub(crate) fn version(db: &Connection) -> Result<i64> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

pub(crate) fn open_channel(
    db: &Connection,
    channel: &ChannelId,
    fresh: Epoch,
    tenure: u64,
) -> Result<Stored> {
    let (fresh, tenure) = (fresh.0.cast_signed(), tenure.cast_signed());
    let mut upsert = db.prepare_cached(
        "INSERT INTO channels (name, epoch, last, tenure) VALUES (?1, ?2, 0, ?3) ON CONFLICT (name) DO UPDATE
         SET epoch = iif(tenure IS NULL OR tenure = ?3, epoch, ?2), tenure = ?3 RETURNING epoch, last",
    )?;
    upsert.query_row(params![channel.as_str(), fresh, tenure], |row| {
        Ok(Stored::new(Epoch(row.get::<_, i64>(0)?.cast_unsigned()), offset(row.get(1)?)))
    })
}

/// Opens a channel as [`open_channel`] does, but only if something is stored of it.
pub(crate) fn resume(
    db: &Connection,
    channel: &ChannelId,
    fresh: Epoch,
    tenure: u64,
) -> Result<Option<Stored>> {
    let mut find = db.prepare_cached("SELECT 1 FROM channels WHERE name = ?1")?;
    match find.exists([channel.as_str()])? {
        true => open_channel(db, channel, fresh, tenure).map(Some),
        false => Ok(None),
    }
}

pub(crate) fn append(db: &Connection, publications: &[Arc<Publication>], keep: Option<u64>) -> Result<()> {
    let mut last =
        db.prepare_cached("UPDATE channels SET last = max(last, ?2) WHERE name = ?1 RETURNING id")?;
    let mut insert = db.prepare_cached(
        "INSERT OR IGNORE INTO publications (channel, place, sender, binary, content, microseconds, edits, deletes, event, author)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    // So few that a bound that has become smaller does not hold up what is to be stored.
    let mut forget = db.prepare_cached(
        "DELETE FROM publications WHERE channel = ?1 AND place IN
         (SELECT place FROM publications WHERE channel = ?1 AND place <= ?2 ORDER BY place LIMIT 100)",
    )?;
    for publication in publications {
        let message = &publication.message;
        let place = signed(publication.offset);
        let id: i64 = last.query_row(params![message.channel_id.as_str(), place], |row| row.get(0))?;
        let (edits, deletes) = match publication.refers {
            None => (None, None),
            Some(Reference::Edit(offset)) => (Some(signed(offset)), None),
            Some(Reference::Delete(offset)) => (None, Some(signed(offset))),
        };
        let binary = matches!(message.content, Payload::Binary(_));
        let microseconds = message.timestamp.timestamp_micros();
        let event = publication.event.as_ref().map(EventName::as_str);
        let (sender, content) = (message.sender_name.as_str(), message.content.as_bytes());
        let author = publication.author.as_ref().map(UserId::as_str);
        insert.execute(params![
            id,
            place,
            sender,
            binary,
            content,
            microseconds,
            edits,
            deletes,
            event,
            author
        ])?;
        if let Some(key) = &publication.key {
            recall::remember(db, id, author, key, publication)?;
        }
        if let Some(keep) = keep {
            forget.execute(params![id, signed(Offset(publication.offset.0.saturating_sub(keep)))])?;
        }
    }
    Ok(())
}

pub(crate) fn read(db: &Connection, request: &HistoryRequest, mut bytes: usize) -> Result<StoredPage> {
    let mut find = db.prepare_cached("SELECT id, epoch FROM channels WHERE name = ?1")?;
    let found =
        find.query_row([request.channel.as_str()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
    let Some((id, epoch)) = found.optional()? else { return Ok(StoredPage::default()) };
    let direction = if request.reverse { "DESC" } else { "ASC" };
    let mut select = db.prepare_cached(&format!(
        "SELECT place, sender, binary, content, microseconds, edits, deletes, event, author FROM publications
         WHERE channel = ?1 AND place > ?2 AND place < ?3 ORDER BY place {direction} LIMIT ?4"
    ))?;
    let after = signed(request.after.unwrap_or_default());
    let before = request.before.map_or(i64::MAX, signed);
    let limit = i64::try_from(request.limit).unwrap_or(i64::MAX - 1);
    let mut rows = select.query(params![id, after, before, limit + 1])?;
    let mut page = StoredPage::default();
    while let Some(row) = rows.next()? {
        let publication = publication(row, &request.channel, Epoch(epoch.cast_unsigned()))?;
        let size = publication.message.content.as_bytes().len();
        let full =
            page.publications.len() == request.limit || (size > bytes && !page.publications.is_empty());
        if full {
            page.more = true;
            break;
        }
        bytes = bytes.saturating_sub(size);
        page.publications.push(publication);
    }
    Ok(page)
}

pub(crate) fn trim(db: &Connection, channel: &ChannelId, before: Offset) -> Result<()> {
    let mut delete = db.prepare_cached(
        "DELETE FROM publications WHERE channel = (SELECT id FROM channels WHERE name = ?1) AND place < ?2",
    )?;
    delete.execute(params![channel.as_str(), signed(before)]).map(drop)
}

pub(crate) fn close(db: &Connection, tenure: u64) -> Result<()> {
    db.execute("UPDATE channels SET tenure = NULL WHERE tenure = ?1", [tenure.cast_signed()]).map(drop)
}

fn publication(row: &Row<'_>, channel: &ChannelId, epoch: Epoch) -> Result<Publication> {
    let place = offset(row.get(0)?);
    let sender: String = row.get(1)?;
    let content: Vec<u8> = row.get(3)?;
    let content = match row.get(2)? {
        true => Payload::Binary(content.into()),
        false => Payload::json_unchecked(String::from_utf8(content).map_err(|error| odd(3, error))?),
    };
    let edits = row.get::<_, Option<i64>>(5)?.map(|edited| Reference::Edit(offset(edited)));
    let deletes = row.get::<_, Option<i64>>(6)?.map(|deleted| Reference::Delete(offset(deleted)));
    let event: Option<String> = row.get(7)?;
    let author: Option<String> = row.get(8)?;
    let message = ChatMessage {
        sender_name: sender.try_into().map_err(|error| odd(1, error))?,
        content,
        timestamp: time(row.get(4)?),
        channel_id: channel.clone(),
    };
    Ok(Publication::new(message, epoch, place)
        .with_previous(Offset(place.0.saturating_sub(1)))
        .with_author(author.map(UserId::try_from).transpose().map_err(|error| odd(8, error))?)
        .with_event(event.map(EventName::try_from).transpose().map_err(|error| odd(7, error))?)
        .with_refers(edits.or(deletes))
        .with_ephemeral(false))
}
