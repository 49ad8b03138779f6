//! Defines what the embedder provides: a runtime, a wire format, the framing of a transport, the user's
//! hooks.

mod endpoint;
mod frames;
mod framing;
mod protocol;
mod requests;
mod runtime;
mod store;
mod transport;

pub use endpoint::{Endpoint, OpenChat, PublishContext, Pushed, SubscribeOptions};
pub use frames::Frames;
pub use framing::{Answers, Framing, Unframed};
pub use protocol::{Accepted, Cost, Credentials, Greeting, Handshake, Protocol, SessionCodec};
pub use requests::Requests;
pub use runtime::{Runtime, Sleep};
pub use store::{CloseStoreError, HistoryStore, ReadMark, Recall, Recalled, StoreError, Stored, StoredPage};
pub use transport::ByteWriter;
