//! RFC 6455 for servers, without I/O: every byte comes in and goes out as an argument.
//!
//! ```text
//!   bytes of a client ─▶ RequestReader ─▶ accept ─▶ 101, or a Rejection with its status
//!                     ─▶ Decoder ─▶ chat_core::Incoming, or a ReadError with its close code
//!   chat_core's batches ─▶ WebSocket (framing) ─▶ bytes, made once for all subscribers
//! ```
//!
//! The public interface is: [`accept`] and [`RequestReader`] for the opening handshake, [`Origins`] and [`Hosts`] for who may open one, [`Decoder`] for
//! what clients say and [`Messages`] for the stream of it, [`WebSocket`] for what they are told, [`Gate`] for all that an adapter needs to let one in, [`list`] for
//! headers that are lists, [`Listen`] for where to listen.

mod cors;
mod decoder;
mod error;
pub mod fields;
mod framing;
mod gate;
mod handshake;
mod head;
mod host;
mod listen;
mod messages;
mod origin;
mod rejection;
mod request;
mod scanner;

pub use decoder::Decoder;
pub use error::ReadError;
pub use fields::list;
pub use framing::WebSocket;
pub use gate::{Gate, Opening};
pub use handshake::{Accepted, HandshakeError, accept, check_start};
pub use head::{HeadLimits, HeadScanner};
pub use host::{Host, HostError, Hosts};
pub use listen::{Listen, ListenError};
pub use messages::{Messages, PollRead};
pub use origin::{Origin, OriginError, Origins};
pub use rejection::Rejection;
pub use request::{OpeningRequest, RequestReader, to_bytes};
pub use scanner::MessageLimits;

/// Runs the README's examples with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
