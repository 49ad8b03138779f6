//! Wire formats: each a module and a feature, each a [`chat_core::Protocol`].
//!
//! ```text
//!   json        the plain protocol: one JSON object a text frame
//!   centrifuge  what the clients of Centrifuge and Centrifugo speak, in JSON
//!   phoenix     Phoenix Channels, V2
//!   serverpod   Serverpod's two streaming protocols, for its Dart clients as they are
//!   echo        sends every message back: for trying out a transport
//! ```

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
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
