//! Says what went wrong in the words of the port.

use std::error::Error as _;

use async_nats::ConnectErrorKind;
use chat_core::broker::{BODY_BYTES, BrokerError, BrokerFault};
use thiserror::Error;

/// Tells why a broker cannot be connected to.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Reports a text that is no URL of the form `nats://user:password@host:port`.
    #[error("the address must be nats:// or tls://, a host, and at most a port, a login and parameters")]
    Url,
    /// Reports a URL with `tls://`, where this crate is built without its feature `rustls`.
    #[error("tls:// needs the feature \"rustls\" of chat-broker-nats")]
    NoTls,
    /// Names a parameter that does not exist, or that has a value that it may not have.
    #[error("the address has a parameter that is not understood, or one of its values: {0:?}")]
    Parameter(String),
    /// Reports a prefix with other characters than letters, digits and `-`, or more than 64.
    #[error("a prefix has 1 to 64 letters, digits and - of ASCII, not {0:?}")]
    Prefix(String),
    /// Reports a server that is not there, does not let us in, or cannot be used.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

pub(crate) fn unavailable(message: impl Into<Box<str>>) -> BrokerError {
    BrokerError::new(BrokerFault::Unavailable, message)
}

pub(crate) fn refused(message: impl Into<Box<str>>) -> BrokerError {
    BrokerError::new(BrokerFault::Refused, message)
}

pub(crate) fn corrupt(message: impl Into<Box<str>>) -> BrokerError {
    BrokerError::new(BrokerFault::Corrupt, message)
}

/// Returns the error for an answer that no server of this kind gives.
pub(crate) fn strange() -> BrokerError {
    corrupt("the server answers with something else")
}

pub(crate) fn too_large() -> BrokerError {
    BrokerError::new(BrokerFault::TooLarge, format!("a body has at most {BODY_BYTES} bytes"))
}

/// Returns the error for a connection that was not made. The client's own text may hold an address, and so a
/// password: only the kind is told, and the cause of the operating system.
pub(crate) fn not_connected(error: &async_nats::ConnectError) -> BrokerError {
    let kind = error.kind();
    match kind {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            refused("the server does not let us in: authorization violation")
        }
        ConnectErrorKind::Io | ConnectErrorKind::Tls | ConnectErrorKind::Dns => {
            let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
            unavailable(format!("{kind}{cause}"))
        }
        _ => unavailable(kind.to_string()),
    }
}
