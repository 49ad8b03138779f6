//! The endpoint's hooks, while they run.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::task::{Context, Poll, ready};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::CatchUnwind;

use crate::driver::caught::Panicked;
use crate::driver::hub::admission::Admission;
use crate::driver::hub::endpoint::{Hook, Refreshed};
use crate::driver::hub::opening::Opened;
use crate::driver::hub::store::entry::Entry;
use crate::machine::Stay;
use crate::model::{
    Answer, ChannelId, ChannelOptions, Command, HistoryPage, HistoryRequest, Payload, Publish, Refusal,
    RequestId, SenderName,
};
use crate::port::Pushed;

/// One hook that a session waits for, and what its outcome is for.
pub(crate) enum Asking {
    Open(Guarded<Opened>),
    Refresh(Guarded<Refreshed>),
    Rename(Guarded<SenderName>),
    Subscribe(ChannelId, Guarded<(Admission, ChannelOptions)>),
    RefreshSubscription(ChannelId, Guarded<Option<DateTime<Utc>>>),
    Publish(Guarded<(Publish, ChannelOptions)>),
    Event(Guarded<(Pushed, ChannelOptions)>),
    /// The store is asked for a channel.
    ///
    /// With its name, if the session is to join it.
    Enter(Option<ChannelId>, Guarded<Ready>),
    History(Guarded<LookBack>),
    Stored(Guarded<Answer>),
    Presence(Guarded<ChannelId>),
    Call(Guarded<Payload>),
}

/// What a hook said.
pub(crate) enum Outcome {
    Open(Result<Opened, Refusal>),
    Refresh(Result<Refreshed, Refusal>),
    Rename(Result<SenderName, Refusal>),
    Subscribe(ChannelId, Result<(Admission, ChannelOptions), Refusal>),
    RefreshSubscription(ChannelId, Result<Option<DateTime<Utc>>, Refusal>),
    Publish(Result<(Publish, ChannelOptions), Refusal>),
    Event(Result<(Pushed, ChannelOptions), Refusal>),
    Enter(Result<Ready, Refusal>),
    History(Result<LookBack, Refusal>),
    Stored(Result<Answer, Refusal>),
    Presence(Result<ChannelId, Refusal>),
    Call(Result<Payload, Refusal>),
}

/// What the endpoint allowed, and the channel for it.
pub(crate) type Ready = (Entry, Allowed);

/// What the endpoint allowed.
pub(crate) enum Allowed {
    Subscribe(Admission),
    Publish(Publish),
}

/// What was asked for, and what the channel kept of it.
pub(crate) type LookBack = (HistoryRequest, Option<HistoryPage>);

/// A hook whose panic stays its own.
pub(crate) struct Guarded<T>(CatchUnwind<AssertUnwindSafe<Hook<T>>>);

/// A hook, the request that it is for, and whether that is answered if all goes well.
pub(crate) struct Pending {
    pub(crate) id: Option<RequestId>,
    pub(crate) announced: bool,
    pub(crate) asking: Asking,
    /// What to ask again if what it was asked under is so no more.
    pub(crate) asked: Option<Asked>,
    /// How often it was asked before.
    pub(crate) times: u8,
}

/// What was asked, and in which stay in the channel that it is about.
pub(crate) struct Asked {
    pub(crate) command: Command,
    pub(crate) stay: Option<Stay>,
}

/// So often one request is asked about again; then it is refused.
pub(crate) const AGAIN: u8 = 3;

impl<T> Guarded<T> {
    pub(crate) fn new(hook: Hook<T>) -> Self {
        Self(AssertUnwindSafe(hook).catch_unwind())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Result<T, Refusal>, Panicked>> {
        self.0.poll_unpin(cx).map_err(|_: Box<dyn Any + Send>| Panicked)
    }
}

impl Asking {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Outcome, Panicked>> {
        Poll::Ready(Ok(match self {
            Self::Open(hook) => Outcome::Open(ready!(hook.poll(cx))?),
            Self::Refresh(hook) => Outcome::Refresh(ready!(hook.poll(cx))?),
            Self::Rename(hook) => Outcome::Rename(ready!(hook.poll(cx))?),
            Self::Subscribe(channel, hook) => Outcome::Subscribe(channel.clone(), ready!(hook.poll(cx))?),
            Self::RefreshSubscription(channel, hook) => {
                Outcome::RefreshSubscription(channel.clone(), ready!(hook.poll(cx))?)
            }
            Self::Event(hook) => Outcome::Event(ready!(hook.poll(cx))?),
            Self::Publish(hook) => Outcome::Publish(ready!(hook.poll(cx))?),
            Self::Enter(_, hook) => Outcome::Enter(ready!(hook.poll(cx))?),
            Self::Stored(hook) => Outcome::Stored(ready!(hook.poll(cx))?),
            Self::History(hook) => Outcome::History(ready!(hook.poll(cx))?),
            Self::Presence(hook) => Outcome::Presence(ready!(hook.poll(cx))?),
            Self::Call(hook) => Outcome::Call(ready!(hook.poll(cx))?),
        }))
    }
}

impl Outcome {
    /// Whether the session now does something that it may do only in the stay in which it asked. What a hook has refused or answered itself is done with.
    pub(crate) fn counts_for_a_stay(&self) -> bool {
        matches!(
            self,
            Self::Publish(Ok(_))
                | Self::Event(Ok((Pushed::Publish(_), _)))
                | Self::Enter(Ok((_, Allowed::Publish(_))))
                | Self::History(Ok(_))
                | Self::Presence(Ok(_))
                | Self::RefreshSubscription(_, Ok(_))
        )
    }
}
