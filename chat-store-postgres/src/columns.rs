//! Converts values to columns, and back.

use chat_core::store::StoreError;
use chat_core::{NameError, Offset};
use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::FromSqlOwned;

pub(crate) fn value<T: FromSqlOwned>(row: &Row, column: &str) -> Result<T, StoreError> {
    row.try_get(column).map_err(StoreError::of)
}

/// Reads a name that was one when it was stored.
pub(crate) fn name<T: TryFrom<String, Error = NameError>>(text: String) -> Result<T, StoreError> {
    text.try_into().map_err(StoreError::of)
}

/// Reads a time from its microseconds since 1970.
pub(crate) fn time(microseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(microseconds).unwrap_or_default()
}

/// Writes an offset; PostgreSQL counts to 2^63 only, which no channel reaches.
pub(crate) fn signed(offset: Offset) -> i64 {
    i64::try_from(offset.0).unwrap_or(i64::MAX)
}

/// Reads an offset.
pub(crate) fn offset(place: i64) -> Offset {
    Offset(place.cast_unsigned())
}

/// Bounds a number so that the server can add one to it.
pub(crate) fn count(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX).min(1 << 53)
}
