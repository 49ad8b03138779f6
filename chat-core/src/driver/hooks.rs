//! The endpoint's hooks, while they run.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::{BoxFuture, CatchUnwind};

use super::caught::Panicked;
use super::entry::Entry;
use crate::model::{
    Answer, Call, ChannelId, ChannelOptions, Close, Connect, HistoryPage, HistoryRequest, Identity, Payload,
    Publish, Refusal, RequestId, SessionId, SessionInfo, SharedInfo, Subscribe, Token,
};
use crate::port::{Endpoint, Pushed, Standing, SubscribeOptions};

/// One hook that a session waits for, and what its outcome is for.
pub(crate) enum Asking {
    Open(Guarded<Opened>),
    Refresh(Guarded<Refreshed>),
    Subscribe(ChannelId, Guarded<(SubscribeOptions, ChannelOptions)>),
    RefreshSubscription(ChannelId, Guarded<Option<DateTime<Utc>>>),
    Publish(Guarded<(Publish, ChannelOptions)>),
    Event(Guarded<(Pushed, ChannelOptions)>),
    /// The store is asked for a channel.
    Enter(Guarded<Ready>),
    History(Guarded<LookBack>),
    Stored(Guarded<Answer>),
    Presence(Guarded<ChannelId>),
    Call(Guarded<Payload>),
}

/// What a hook said.
pub(crate) enum Outcome {
    Open(Result<Opened, Refusal>),
    Refresh(Result<Refreshed, Refusal>),
    Subscribe(ChannelId, Result<(SubscribeOptions, ChannelOptions), Refusal>),
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
pub(crate) type Opened = (Identity, Vec<(Subscribe, Entry)>);

/// What the endpoint allowed, and the channel for it.
pub(crate) type Ready = (Entry, Allowed);

/// What the endpoint allowed.
pub(crate) enum Allowed {
    Subscribe(SubscribeOptions),
    Publish(Publish),
}

/// Who the session is from now on, and the channels that it may not stay in.
pub(crate) type Refreshed = (Identity, Vec<(ChannelId, Refusal)>);

/// What was asked for, and what the channel kept of it.
pub(crate) type LookBack = (HistoryRequest, Option<HistoryPage>);

/// A hook whose panic stays its own.
pub(crate) struct Guarded<T>(CatchUnwind<AssertUnwindSafe<Hook<T>>>);

/// A hook, the request that it is for, and whether that is answered if all goes well.
pub(crate) struct Pending {
    pub(crate) id: Option<RequestId>,
    pub(crate) announced: bool,
    pub(crate) asking: Asking,
}

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
            Self::Subscribe(channel, hook) => Outcome::Subscribe(channel.clone(), ready!(hook.poll(cx))?),
            Self::RefreshSubscription(channel, hook) => {
                Outcome::RefreshSubscription(channel.clone(), ready!(hook.poll(cx))?)
            }
            Self::Event(hook) => Outcome::Event(ready!(hook.poll(cx))?),
            Self::Publish(hook) => Outcome::Publish(ready!(hook.poll(cx))?),
            Self::Enter(hook) => Outcome::Enter(ready!(hook.poll(cx))?),
            Self::Stored(hook) => Outcome::Stored(ready!(hook.poll(cx))?),
            Self::History(hook) => Outcome::History(ready!(hook.poll(cx))?),
            Self::Presence(hook) => Outcome::Presence(ready!(hook.poll(cx))?),
            Self::Call(hook) => Outcome::Call(ready!(hook.poll(cx))?),
        }))
    }
}

/// An [`Endpoint`] without its type, so that a hub has none.
pub(crate) trait AnyEndpoint: Send + Sync {
    fn stream_opened(self: Arc<Self>, session: SessionId, connect: Connect) -> Hook<Identity>;
    fn refresh(
        self: Arc<Self>,
        session: SharedInfo,
        token: Token,
        channels: Vec<ChannelId>,
    ) -> Hook<Refreshed>;
    fn channel(&self, channel: &ChannelId, defaults: ChannelOptions) -> ChannelOptions;
    fn subscribe(
        self: Arc<Self>,
        session: SharedInfo,
        request: Subscribe,
        defaults: ChannelOptions,
    ) -> Hook<(SubscribeOptions, ChannelOptions)>;
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
        channels: Vec<ChannelId>,
    ) -> Hook<Refreshed> {
        Box::pin(async move {
            let identity = Endpoint::refresh(&*self, &session, token).await?;
            let (now, mut lost) = (SessionInfo::of(session.id, identity.clone()), Vec::new());
            for channel in channels {
                if let Err(refusal) = Endpoint::stay(&*self, &now, &channel).await {
                    lost.push((channel, refusal));
                }
            }
            Ok((identity, lost))
        })
    }

    fn channel(&self, channel: &ChannelId, defaults: ChannelOptions) -> ChannelOptions {
        Endpoint::channel(self, channel, defaults)
    }

    fn subscribe(
        self: Arc<Self>,
        session: SharedInfo,
        request: Subscribe,
        defaults: ChannelOptions,
    ) -> Hook<(SubscribeOptions, ChannelOptions)> {
        Box::pin(async move {
            let channel = request.channel.clone();
            let options = Endpoint::subscribe(&*self, &session, request).await?;
            Ok((options, Endpoint::channel(&*self, &channel, defaults)))
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
