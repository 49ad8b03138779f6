//! Nouns: plain data that every layer speaks of.

mod batch;
mod frame;
mod ids;
mod limits;
mod message;
mod name;
mod now;
mod reason;
mod request;

pub use batch::{Batch, BatchBuilder, Run};
pub use frame::{Frame, Incoming, InputError, Kind, Message};
pub use ids::{Epoch, Offset, SessionId};
pub use limits::Limits;
pub use message::{ChannelSubscription, ChatMessage, Payload, Publication, Published};
pub use name::{ChannelId, NAME_BYTES, NameError, SenderName};
pub use now::Now;
pub use reason::{Close, Refusal};
pub use request::{
    Answer, BadRequest, Call, Command, Connect, Publish, Reply, Request, RequestId, SessionInfo, SharedInfo,
    Subscribe,
};
