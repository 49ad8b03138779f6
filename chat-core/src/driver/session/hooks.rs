//! The endpoint's hooks, while they run.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::{BoxFuture, CatchUnwind};

use crate::driver::caught::Panicked;
use crate::driver::hub::admission::{Admission, Reading, admit};
use crate::driver::hub::entry::Entry;
use crate::machine::Stay;
use crate::model::{
    Answer, Call, ChannelId, ChannelOptions, Close, Command, Connect, HistoryPage, HistoryRequest, Identity,
    Payload, Publish, Refusal, RequestId, SenderName, SessionId, SessionInfo, SharedInfo, Subscribe, Token,
};
use crate::port::{Endpoint, Pushed, Standing};

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

/// Who the session is, and the channels that it is put into.
pub(crate) type Opened = (Identity, Vec<(Subscribe, Entry, Reading)>);

/// What the endpoint allowed, and the channel for it.
pub(crate) type Ready = (Entry, Allowed);

/// What the endpoint allowed.
pub(crate) enum Allowed {
    Subscribe(Admission),
    Publish(Publish),
}

/// Who the session is from now on, and for each stay in a channel whether it goes on.
pub(crate) type Refreshed = (Identity, Vec<(ChannelId, Stay, Result<(), Refusal>)>);

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

/// An [`Endpoint`] without its type, so that a hub has none.
pub(crate) trait AnyEndpoint: Send + Sync {
    fn stream_opened(self: Arc<Self>, session: SessionId, connect: Connect) -> Hook<Identity>;
    fn refresh(
        self: Arc<Self>,
        session: SharedInfo,
        token: Token,
        stays: Vec<(ChannelId, Stay)>,
    ) -> Hook<Refreshed>;
    fn stay(
        self: Arc<Self>,
        session: SessionId,
        refreshed: Refreshed,
        stays: Vec<(ChannelId, Stay)>,
    ) -> Hook<Refreshed>;
    fn rename(self: Arc<Self>, session: SharedInfo, name: SenderName) -> Hook<SenderName>;
    fn channel(&self, channel: &ChannelId, defaults: ChannelOptions) -> ChannelOptions;
    fn subscribe(
        self: Arc<Self>,
        session: SharedInfo,
        request: Subscribe,
        defaults: ChannelOptions,
        most: usize,
    ) -> Hook<(Admission, ChannelOptions)>;
    fn refresh_subscription(
        self: Arc<Self>,
        session: SharedInfo,
        channel: ChannelId,
        token: Token,
    ) -> Hook<Option<DateTime<Utc>>>;
    fn publish(
        self: Arc<Self>,
        session: SharedInfo,
        request: Publish,
        standing: Standing,
        defaults: ChannelOptions,
    ) -> Hook<(Publish, ChannelOptions)>;
    fn event(
        self: Arc<Self>,
        session: SharedInfo,
        request: Publish,
        standing: Standing,
        defaults: ChannelOptions,
    ) -> Hook<(Pushed, ChannelOptions)>;
    fn history(
        self: Arc<Self>,
        session: SharedInfo,
        request: HistoryRequest,
        member: bool,
    ) -> Hook<HistoryRequest>;
    fn presence(self: Arc<Self>, session: SharedInfo, channel: ChannelId, member: bool) -> Hook<ChannelId>;
    fn call(self: Arc<Self>, session: SharedInfo, request: Call) -> Hook<Payload>;
    fn stream_closed(self: Arc<Self>, session: SharedInfo, close: Close) -> BoxFuture<'static, ()>;
}

/// A hook that runs.
pub(crate) type Hook<T> = BoxFuture<'static, Result<T, Refusal>>;

impl<E: Endpoint> AnyEndpoint for E {
    fn stream_opened(self: Arc<Self>, session: SessionId, connect: Connect) -> Hook<Identity> {
        Box::pin(async move { Endpoint::stream_opened(&*self, session, connect).await })
    }

