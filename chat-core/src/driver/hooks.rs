//! The endpoint's hooks, while they run.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use futures::future::{BoxFuture, CatchUnwind};

use crate::model::{
    Call, ChannelId, Close, Connect, Payload, Publish, Refusal, RequestId, SessionId, SharedInfo, Subscribe,
};
use crate::port::{Endpoint, Identity, SubscribeOptions};

/// One hook that a session waits for, and what its outcome is for.
pub(crate) enum Asking {
    Open(Guarded<Identity>),
    Subscribe(ChannelId, Guarded<SubscribeOptions>),
    Publish(ChannelId, Guarded<Payload>),
    Call(Guarded<Payload>),
}

/// What a hook said.
pub(crate) enum Outcome {
    Open(Result<Identity, Refusal>),
    Subscribe(ChannelId, Result<SubscribeOptions, Refusal>),
    Publish(ChannelId, Result<Payload, Refusal>),
    Call(Result<Payload, Refusal>),
}

/// A hook that panicked.
pub(crate) struct Panicked;

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
            Self::Subscribe(channel, hook) => Outcome::Subscribe(channel.clone(), ready!(hook.poll(cx))?),
            Self::Publish(channel, hook) => Outcome::Publish(channel.clone(), ready!(hook.poll(cx))?),
            Self::Call(hook) => Outcome::Call(ready!(hook.poll(cx))?),
        }))
    }
}

/// An [`Endpoint`] without its type, so that a hub has none.
pub(crate) trait AnyEndpoint: Send + Sync {
    fn stream_opened(self: Arc<Self>, session: SessionId, connect: Connect) -> Hook<Identity>;
    fn subscribe(self: Arc<Self>, session: SharedInfo, request: Subscribe) -> Hook<SubscribeOptions>;
    fn publish(self: Arc<Self>, session: SharedInfo, request: Publish, member: bool) -> Hook<Payload>;
    fn call(self: Arc<Self>, session: SharedInfo, request: Call) -> Hook<Payload>;
    fn stream_closed(self: Arc<Self>, session: SharedInfo, close: Close) -> BoxFuture<'static, ()>;
}

/// A hook that runs.
pub(crate) type Hook<T> = BoxFuture<'static, Result<T, Refusal>>;

impl<E: Endpoint> AnyEndpoint for E {
    fn stream_opened(self: Arc<Self>, session: SessionId, connect: Connect) -> Hook<Identity> {
        Box::pin(async move { Endpoint::stream_opened(&*self, session, connect).await })
    }

    fn subscribe(self: Arc<Self>, session: SharedInfo, request: Subscribe) -> Hook<SubscribeOptions> {
        Box::pin(async move { Endpoint::subscribe(&*self, &session, request).await })
    }

    fn publish(self: Arc<Self>, session: SharedInfo, request: Publish, member: bool) -> Hook<Payload> {
        Box::pin(async move { Endpoint::publish(&*self, &session, request, member).await })
    }

    fn call(self: Arc<Self>, session: SharedInfo, request: Call) -> Hook<Payload> {
        Box::pin(async move { Endpoint::call(&*self, &session, request).await })
    }

    fn stream_closed(self: Arc<Self>, session: SharedInfo, close: Close) -> BoxFuture<'static, ()> {
        Box::pin(async move { Endpoint::stream_closed(&*self, &session, &close).await })
    }
}
