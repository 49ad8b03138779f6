//! Reads the heads of requests within their bounds.

mod request;
mod scanner;

pub use self::request::{OpeningRequest, RequestReader, to_bytes};
pub use self::scanner::{HeadLimits, HeadScanner};
