//! What the outside lends: a runtime, a wire format, a transport's framing, the user's hooks.

mod endpoint;
mod framing;
mod protocol;
mod runtime;
mod store;
mod transport;

pub use endpoint::{Endpoint, OpenChat, Standing, SubscribeOptions};
pub use framing::{Framing, Unframed};
pub use protocol::Protocol;
pub use runtime::{Runtime, Sleep};
pub use store::{HistoryStore, StoreError, Stored, StoredPage};
pub use transport::ByteWriter;
