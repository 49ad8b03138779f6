//! Wire formats: each a module and a feature, each a [`chat_core::Protocol`].
//!
//! ```text
//!   json    the plain protocol: one JSON object a text frame
//! ```

#[cfg(feature = "json")]
pub mod json;
