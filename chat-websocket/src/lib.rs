//! RFC 6455 for servers, without I/O: every byte comes in and goes out as an argument.
//!
//! ```text
//!   bytes of a client ─▶ RequestReader ─▶ accept ─▶ 101, or a Rejection with its status
//!                     ─▶ Decoder ─▶ chat_core::Incoming, or a ReadError with its close code
//!   chat_core's batches ─▶ WebSocket (framing) ─▶ bytes, made once for all subscribers
//! ```
//!
//! The public interface is: [`accept`] and [`RequestReader`] for the opening handshake, [`Origins`] for who may open one, [`Decoder`] for
//! what clients say, [`WebSocket`] for what they are told.

mod decoder;
mod framing;
mod handshake;
mod origin;
mod request;
mod scanner;

pub use decoder::{Decoder, DecoderConfig, ReadError};
pub use framing::WebSocket;
pub use handshake::{Accepted, Rejection, accept};
pub use origin::{Origin, OriginError, Origins};
pub use request::{HeadLimits, HeadScanner, OpeningRequest, RequestReader, to_bytes};
