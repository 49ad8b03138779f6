//! HTTP for chat-core, without a runtime: who may come in, and what those are told who may not.

mod cors;
mod gate;
mod head;
mod host;
mod listen;
mod origin;
mod rejection;
mod request;
mod time;

pub use chat_websocket::list;
pub use gate::{Gate, Opening};
pub use head::{HeadLimits, HeadScanner};
pub use host::{Host, HostError, Hosts};
pub use listen::{Listen, ListenError};
pub use origin::{Origin, OriginError, Origins};
pub use rejection::Rejection;
pub use request::{OpeningRequest, RequestReader, to_bytes};
pub use time::within;

/// Runs the README's examples with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
