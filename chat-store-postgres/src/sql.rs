//! Carries out the calls of the store in SQL.

use std::sync::Arc;

use chat_core::store::{StoreError, Stored, StoredPage};
use chat_core::{
    ChannelId, ChatMessage, Epoch, EventName, HistoryRequest, Offset, Payload, Publication, Reference, UserId,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::columns::{count, name, offset, signed, time, value};
use crate::line::Line;

const OPEN: &str = "
    INSERT INTO chat.store_channels AS c (name, epoch, last, tenure)
    SELECT $1, $2, 0, $3 WHERE $4 OR EXISTS (SELECT FROM chat.store_channels o WHERE o.name = $1)
    ON CONFLICT (name) DO UPDATE
    SET epoch = CASE WHEN c.tenure IS NULL OR c.tenure = $3 THEN c.epoch ELSE $2 END, tenure = $3
    RETURNING epoch, last";

const APPEND: &str = "SELECT chat.store_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

/// Returns a page of at most so many rows and about so many bytes, but one row in any case. The column
/// `found` counts one more, if there is one.
macro_rules! read {
    ($order:literal) => {
        concat!(
            "WITH range AS MATERIALIZED (
                SELECT p.*, c.epoch FROM chat.store_channels c JOIN chat.store_publications p ON p.channel = c.id
                WHERE c.name = $1 AND p.place > $2 AND p.place < $3 ORDER BY p.place ",
            $order,
            " LIMIT $4::bigint + 1
            )
            SELECT e.*, (SELECT count(*) FROM range) AS found FROM (
                SELECT r.*, row_number() OVER near AS nth, sum(octet_length(r.content)) OVER near AS total
                FROM range r WINDOW near AS (ORDER BY r.place ",
            $order,
            ")
            ) e WHERE e.nth <= $4 AND (e.total <= $5::bigint OR e.nth = 1) ORDER BY e.nth"
        )
    };
}

const TRIM: &str = "
    DELETE FROM chat.store_publications p USING chat.store_channels c
    WHERE c.name = $1 AND p.channel = c.id AND p.place < $2";

const CLOSE: &str = "UPDATE chat.store_channels SET tenure = NULL WHERE tenure = $1";

/// Opens a channel. Returns none if it is not there and is not to be made.
pub(crate) async fn open_channel(
    line: &Line,
    channel: &ChannelId,
    fresh: Epoch,
    tenure: u64,
    makes: bool,
) -> Result<Option<Stored>, StoreError> {
    let (fresh, tenure) = (fresh.0.cast_signed(), tenure.cast_signed());
    let rows = line.query(OPEN, &[&channel.as_str(), &fresh, &tenure, &makes]).await?;
    let stored = |row| Ok(Stored::new(epoch(row)?, offset(value(row, "last")?)));
    rows.first().map(stored).transpose()
}

pub(crate) async fn append(
    line: &Line,
    publications: &[Arc<Publication>],
    keep: Option<u64>,
) -> Result<(), StoreError> {
    macro_rules! column {
        ($of:expr) => {
            publications.iter().map(|publication| $of(&**publication)).collect::<Vec<_>>()
        };
    }
    let edits = column!(|one: &Publication| match one.refers {
        Some(Reference::Edit(offset)) => Some(signed(offset)),
        _ => None,
    });
    let deletes = column!(|one: &Publication| match one.refers {
        Some(Reference::Delete(offset)) => Some(signed(offset)),
        _ => None,
    });
    let keep = keep.map(|keep| i64::try_from(keep).unwrap_or(i64::MAX));
    let names: Vec<_> = publications.iter().map(|one| one.message.channel_id.as_str()).collect();
    let senders: Vec<_> = publications.iter().map(|one| one.message.sender_name.as_str()).collect();
    let authors: Vec<_> = publications.iter().map(|one| one.author.as_ref().map(UserId::as_str)).collect();
    let events: Vec<_> = publications.iter().map(|one| one.event.as_ref().map(EventName::as_str)).collect();
    let contents: Vec<_> = publications.iter().map(|one| one.message.content.as_bytes()).collect();
    let keys: Vec<_> = publications.iter().map(|one| one.key.as_ref().map(|key| key.as_bytes())).collect();
    let values: [&(dyn ToSql + Sync); 12] = [
        &names,
        &column!(|one: &Publication| signed(one.offset)),
        &senders,
        &authors,
        &events,
        &column!(|one: &Publication| matches!(one.message.content, Payload::Binary(_))),
        &contents,
        &column!(|one: &Publication| one.message.timestamp.timestamp_micros()),
        &edits,
        &deletes,
        &keys,
        &keep,
    ];
    line.query(APPEND, &values).await.map(drop)
}

pub(crate) async fn read(
    line: &Line,
    request: &HistoryRequest,
    bytes: usize,
) -> Result<StoredPage, StoreError> {
    let after = signed(request.after.unwrap_or_default());
    let before = request.before.map_or(i64::MAX, signed);
    let sql = if request.reverse { read!("DESC") } else { read!("ASC") };
    let channel = request.channel.as_str();
    let values: [&(dyn ToSql + Sync); 5] = [&channel, &after, &before, &count(request.limit), &count(bytes)];
    let rows = line.query(sql, &values).await?;
    let found: i64 = rows.first().map_or(Ok(0), |row| value(row, "found"))?;
    let publications: Vec<_> =
        rows.iter().map(|row| publication(row, &request.channel)).collect::<Result<_, _>>()?;
    let more = count(publications.len()) < found;
    Ok(StoredPage::new(publications, more))
}

pub(crate) async fn trim(line: &Line, channel: &ChannelId, before: Offset) -> Result<(), StoreError> {
    line.query(TRIM, &[&channel.as_str(), &signed(before)]).await.map(drop)
}

pub(crate) async fn close(line: &Line, tenure: u64) -> Result<(), StoreError> {
    line.query(CLOSE, &[&tenure.cast_signed()]).await.map(drop)
}

fn epoch(row: &Row) -> Result<Epoch, StoreError> {
    Ok(Epoch(value::<i64>(row, "epoch")?.cast_unsigned()))
}

fn publication(row: &Row, channel: &ChannelId) -> Result<Publication, StoreError> {
    let place = offset(value(row, "place")?);
    let content: Vec<u8> = value(row, "content")?;
    let content = match value(row, "is_binary")? {
        true => Payload::Binary(content.into()),
        false => Payload::json_unchecked(String::from_utf8(content).map_err(StoreError::of)?),
    };
    let edits = value::<Option<i64>>(row, "edits")?.map(|edited| Reference::Edit(offset(edited)));
    let deletes = value::<Option<i64>>(row, "deletes")?.map(|deleted| Reference::Delete(offset(deleted)));
    let event: Option<String> = value(row, "event")?;
    let author: Option<String> = value(row, "author")?;
    let message = ChatMessage {
        sender_name: name(value(row, "sender")?)?,
        content,
        timestamp: time(value(row, "at")?),
        channel_id: channel.clone(),
    };
    Ok(Publication::new(message, epoch(row)?, place)
        .with_previous(Offset(place.0.saturating_sub(1)))
        .with_author(author.map(name).transpose()?)
        .with_event(event.map(name).transpose()?)
        .with_refers(edits.or(deletes))
        .with_ephemeral(false))
}
