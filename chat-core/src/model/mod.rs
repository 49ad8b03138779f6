//! Defines the plain data that every layer uses.

mod answer;
mod batch;
mod extensions;
mod frame;
mod history;
mod identity;
mod ids;
mod instant;
mod json;
mod kind;
mod limits;
mod message;
mod name;
mod now;
mod peer;
mod presence;
mod rate;
mod reason;
mod request;
pub(crate) mod setters;
mod status;
mod transcode;
mod unsubscribe;

pub use answer::{Answer, Connected, Expiry, Gap, Reply, Subscribed};
pub(crate) use batch::{Batch, BatchBuilder, Mark, Run};
pub use extensions::Extensions;
pub use frame::{Frame, Incoming, InputError, Message};
pub use history::{
    ChannelOptions, HistoryOptions, HistoryPage, HistoryRequest, Recovery, Scope, Since, Storage,
};
pub use identity::{Attachment, Identity, SessionInfo, SharedInfo};
pub(crate) use ids::Place;
pub use ids::{Epoch, EpochError, Offset, SessionId};
pub use instant::Instant;
pub use json::NotJson;
pub use kind::Kind;
pub use limits::{Limits, LimitsError};
pub use message::{
    Author, ChannelSubscription, ChatMessage, Payload, Publication, Published, RecalledKey, Reference,
};
pub use name::{ChannelId, EventName, NAME_BYTES, NameError, SenderName, UserId};
pub use now::Now;
pub(crate) use now::{later, or_never};
pub use peer::Peer;
pub use presence::{PresenceChange, PresencePage, Present, SessionPresence};
pub use rate::Rate;
pub use reason::{Close, CloseReason, CodeError, Custom, Reason, Refusal};
pub use request::{
    BadRequest, Call, Command, Connect, KEY_BYTES, Overflow, Publish, Request, RequestId, Subscribe, Token,
};
pub use status::{ChannelStatus, Page, SessionStatus, SubscriberStatus};
pub use unsubscribe::UnsubscribeReason;
