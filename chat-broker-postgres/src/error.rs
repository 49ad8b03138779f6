//! Says what went wrong in the words of the port.

use chat_core::broker::{BODY_BYTES, BrokerError, BrokerFault};
use chat_postgres::{ConnectError, DatabaseError, Fault};

pub(crate) fn unavailable(message: impl Into<Box<str>>) -> BrokerError {
    BrokerError::new(BrokerFault::Unavailable, message)
}

pub(crate) fn corrupt(message: impl Into<Box<str>>) -> BrokerError {
    BrokerError::new(BrokerFault::Corrupt, message)
}

pub(crate) fn too_large() -> BrokerError {
    BrokerError::new(BrokerFault::TooLarge, format!("a body has at most {BODY_BYTES} bytes"))
}

pub(crate) fn of(error: DatabaseError) -> BrokerError {
    let fault = match error.fault() {
        Fault::Refused => BrokerFault::Refused,
        Fault::Corrupt => BrokerFault::Corrupt,
        _ => BrokerFault::Unavailable,
    };
    BrokerError::of(fault, error)
}

pub(crate) fn of_connect(error: ConnectError) -> BrokerError {
    match error {
        ConnectError::Database(error) => of(error),
        other => BrokerError::of(BrokerFault::Refused, other),
    }
}
