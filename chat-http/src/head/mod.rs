//! Reads the heads of requests within their bounds.

mod proxy_header;
mod request;
mod scanner;

pub(crate) use self::proxy_header::ProxyHeader;
pub use self::request::{OpeningRequest, RequestReader, to_bytes};
pub use self::scanner::{HeadLimits, HeadScanner};
