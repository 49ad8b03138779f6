//! chat-core on Tokio: the runtime, a listener, and an upgrade for hyper 1, axum and tower.
//!
//! ```text
//!   serve ──▶ upgrade ──▶ run_tcp ──▶ chat_core::Connection      (written at once by whoever publishes)
//!   axum, hyper ──┘  └──▶ run_io                                 (TLS and other streams)
//!   axum's WebSocket ───▶ run_axum                               (any Stream + Sink of messages)
//! ```
//!
//! The public interface is: [`TokioRuntime`] to build a hub on; [`serve`] for a server of its own; [`upgrade()`] and, for axum,
//! `axum_upgrade` for a route in another; [`run_tcp`], [`run_io`] and `run_axum` for sockets that are open already.
//!
//! ```no_run
//! use axum::{Router, routing::any};
//! use chat_core::{Hub, OpenChat};
//! use chat_tokio_adapter::{TokioRuntime, axum_upgrade};
//!
//! # async fn run() {
//! let hub = Hub::builder(OpenChat::default()).build(TokioRuntime::current());
//! let app: Router = Router::new().route("/ws", any(axum_upgrade)).with_state(hub.clone());
//! # }
//! ```

mod door;
mod listener;
#[cfg(feature = "axum")]
mod messages;
mod runtime;
mod socket;
mod upgrade;

pub use chat_websocket::{Gate, Opening, Origin, Origins, Rejection};
pub use listener::{serve, serve_http};
#[cfg(feature = "axum")]
pub use messages::run_axum;
pub use runtime::TokioRuntime;
#[cfg(feature = "axum")]
pub use upgrade::axum_upgrade;
pub use upgrade::{gate, run_io, run_tcp, upgrade};
