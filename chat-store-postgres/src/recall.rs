//! Remembers idempotency keys and read offsets of a channel, beside its publications.

use std::sync::Arc;

use chat_core::store::{ReadMark, Recall, Recalled, RecalledKey, StoreError};
use chat_core::{ChannelId, UserId};
use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use crate::columns::{count, name, offset, signed, time, value};
use crate::line::Line;

const KEYS: &str = "
    SELECT k.author, k.key, k.place, k.at FROM chat.store_keys k JOIN chat.store_channels c ON c.id = k.channel
    WHERE c.name = $1 AND k.at > $2 ORDER BY k.at DESC, k.place DESC LIMIT $3";

const MARKS: &str = "
    SELECT m.author, m.place FROM chat.store_marks m JOIN chat.store_channels c ON c.id = m.channel
    WHERE c.name = $1 LIMIT $2";

/// Of several marks of one user in one call the last counts, as in several calls the furthest does.
const MARK: &str = "
    INSERT INTO chat.store_marks (channel, author, place)
    SELECT c.id, u.author, least(max(u.place), c.last)
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS u (name, author, place)
    JOIN chat.store_channels c USING (name) GROUP BY c.id, u.author
    ON CONFLICT (channel, author) DO UPDATE SET place = greatest(chat.store_marks.place, EXCLUDED.place)";

pub(crate) async fn recall(
    line: &Line,
    channel: &ChannelId,
    since: DateTime<Utc>,
    most: Recall,
) -> Result<Recalled, StoreError> {
    let channel = channel.as_str();
    let rows = line.query(KEYS, &[&channel, &since.timestamp_micros(), &count(most.keys)]).await?;
    let keys = rows.iter().rev().map(key).collect::<Result<_, _>>()?;
    let rows = line.query(MARKS, &[&channel, &count(most.marks)]).await?;
    let mark = |row| Ok((name(value(row, "author")?)?, offset(value(row, "place")?)));
    let read = rows.iter().map(mark).collect::<Result<_, StoreError>>()?;
    Ok(Recalled::default().with_keys(keys).with_read(read))
}

/// Stores read offsets. Those of unknown channels are ignored, and none exceeds the channel's last offset.
pub(crate) async fn mark_read(line: &Line, marks: &[ReadMark]) -> Result<(), StoreError> {
    let names: Vec<_> = marks.iter().map(|mark| mark.channel.as_str()).collect();
    let users: Vec<_> = marks.iter().map(|mark| mark.user.as_str()).collect();
    let places: Vec<_> = marks.iter().map(|mark| signed(mark.offset)).collect();
    line.query(MARK, &[&names, &users, &places]).await.map(drop)
}

fn key(row: &Row) -> Result<RecalledKey, StoreError> {
    let author: String = value(row, "author")?;
    let author: Option<UserId> = author.strip_prefix('u').map(|user| name(user.to_owned())).transpose()?;
    let key = String::from_utf8(value(row, "key")?).map_err(StoreError::of)?;
    Ok(RecalledKey::new(author, Arc::from(key), offset(value(row, "place")?), time(value(row, "at")?)))
}
