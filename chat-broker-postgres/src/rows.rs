//! Reads the values of rows.

use std::sync::Arc;

use chat_core::broker::{BODY_BYTES, BrokerError, Stand, body_of_server};
use chat_core::{Epoch, Offset, Payload};
use chrono::DateTime;
use tokio_postgres::Row;
use tokio_postgres::types::FromSqlOwned;

use crate::cursors::Position;
use crate::error::corrupt;

pub(crate) fn value<T: FromSqlOwned>(row: &Row, column: &str) -> Result<T, BrokerError> {
    row.try_get(column).map_err(|_| corrupt(format!("the column {column} holds something else")))
}

/// Reads an epoch and an offset from these columns.
pub(crate) fn stand(row: &Row, offset: &str) -> Result<Stand, BrokerError> {
    let (epoch, offset): (i64, i64) = (value(row, "epoch")?, value(row, offset)?);
    let epoch = Epoch(epoch.cast_unsigned());
    let offset = u64::try_from(offset).map_err(|_| corrupt("an offset is less than 0"))?;
    if epoch == Epoch::NONE {
        return Err(corrupt("an epoch is 0"));
    }
    Ok(Stand::new(epoch, Offset(offset)))
}

/// Reads where a lane stands.
pub(crate) fn position(row: &Row) -> Result<Position, BrokerError> {
    Ok(Position { era: value(row, "era")?, seq: value(row, "seq")?, mark: value(row, "mark")? })
}

/// Reads a body, which must not be null: one that a hub has written, or one that is made here of what a
/// transaction has published.
pub(crate) fn body(row: &Row) -> Result<Arc<str>, BrokerError> {
    let bytes: Vec<u8> = value(row, "body")?;
    let text = String::from_utf8(bytes).map_err(|_| corrupt("a body is no text"))?;
    let body = match value::<Option<String>>(row, "sender")? {
        None => text,
        Some(sender) => of_server(&sender, value(row, "event")?, text, value(row, "at")?)
            .ok_or_else(|| corrupt("a publication of a transaction has another form"))?,
    };
    if body.len() <= BODY_BYTES { Ok(body.into()) } else { Err(corrupt("a body is too long")) }
}

fn of_server(sender: &str, event: Option<String>, content: String, at: i64) -> Option<String> {
    let event = event.map(|event| event.parse()).transpose().ok()?;
    let content = Payload::parse(content).ok()?;
    let time = DateTime::from_timestamp_micros(at)?;
    Some(body_of_server(&sender.parse().ok()?, &content, event.as_ref(), time))
}
