//! Who a session is, as the endpoint says.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Payload, SenderName, SessionId, Subscribe, UserId};

/// What the endpoint says of a session that it lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name under which it speaks.
    pub name: SenderName,
    /// Whose session it is: presence, and what is done to all sessions of one user, go by this.
    pub user: UserId,
    /// What others see of the user beside the name, where they see who is there.
    pub data: Option<Payload>,
    /// When it ends, unless it is refreshed before: then the session is closed with 3005.
    pub expires: Option<DateTime<Utc>>,
    /// Channels that it is put into before it is answered: the endpoint is not asked again. Where the client says that it was there before, it goes on.
    pub subscriptions: Vec<Subscribe>,
    /// What its client is told with the answer.
    pub welcome: Option<Payload>,
    /// Anything that the endpoint wants to find again in every hook.
    pub attachment: Attachment,
}

/// What every hook is told of the session that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its number.
    pub id: SessionId,
    /// The name under which it speaks.
    pub name: SenderName,
    /// Whose session it is.
    pub user: UserId,
    /// What others see of the user beside the name.
    pub data: Option<Payload>,
    /// What the endpoint attached to it.
    pub attachment: Attachment,
}

/// Shared, because hooks run beside their session.
pub type SharedInfo = Arc<SessionInfo>;

/// A value of the endpoint's own, or none. Cheap to clone; never traced.
#[derive(Clone, Default)]
pub struct Attachment(Option<Arc<dyn Any + Send + Sync>>);

impl Identity {
    /// A user of this name, and no more.
    pub fn named(name: SenderName) -> Self {
        let user = name.clone().into();
        Self {
            name,
            user,
            data: None,
            expires: None,
            subscriptions: Vec::new(),
            welcome: None,
            attachment: Attachment::default(),
        }
    }
}

impl SessionInfo {
    /// The session of this number, let in as this.
    pub(crate) fn of(id: SessionId, identity: Identity) -> Self {
        let Identity { name, user, data, attachment, .. } = identity;
        Self { id, name, user, data, attachment }
    }
}

impl Attachment {
    /// Of a value.
    pub fn new(value: impl Any + Send + Sync) -> Self {
        Self(Some(Arc::new(value)))
    }

    /// The value, if there is one of this type.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.as_ref()?.downcast_ref()
    }
}

/// The same value, not one like it.
impl PartialEq for Attachment {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(this), Some(that)) => Arc::ptr_eq(this, that),
            (this, that) => this.is_none() && that.is_none(),
        }
    }
}

impl Eq for Attachment {}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Attachment" } else { "none" })
    }
}
