//! The endpoint's hooks, while they run.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use futures::future::CatchUnwind;

use crate::model::{ChannelId, Payload, Refusal, RequestId};
use crate::port::{Hook, Identity, SubscribeOptions};

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
