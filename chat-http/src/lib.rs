//! HTTP for chat-core, without a runtime: admits clients, opens their sessions, and serves those for whom no
//! WebSocket gets through.
//!
//! ```text
//!   bytes ──▶ handshake ─────▶ Gate ──▶ Opening ──▶ run ──▶ Connection   (a server without an HTTP library)
//!   an HTTP library's request ─▶ Gate ──▶ Opening ──▶ run                (hyper, axum, …)
//!                            └─▶ LongPoll, Streams ──▶ Connection        (plain HTTP)
//! ```
//!
//! Its folders and files, each of which imports from those to its right alone:
//!
//! ```text
//!   longpoll, streams ──▶ socket ──▶ head ──▶ admission ──▶ hub ──▶ limits
//! ```
//!
//! It works on [`http`]'s types, on [`PollRead`] and
//! [`ByteWriter`](chat_core::transport::ByteWriter) for sockets, and on
//! [`Runtime`](chat_core::runtime::Runtime) for time and tasks. An adapter brings those three for its
//! runtime, a listener around [`accept_with`], and no more: about two hundred lines.
//!
//! The public interface is:
//!
//! - [`HttpHub`], a hub with the [`HttpLimits`] within which it is served;
//! - admission: [`Gate`] and [`Opening`], with [`Origins`], [`Hosts`] and [`Rejection`]; [`RequestHead`] for
//!   what the server knows of a client, and [`Proxies`] for where it comes from;
//! - sessions on sockets: [`handshake()`], [`run`] and [`run_io`];
//! - other transports: `LongPoll` (feature `longpoll`, for the clients of Phoenix) and `Streams` (feature
//!   `streams`, for those of Centrifuge);
//! - for listeners: [`Listen`] and [`Listener`], [`accept_with`], [`HeadScanner`] and [`RequestReader`] with
//!   their [`HeadLimits`], [`read_start`], [`refuse`], and [`HttpConnection`] with its [`Deadlines`].

mod admission;
mod head;
mod hub;
mod limits;
#[cfg(feature = "longpoll")]
mod longpoll;
mod socket;
#[cfg(feature = "streams")]
mod streams;
mod time;

pub use admission::{
    ClientAddress, Gate, HeadRef, Host, HostError, Hosts, Network, NetworkError, Opening, Origin,
    OriginError, Origins, Proxies, Rejection, RemoteAddress, RequestHead,
};
pub use chat_websocket::{PollRead, list};
pub use head::{HeadLimits, HeadScanner, OpeningRequest, RequestReader, to_bytes};
pub use hub::HttpHub;
pub use limits::{HttpLimits, HttpLimitsError};
#[cfg(feature = "longpoll")]
pub use longpoll::LongPoll;
pub use socket::{
    Deadlines, HttpConnection, Listen, ListenError, Listener, Remote, ServedBody, Serving, Start,
    accept_with, handshake, read_head, read_start, refuse, run, run_io,
};
#[cfg(feature = "streams")]
pub use streams::{StreamBody, StreamResponse, Streams};
pub use time::{from_std, to_std, within};

/// Runs the README's examples with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
