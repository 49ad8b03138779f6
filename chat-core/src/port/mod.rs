//! Defines what the embedder provides: a runtime, a wire format, the framing of a transport, the user's
//! hooks.

pub(crate) mod broker;
mod decisions;
mod defaults;
mod endpoint;
mod frames;
mod framing;
mod open_chat;
mod protocol;
mod requests;
mod runtime;
mod shared_endpoint;
mod store;
mod transport;

pub use decisions::{PublishContext, Pushed, SubscribeOptions};
pub use endpoint::Endpoint;
pub use frames::Frames;
pub use framing::{Answers, Framing, Unframed};
pub use open_chat::OpenChat;
pub use protocol::{Accepted, Cost, Credentials, Greeting, Handshake, Protocol, SessionCodec};
pub use requests::Requests;
pub use runtime::{Runtime, Sleep};
pub use store::{CloseStoreError, HistoryStore, ReadMark, Recall, Recalled, StoreError, Stored, StoredPage};
pub use transport::ByteWriter;
