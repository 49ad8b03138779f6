//! Speaks the wire formats of chat-core: each a module and a feature, each a
//! [`chat_core::protocol::Protocol`], without any I/O.
//!
//! ```text
//!   json        the plain protocol: one JSON object a text frame
//!   centrifuge  the client protocol of Centrifugo and Centrifuge, in JSON and in Protobuf
//!   phoenix     Phoenix Channels, V2, in text and binary frames
//!   serverpod   Serverpod's two streaming protocols, for its Dart clients as they are
//!   echo        sends every message back: for trying out a transport
//! ```
//!
//! Every protocol has the same files:
//!
//! ```text
//!   mod         the protocol's type, and its picture
//!   decode      the bytes of a client ──▶ requests; its credentials at the opening
//!   session     what one session remembers between its requests and its replies
//!   encode      replies and publications ──▶ bytes
//!   context     what a reply needs of its request, kept within the request's id
//! ```
//!
//! They import downwards alone: `mod` ▶ `session` ▶ `decode`, `encode` ▶ `context` ▶ `read` and `write`,
//! which hold what all protocols of JSON share.

#[cfg(feature = "centrifuge")]
pub mod centrifuge;
#[cfg(feature = "echo")]
pub mod echo;
#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "phoenix")]
pub mod phoenix;
#[cfg(any(feature = "json", feature = "centrifuge", feature = "phoenix", feature = "serverpod"))]
#[allow(dead_code, reason = "each protocol uses a part of it")]
mod read;
#[cfg(feature = "serverpod")]
pub mod serverpod;
#[cfg(any(feature = "json", feature = "centrifuge", feature = "phoenix", feature = "serverpod"))]
#[allow(dead_code, reason = "each protocol uses a part of it")]
mod write;

#[cfg(any(feature = "json", feature = "centrifuge", feature = "phoenix", feature = "serverpod"))]
pub use read::check_depth;

/// Runs the README's examples with the tests.
#[cfg(all(doctest, feature = "json"))]
#[doc = include_str!("../README.md")]
struct Readme;
