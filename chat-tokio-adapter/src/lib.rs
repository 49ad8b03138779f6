//! Runs chat-core on Tokio: brings the runtime, a listener, and an upgrade for hyper 1, axum and tower.
//!
//! ```text
//!   serve ──▶ upgrade ──▶ spawn_upgraded ──▶ run_tcp ──▶ Connection  (whoever publishes writes at once)
//!   axum, hyper ──┘                     └──▶ run_io                  (TLS and other streams)
//!   axum's WebSocket ──────────────────────▶ axum::run               (any Stream + Sink of messages)
//! ```
//!
//! The public interface is:
//!
//! - [`TokioRuntime`] to build a hub on;
//! - [`serve`] for a server of its own, and [`serve_http`] for one with other services beside;
//! - [`upgrade()`] for a route in any hyper 1 server, `axum::upgrade` as a handler and `axum::route` as a
//!   route;
//! - [`spawn_upgraded`], [`run_tcp`] and [`run_io`] for connections that are opened by hand, and `axum::run`
//!   for sockets that axum has opened;
//! - [`RequestHead`], which tells an endpoint of the request, and [`Listener`] for servers behind proxies;
//! - [`HttpHub`] in place of a hub, for bounds of HTTP other than the default [`HttpLimits`];
//! - admission, long polls (feature `longpoll`) and HTTP streams (feature `streams`), from [`chat_http`].
//!
//! ```no_run
//! use axum::{Router, routing::any};
//! use chat_core::{Hub, OpenChat};
//! use chat_tokio_adapter::{TokioRuntime, axum::upgrade};
//!
//! # async fn run() {
//! let hub = Hub::builder(OpenChat::default()).build(TokioRuntime::current());
//! let app: Router = Router::new().route("/ws", any(upgrade)).with_state(hub.clone());
//! # }
//! ```

#[cfg(feature = "axum")]
pub mod axum;
mod listener;
mod prefixed;
mod runtime;
mod service;
mod socket;
mod timed;
mod upgrade;

#[cfg(feature = "longpoll")]
pub use chat_http::LongPoll;
pub use chat_http::{
    ClientAddress, Gate, HeadRef, Host, HostError, Hosts, HttpHub, HttpLimits, HttpLimitsError, Listen,
    ListenError, Listener, Network, NetworkError, Opening, Origin, OriginError, Origins, Proxies, Rejection,
    RemoteAddress, RequestHead, list,
};
#[cfg(feature = "streams")]
pub use chat_http::{StreamBody, StreamResponse, Streams};
pub use listener::{serve, serve_http};
pub use runtime::TokioRuntime;
pub use upgrade::{gate, run_io, run_tcp, spawn_upgraded, upgrade};

/// Runs the examples of the project's README with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ProjectReadme;

/// Runs the README's examples with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
