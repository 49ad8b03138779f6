//! Speaks Serverpod's two streaming protocols, with its Dart clients as they are.
//!
//! ```text
//!   legacy           one stream of objects an endpoint         /websocket       Serverpod 0.9 to 3.4
//!   method_streams   calls that return and take streams        /v1/websocket    Serverpod 2.1 and on
//!      │
//!      ▼  both use
//!   classes ──▶ typed      ChatMessage and ChannelSubscription, beside their names
//!   auth                   the key within the value of a header
//! ```
//!
//! Both reach the endpoint `chat` of the original design. A content that is a JSON string goes in and out as
//! that string; any other goes to these clients as its JSON text, bytes as base64. The server sets the sender
//! and the time of a message. An edit goes out as a message with the new content; signals and deletions do
//! not go to these clients.

mod auth;
mod classes;
mod legacy;
mod method_streams;
mod typed;

pub use legacy::Legacy;
pub use method_streams::MethodStreams;
