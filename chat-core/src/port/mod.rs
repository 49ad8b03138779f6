//! What the outside lends: a runtime, a wire format, a transport's framing, the user's hooks.

mod endpoint;
mod framing;
mod protocol;
mod runtime;
mod transport;

pub use endpoint::{Endpoint, OpenChat, Standing, SubscribeOptions};
pub use framing::{Framing, Unframed};
pub use protocol::Protocol;
pub use runtime::{Runtime, Sleep};
pub use transport::ByteWriter;
