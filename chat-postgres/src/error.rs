//! Says what went wrong with a database.

use std::sync::Arc;

use thiserror::Error;
use tokio_postgres::error::SqlState;

/// Tells why a database cannot be used.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Reports a text that is no URL of the form `postgres://user:password@host:port/database`.
    #[error("the address must be postgres://, a host, and at most a port, a login and a database")]
    Url,
    /// Reports a URL with `sslmode=require`, where the crate is built without its feature `rustls`.
    #[error("sslmode=require needs the feature \"rustls\"")]
    NoTls,
    /// Names a parameter that does not exist, or that has a value that it may not have.
    #[error("the address has a parameter that is not understood, or one of its values: {0:?}")]
    Parameter(String),
    /// Reports a schema with other characters than lower-case letters, digits and `_`, or more than 48.
    #[error("a schema has 1 to 48 lower-case letters, digits and _ of ASCII, the first no digit, not {0:?}")]
    Schema(String),
    /// Reports tables that a newer version of this program has made, and the version of these.
    #[error("the schema has version {0}; the newest supported is {1}")]
    Newer(i32, i32),
    /// Reports a server that is not there, does not let us in, or cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Says what kind of fault a [`DatabaseError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The server cannot be reached, or does not answer in time. The call may have happened.
    Unavailable,
    /// The server refused the call, such as for want of rights or space. The call has not happened.
    Refused,
    /// The tables hold something that this version has not written, or are not there.
    Corrupt,
}

/// Tells why a database failed, in words for whoever runs the server. They hold no password.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub struct DatabaseError {
    fault: Fault,
    message: Box<str>,
    source: Option<Arc<tokio_postgres::Error>>,
}

impl DatabaseError {
    /// Returns an error with this message and without a source.
    pub fn new(fault: Fault, message: impl Into<Box<str>>) -> Self {
        Self { fault, message: message.into(), source: None }
    }

    /// Returns the kind of fault.
    pub fn fault(&self) -> Fault {
        self.fault
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        let message = match error.as_db_error() {
            Some(said) => format!("{} ({})", said.message(), said.code().code()),
            None => error.to_string(),
        };
        let fault = match error.code() {
            Some(code) => fault(code),
            None => Fault::Unavailable,
        };
        Self { fault, message: message.into(), source: Some(Arc::new(error)) }
    }
}

pub(crate) fn unavailable(message: impl Into<Box<str>>) -> DatabaseError {
    DatabaseError::new(Fault::Unavailable, message)
}

/// Returns the kind of fault that a server reports: by the class of its code, and some codes by themselves.
fn fault(code: &SqlState) -> Fault {
    // A replica, one that is being recovered, and one that has no connection left.
    if matches!(code.code(), "25006" | "53300" | "55P03" | "55000") {
        return Fault::Unavailable;
    }
    match code.code().get(..2) {
        Some("08" | "40" | "57" | "58" | "XX") => Fault::Unavailable,
        Some("28" | "3D" | "53") => Fault::Refused,
        _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => Fault::Refused,
        _ => Fault::Corrupt,
    }
}
