//! Says what went wrong in the words of the port.

use chat_core::broker::{BrokerError, BrokerFault};
use redis::{ErrorKind, RedisError};
use thiserror::Error;

/// Tells why a broker cannot be connected to.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Reports a text that is no URL of the form `redis://user:password@host:port/database`.
    #[error("the address must be redis:// or rediss://, a host, and at most a port, a login and a database")]
    Url,
    /// Reports a URL with `rediss://`, where this crate is built without its feature `rustls`.
    #[error("rediss:// needs the feature \"rustls\" of chat-broker-redis")]
    NoTls,
    /// Names a parameter that does not exist, or that has a value that it may not have.
    #[error("the address has a parameter that is not understood, or one of its values: {0:?}")]
    Parameter(String),
    /// Reports a prefix with other characters than letters, digits and `._:-`, or more than 64.
    #[error("a prefix has 1 to 64 letters, digits and ._:- of ASCII, not {0:?}")]
    Prefix(String),
    /// Reports a server that is not there, does not let us in, or cannot be used.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

pub(crate) fn unavailable(message: impl Into<Box<str>>) -> BrokerError {
    BrokerError::new(BrokerFault::Unavailable, message)
}

pub(crate) fn corrupt(message: impl Into<Box<str>>) -> BrokerError {
    BrokerError::new(BrokerFault::Corrupt, message)
}

/// Returns the error for what the server or the connection to it has said.
pub(crate) fn of(error: RedisError) -> BrokerError {
    let fault = match error.code() {
        Some(code) => fault(code),
        None if error.kind() == ErrorKind::AuthenticationFailed => BrokerFault::Refused,
        None => BrokerFault::Unavailable,
    };
    BrokerError::of(fault, error)
}

/// Returns the error for a line of the server: a code, and words.
pub(crate) fn line(line: &str) -> BrokerError {
    BrokerError::new(fault(line.split(' ').next().unwrap_or_default()), line)
}

/// Returns true if the server says by this code that it is not, or not yet, the one to ask.
pub(crate) fn is_elsewhere(code: &str) -> bool {
    matches!(code, "READONLY" | "MASTERDOWN" | "LOADING")
}

fn fault(code: &str) -> BrokerFault {
    match code {
        "CORRUPT" | "WRONGTYPE" => BrokerFault::Corrupt,
        "READONLY" | "MASTERDOWN" | "LOADING" | "BUSY" | "CLUSTERDOWN" | "TRYAGAIN" => {
            BrokerFault::Unavailable
        }
        _ => BrokerFault::Refused,
    }
}
