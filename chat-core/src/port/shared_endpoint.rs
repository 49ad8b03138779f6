//! Lets an endpoint that is shared with other parts of a server be the endpoint of a hub.

use std::future::Future;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::decisions::{PublishContext, Pushed, SubscribeOptions};
use super::endpoint::Endpoint;
use crate::model::{
    Call, ChannelId, ChannelOptions, Close, Connect, HistoryRequest, Identity, Payload, Publication, Publish,
    Refusal, SenderName, SessionId, SessionInfo, Subscribe, Token, UnsubscribeReason,
};

impl<E: Endpoint> Endpoint for Arc<E> {
    fn stream_opened(
        &self,
        session: SessionId,
        connect: Connect,
    ) -> impl Future<Output = Result<Identity, Refusal>> + Send {
        E::stream_opened(self, session, connect)
    }

    fn rename(
        &self,
        session: &SessionInfo,
        name: SenderName,
    ) -> impl Future<Output = Result<SenderName, Refusal>> + Send {
        E::rename(self, session, name)
    }

    fn refresh(
        &self,
        session: &SessionInfo,
        token: Token,
    ) -> impl Future<Output = Result<Identity, Refusal>> + Send {
        E::refresh(self, session, token)
    }

    fn stay(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        E::stay(self, session, channel)
    }

    fn subscribe(
        &self,
        session: &SessionInfo,
        request: Subscribe,
    ) -> impl Future<Output = Result<SubscribeOptions, Refusal>> + Send {
        E::subscribe(self, session, request)
    }

    fn refresh_subscription(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
        token: Token,
    ) -> impl Future<Output = Result<Option<DateTime<Utc>>, Refusal>> + Send {
        E::refresh_subscription(self, session, channel, token)
    }

    fn publish(
        &self,
        session: &SessionInfo,
        request: Publish,
        standing: PublishContext,
    ) -> impl Future<Output = Result<Publish, Refusal>> + Send {
        E::publish(self, session, request, standing)
    }

    fn event(
        &self,
        session: &SessionInfo,
        request: Publish,
        standing: PublishContext,
    ) -> impl Future<Output = Result<Pushed, Refusal>> + Send {
        E::event(self, session, request, standing)
    }

    fn history(
        &self,
        session: &SessionInfo,
        request: HistoryRequest,
        member: bool,
    ) -> impl Future<Output = Result<HistoryRequest, Refusal>> + Send {
        E::history(self, session, request, member)
    }

    fn presence(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
        member: bool,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        E::presence(self, session, channel, member)
    }

    fn channel(&self, channel: &ChannelId, defaults: ChannelOptions) -> ChannelOptions {
        E::channel(self, channel, defaults)
    }

    fn call(
        &self,
        session: &SessionInfo,
        request: Call,
    ) -> impl Future<Output = Result<Payload, Refusal>> + Send {
        E::call(self, session, request)
    }

    fn subscribed(&self, session: &SessionInfo, channel: &ChannelId) -> impl Future<Output = ()> + Send {
        E::subscribed(self, session, channel)
    }

    fn unsubscribed(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
        why: &UnsubscribeReason,
    ) -> impl Future<Output = ()> + Send {
        E::unsubscribed(self, session, channel, why)
    }

    fn channel_active(&self, channel: &ChannelId) {
        E::channel_active(self, channel);
    }

    fn channel_idle(&self, channel: &ChannelId) {
        E::channel_idle(self, channel);
    }

    fn published(&self, publication: &Publication) {
        E::published(self, publication);
    }

    fn stream_closed(&self, session: &SessionInfo, close: &Close) -> impl Future<Output = ()> + Send {
        E::stream_closed(self, session, close)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_hook_of_an_endpoint_is_handed_on() {
        let hooks = |text: &'static str| -> Vec<&str> {
            let code = text.lines().take_while(|line| *line != "#[cfg(test)]");
            let names = code.filter_map(|line| line.strip_prefix("    fn ")?.split('(').next());
            names.collect()
        };
        let handed_on = hooks(include_str!("shared_endpoint.rs"));
        assert_eq!(handed_on, hooks(include_str!("endpoint.rs")));
        assert!(handed_on.len() > 15, "{handed_on:?}");
    }
}
