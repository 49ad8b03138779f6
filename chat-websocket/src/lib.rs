//! RFC 6455 for servers, without I/O: every byte comes in and goes out as an argument.
//!
//! ```text
//!   headers of a request ─▶ accept ─▶ 101, or a HandshakeError
//!   bytes of a client    ─▶ Decoder ─▶ chat_core::transport::Incoming, or a ReadError with its close code
//!   chat_core's batches  ─▶ WebSocket (framing) ─▶ bytes, made once for all subscribers
//! ```
//!
//! The public interface is: [`accept`] for the opening handshake, with [`fields`] to read header fields by;
//! [`Decoder`] for what clients send within [`MessageLimits`], and [`Messages`] for the stream of it;
//! [`WebSocket`] for what they are sent.

mod decoder;
mod error;
pub mod fields;
mod framing;
mod handshake;
mod messages;
mod scanner;

pub use decoder::Decoder;
pub use error::ReadError;
pub use fields::list;
pub use framing::WebSocket;
pub use handshake::{Accepted, HandshakeError, accept, check_start};
pub use messages::{Messages, PollRead};
pub use scanner::MessageLimits;

/// Runs the README's examples with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
