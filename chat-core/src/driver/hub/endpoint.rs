//! Erases the type of the endpoint, as a hub holds it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

use super::admission::{Admission, admit};
use crate::machine::Stay;
use crate::model::{
    Call, ChannelId, ChannelOptions, Close, Connect, HistoryRequest, Identity, Payload, Publication, Publish,
    Refusal, SenderName, SessionId, SessionInfo, SharedInfo, Subscribe, Token, UnsubscribeReason,
};
use crate::port::{Endpoint, PublishContext, Pushed};

/// Holds the session's identity from now on, and for each stay in a channel whether it continues.
pub(crate) type Refreshed = (Identity, Vec<(ChannelId, Stay, Result<(), Refusal>)>);

/// Erases the type of an [`Endpoint`], so that a hub has no type parameter.
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
        standing: PublishContext,
        defaults: ChannelOptions,
    ) -> Hook<(Publish, ChannelOptions)>;
    fn event(
        self: Arc<Self>,
        session: SharedInfo,
        request: Publish,
        standing: PublishContext,
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
    fn subscribed(self: Arc<Self>, session: SharedInfo, channel: ChannelId) -> BoxFuture<'static, ()>;
    fn unsubscribed(
        self: Arc<Self>,
        session: SharedInfo,
        channel: ChannelId,
        why: UnsubscribeReason,
    ) -> BoxFuture<'static, ()>;
    fn channel_active(&self, channel: &ChannelId);
    fn channel_idle(&self, channel: &ChannelId);
    fn published(&self, publication: &Publication);
    fn stream_closed(self: Arc<Self>, session: SharedInfo, close: Close) -> BoxFuture<'static, ()>;
}

/// Runs one hook of the endpoint to its answer.
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
        standing: PublishContext,
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
        standing: PublishContext,
        defaults: ChannelOptions,
    ) -> Hook<(Pushed, ChannelOptions)> {
        Box::pin(async move {
            let channel = request.channel.clone();
            let pushed = Endpoint::event(&*self, &session, request, standing).await?;
            let channel = match &pushed {
                Pushed::Publish(publish) => &publish.channel,
                Pushed::Answer(_) | Pushed::Nothing => &channel,
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

    fn subscribed(self: Arc<Self>, session: SharedInfo, channel: ChannelId) -> BoxFuture<'static, ()> {
        Box::pin(async move { Endpoint::subscribed(&*self, &session, &channel).await })
    }

    fn unsubscribed(
        self: Arc<Self>,
        session: SharedInfo,
        channel: ChannelId,
        why: UnsubscribeReason,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move { Endpoint::unsubscribed(&*self, &session, &channel, &why).await })
    }

    fn channel_active(&self, channel: &ChannelId) {
        Endpoint::channel_active(self, channel);
    }

    fn channel_idle(&self, channel: &ChannelId) {
        Endpoint::channel_idle(self, channel);
    }

    fn published(&self, publication: &Publication) {
        Endpoint::published(self, publication);
    }

    fn stream_closed(self: Arc<Self>, session: SharedInfo, close: Close) -> BoxFuture<'static, ()> {
        Box::pin(async move { Endpoint::stream_closed(&*self, &session, &close).await })
    }
}
