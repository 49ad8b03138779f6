//! HTTP for chat-core, without a runtime: admits clients, opens their sessions, and serves those for whom no
//! WebSocket gets through.
//!
//! ```text
//!   bytes ──▶ handshake ─────▶ Gate ──▶ Opening ──▶ run ──▶ Connection   (a server without an HTTP library)
//!   an HTTP library's request ─▶ Gate ──▶ Opening ──▶ run                (hyper, axum, …)
//!                            └─▶ LongPoll, Streams ──▶ Connection        (plain HTTP)
//! ```
//!
//! It works on [`http`]'s types, on [`PollRead`](chat_websocket::PollRead) and
//! [`ByteWriter`](chat_core::ByteWriter) for sockets, and on [`Runtime`](chat_core::Runtime) for time and
//! tasks. An adapter brings those three for its runtime, a listener around [`accept_with`], and no more:
//! about two hundred lines.
//!
//! The public interface is:
//!
//! - admission: [`Gate`] and [`Opening`], with [`Origins`], [`Hosts`] and [`Rejection`]; [`RequestHead`] for what
//!   the server knows of a client, and [`Proxies`] for where it comes from;
//! - sessions on sockets: [`handshake()`], [`run`] and [`run_io`];
//! - other transports: `LongPoll` (feature `longpoll`, for the clients of Phoenix) and `Streams` (feature
//!   `streams`, for those of Centrifuge);
//! - for listeners: [`Listen`], [`accept_with`], [`HttpLimits`], [`HeadScanner`] and [`RequestReader`],
//!   [`read_head`], [`refuse`], and [`HttpConnection`] with its [`Deadlines`].

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
pub use time::within;
pub use trusted::{ClientAddress, RemoteAddress, RequestHead};

/// Runs the README's examples with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
