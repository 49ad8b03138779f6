//! Converts the values of columns that several tables have.

use chat_core::Offset;
use chrono::{DateTime, Utc};
use rusqlite::Error;
use rusqlite::types::Type;

/// Reads a time from its microseconds since 1970.
pub(crate) fn time(microseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(microseconds).unwrap_or_default()
}

/// Returns the error for a value that this crate never writes.
pub(crate) fn odd(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error))
}

/// Writes an offset; SQLite counts to 2^63 only, which no channel reaches.
pub(crate) fn signed(offset: Offset) -> i64 {
    i64::try_from(offset.0).unwrap_or(i64::MAX)
}

/// Reads an offset.
pub(crate) fn offset(place: i64) -> Offset {
    Offset(place.cast_unsigned())
}