    fn refresh(
        self: Arc<Self>,
        session: SharedInfo,
        token: Token,
        stays: Vec<(ChannelId, Stay)>,
    ) -> Hook<Refreshed> {
        Box::pin(async move {
            let identity = Endpoint::refresh(&*self, &session, token).await?;
            AnyEndpoint::stay(self, session.id, (identity, Vec::new()), stays).await
        })
    }

    fn stay(
        self: Arc<Self>,
        session: SessionId,
        (identity, mut verdicts): Refreshed,
        stays: Vec<(ChannelId, Stay)>,
    ) -> Hook<Refreshed> {
        Box::pin(async move {
            let now = SessionInfo::of(session, identity.clone());
            for (channel, stay) in stays {
                let verdict = Endpoint::stay(&*self, &now, &channel).await;
                verdicts.push((channel, stay, verdict));
            }
            Ok((identity, verdicts))
        })
    }

    fn rename(self: Arc<Self>, session: SharedInfo, name: SenderName) -> Hook<SenderName> {
        Box::pin(async move { Endpoint::rename(&*self, &session, name).await })
    }

    fn channel(&self, channel: &ChannelId, defaults: ChannelOptions) -> ChannelOptions {
        Endpoint::channel(self, channel, defaults)
    }

    fn subscribe(
        self: Arc<Self>,
        session: SharedInfo,
        request: Subscribe,
        defaults: ChannelOptions,
        most: usize,
    ) -> Hook<(Admission, ChannelOptions)> {
        Box::pin(async move {
            let channel = request.channel.clone();
            let admission = admit(&*self, &session, request, most).await?;
            Ok((admission, Endpoint::channel(&*self, &channel, defaults)))
        })
    }

    fn publish(
        self: Arc<Self>,
        session: SharedInfo,
        request: Publish,
        standing: Standing,
        defaults: ChannelOptions,
    ) -> Hook<(Publish, ChannelOptions)> {
        Box::pin(async move {
            let publish = Endpoint::publish(&*self, &session, request, standing).await?;
            let options = Endpoint::channel(&*self, &publish.channel, defaults);
            Ok((publish, options))
        })
    }

    fn refresh_subscription(
        self: Arc<Self>,
        session: SharedInfo,
        channel: ChannelId,
        token: Token,
    ) -> Hook<Option<DateTime<Utc>>> {
        Box::pin(async move { Endpoint::refresh_subscription(&*self, &session, &channel, token).await })
    }

    fn event(
        self: Arc<Self>,
        session: SharedInfo,
        request: Publish,
        standing: Standing,
        defaults: ChannelOptions,
    ) -> Hook<(Pushed, ChannelOptions)> {
        Box::pin(async move {
            let channel = request.channel.clone();
            let pushed = Endpoint::event(&*self, &session, request, standing).await?;
            let channel = match &pushed {
                Pushed::Publish(publish) => &publish.channel,
                Pushed::Answer(_) => &channel,
            };
            let options = Endpoint::channel(&*self, channel, defaults);
            Ok((pushed, options))
        })
    }

    fn history(
        self: Arc<Self>,
        session: SharedInfo,
        request: HistoryRequest,
        member: bool,
    ) -> Hook<HistoryRequest> {
        Box::pin(async move { Endpoint::history(&*self, &session, request, member).await })
    }

    fn presence(self: Arc<Self>, session: SharedInfo, channel: ChannelId, member: bool) -> Hook<ChannelId> {
        Box::pin(async move {
            Endpoint::presence(&*self, &session, &channel, member).await?;
            Ok(channel)
        })
    }

    fn call(self: Arc<Self>, session: SharedInfo, request: Call) -> Hook<Payload> {
        Box::pin(async move { Endpoint::call(&*self, &session, request).await })
    }

    fn stream_closed(self: Arc<Self>, session: SharedInfo, close: Close) -> BoxFuture<'static, ()> {
        Box::pin(async move { Endpoint::stream_closed(&*self, &session, &close).await })
    }
}
