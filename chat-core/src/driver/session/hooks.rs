//! Holds the endpoint's hooks, while they run.

use std::panic::AssertUnwindSafe;
use std::task::{Context, Poll, ready};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::CatchUnwind;

use crate::driver::caught::{Panicked, discard};
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

/// Holds one hook that a session waits for, and tells what its outcome is for.
pub(crate) enum Asking {
    Open(Guarded<Opened>),
    Refresh(Guarded<Refreshed>),
    Rename(Guarded<SenderName>),
    Subscribe(ChannelId, Guarded<(Admission, ChannelOptions)>),
    RefreshSubscription(ChannelId, Guarded<Option<DateTime<Utc>>>),
    Publish(Guarded<(Publish, ChannelOptions)>),
    Event(Guarded<(Pushed, ChannelOptions)>),
    /// Asks the store for a channel, whose name is here if the session is to join it.
    Enter(Option<ChannelId>, Guarded<Ready>),
    History(Guarded<LookBack>),
    Stored(Guarded<Answer>),
    Presence(Guarded<LookAround>),
    Call(Guarded<Payload>),
}

/// Holds what a hook answered.
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
    Presence(Result<LookAround, Refusal>),
    Call(Result<Payload, Refusal>),
}

/// Holds what the endpoint allowed, and the entry to the channel for it.
pub(crate) type Ready = (Entry, Allowed);

/// Tells what the endpoint allowed.
pub(crate) enum Allowed {
    Subscribe(Admission),
    Publish(Publish),
}

/// Holds the history that was asked for, and what the channel kept of it.
pub(crate) type LookBack = (HistoryRequest, Option<HistoryPage>);

/// Holds the channel whose presence may be seen, and what keeps it joined until then.
pub(crate) type LookAround = (ChannelId, Option<Entry>);

/// Catches the panic of a hook.
pub(crate) struct Guarded<T>(CatchUnwind<AssertUnwindSafe<Hook<T>>>);

/// Holds a hook, the request that it is for, and whether that is answered if all goes well.
pub(crate) struct Pending {
    pub(crate) id: Option<RequestId>,
    pub(crate) announced: bool,
    pub(crate) asking: Asking,
    /// Holds the request to ask again if the session's stay in the channel has changed.
    pub(crate) asked: Option<Asked>,
    /// Counts how often it was asked before.
    pub(crate) times: u8,
}

/// Holds what was asked, and in which stay in the channel that it is about.
pub(crate) struct Asked {
    pub(crate) command: Command,
    pub(crate) stay: Option<Stay>,
}

/// Bounds how often one request is asked about again; then it is refused.
pub(crate) const AGAIN: u8 = 3;

impl<T> Guarded<T> {
    pub(crate) fn new(hook: Hook<T>) -> Self {
        Self(AssertUnwindSafe(hook).catch_unwind())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Result<T, Refusal>, Panicked>> {
        self.0.poll_unpin(cx).map_err(discard)
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
    /// Returns true if the session now does something that it may do only in the stay in which it asked. A
    /// hook that has refused, or has answered by itself, leaves nothing to do.
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
