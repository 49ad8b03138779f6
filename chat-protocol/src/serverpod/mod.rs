//! Serverpod's two streaming protocols, for its Dart clients as they are.
//!
//! ```text
//!   Legacy          one stream of objects an endpoint         /websocket       Serverpod 0.9 to 3.4
//!   MethodStreams   calls that return and take streams        /v1/websocket    Serverpod 2.1 and on
//! ```
//!
//! Both reach the endpoint `chat` of the original design, with its classes `ChatMessage` and `ChannelSubscription`. A content that is a JSON string goes in
//! and out as that string; any other goes to these clients as its JSON text, bytes as base64. Who a message is from, and when it was said, is the server's
//! word. An edit comes as a message with the new content; signals and deletions have no word here, and are not told.

mod auth;
mod classes;
mod legacy;
mod method_streams;
mod typed;

pub use legacy::Legacy;
pub use method_streams::MethodStreams;

/// The name of the endpoint.
const ENDPOINT: &str = "chat";
