//! Defines who a session is, as the endpoint decides.

use super::setters::setters;
use std::any::Any;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Payload, SenderName, SessionId, Subscribe, UserId};

/// Holds what the endpoint decides about a session that it admits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// Holds the name under which the session publishes.
    pub name: SenderName,
    /// Identifies the user whose session it is. Presence, and what is done to all sessions of one user,
    /// depend on this.
    pub user: UserId,
    /// Holds what others see of the user besides the name, where they see presence.
    pub data: Option<Payload>,
    /// Holds the time at which the session ends, unless it is refreshed before: it is then closed with 3005.
    /// It counts on the hub's clock (`hub.runtime().now().utc`), which in a test is the world's. What is left
    /// of it is measured once, when the session is admitted.
    pub expires: Option<DateTime<Utc>>,
    /// Lists subscriptions that the session gets before it is answered, without asking the endpoint again.
    /// Where the client names a position in one of these channels, the subscription resumes from there.
    pub subscriptions: Vec<Subscribe>,
    /// Holds what the client is told with the answer.
    pub welcome: Option<Payload>,
    /// Holds any value that the endpoint wants to have in every hook.
    pub attachment: Attachment,
}

/// Holds what every hook is told about the session that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Identifies the session.
    pub id: SessionId,
    /// Holds the name under which the session publishes.
    pub name: SenderName,
    /// Identifies the user whose session it is.
    pub user: UserId,
    /// Holds what others see of the user besides the name.
    pub data: Option<Payload>,
    /// Holds the value that the endpoint attached to the session.
    pub attachment: Attachment,
}

/// Shares a session's information with the hooks, which run beside the session.
pub type SharedInfo = Arc<SessionInfo>;

/// Holds a value of the endpoint's own, or none. Cloning it is cheap, and it is never traced.
#[derive(Clone, Default)]
pub struct Attachment(Option<Arc<dyn Any + Send + Sync>>);

setters! {
    Identity:
    with_name name: SenderName,
    with_user user: UserId,
    with_data data: impl Into<Option<Payload>>,
    with_expires expires: impl Into<Option<DateTime<Utc>>>,
    with_subscriptions subscriptions: Vec<Subscribe>,
    with_welcome welcome: impl Into<Option<Payload>>,
    with_attachment attachment: Attachment,
}

impl Identity {
    /// Returns the identity of a user of this name, without data, expiry, subscriptions, welcome or
    /// attachment.
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
    /// Returns the information of the session `id` with this identity.
    pub(crate) fn of(id: SessionId, identity: Identity) -> Self {
        let Identity { name, user, data, attachment, .. } = identity;
        Self { id, name, user, data, attachment }
    }
}

impl Attachment {
    /// Attaches this value.
    pub fn new(value: impl Any + Send + Sync) -> Self {
        Self(Some(Arc::new(value)))
    }

    /// Returns the value if there is one of the type `T`.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.as_ref()?.downcast_ref()
    }
}

/// Compares by identity: two attachments are equal if they share one value, or if both hold none.
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
