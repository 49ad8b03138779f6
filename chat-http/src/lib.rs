//! HTTP for chat-core, without a runtime: who may come in, and what those are told who may not.

mod accept;
mod connection;
mod cors;
mod gate;
mod handshake;
mod head;
mod host;
mod limits;
mod listen;
#[cfg(feature = "longpoll")]
mod longpoll;
mod origin;
mod proxy;
mod rejection;
mod request;
mod session;
#[cfg(feature = "streams")]
mod streams;
mod time;
mod trusted;

pub use accept::accept_with;
pub use chat_websocket::list;
pub use connection::{Deadlines, HttpConnection, ServedBody, Serving};
pub use gate::{Gate, Opening};
pub use handshake::{handshake, read_head, refuse};
pub use head::{HeadLimits, HeadScanner};
pub use host::{Host, HostError, Hosts};
pub use limits::HttpLimits;
pub use listen::{Listen, ListenError};
#[cfg(feature = "longpoll")]
pub use longpoll::LongPoll;
pub use origin::{Origin, OriginError, Origins};
pub use proxy::{Network, NetworkError, Proxies};
pub use rejection::Rejection;
pub use request::{OpeningRequest, RequestReader, to_bytes};
pub use session::{run, run_io};
#[cfg(feature = "streams")]
pub use streams::{StreamBody, StreamResponse, Streams};
pub use time::{from_std, to_std, within};
pub use trusted::{ClientAddress, RemoteAddress, RequestHead};

/// Runs the README's examples with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
