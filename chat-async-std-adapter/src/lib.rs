//! Runs chat-core on async-std and smol: brings the runtimes, and a listener over futures-io.
//!
//! ```text
//!   serve ──▶ run_tcp ──▶ chat_core::transport::Connection      (whoever publishes writes at once)
//!             run_io  ──┘                            (TLS and other streams)
//! ```
//!
//! The public interface is: `AsyncStdRuntime` or `SmolRuntime` to build a hub on, each a feature; [`serve`]
//! for a server of its own, with a [`gate`]; [`run_tcp`] and [`run_io`] for connections that are opened by
//! hand; [`HttpHub`] in place of a hub, for bounds of HTTP other than the default [`HttpLimits`]; admission,
//! from [`chat_http`].
//!
//! Sockets are async-io's [`Async`], on which both runtimes stand. On Unix the sockets of [`serve`] stand
//! together
//! behind one such source, which costs much less under load. async-std itself is discontinued
//! (RUSTSEC-2025-0052):
//! choose smol for what is new.
//!
//! ```no_run
//! use std::{future::pending, net::TcpListener};
//! use chat_async_std_adapter::{Async, gate, serve};
//! # #[cfg(feature = "async-std")]
//! # fn main() -> std::io::Result<()> {
//! use chat_async_std_adapter::AsyncStdRuntime;
//! use chat_core::{Hub, OpenChat};
//!
//! let hub = Hub::builder(OpenChat::default()).build(AsyncStdRuntime);
//! let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 8080))?;
//! async_io::block_on(serve(listener, gate(hub), pending()));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "async-std"))]
//! # fn main() {}
//! ```

mod listener;
mod run;
#[cfg(any(feature = "async-std", feature = "smol"))]
mod runtime;
mod socket;
#[cfg(unix)]
mod sockets;
#[cfg(not(unix))]
#[path = "sockets_apart.rs"]
mod sockets;

pub use async_io::Async;
pub use chat_http::{
    ClientAddress, Gate, HeadRef, Host, HostError, Hosts, HttpHub, HttpLimits, HttpLimitsError, Listen,
    ListenError, Listener, Network, NetworkError, Opening, Origin, OriginError, Origins, Proxies, Rejection,
    RemoteAddress, RequestHead, run_io,
};
pub use listener::serve;
pub use run::{gate, run_tcp};
#[cfg(feature = "async-std")]
pub use runtime::AsyncStdRuntime;
#[cfg(feature = "smol")]
pub use runtime::SmolRuntime;

/// Runs the README's examples with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
