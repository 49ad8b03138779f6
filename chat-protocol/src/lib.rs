//! Wire formats: each a module and a feature, each a [`chat_core::Protocol`].
//!
//! ```text
//!   json     the plain protocol: one JSON object a text frame
//!   phoenix  Phoenix Channels, V2
//!   echo     sends every message back: for trying out a transport
//! ```

#[cfg(feature = "echo")]
pub mod echo;
#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "phoenix")]
pub mod phoenix;
#[cfg(any(feature = "json", feature = "phoenix"))]
mod text;
