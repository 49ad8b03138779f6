//! Who a session is: let in, refreshed, and until when.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};

use super::dialog::{Dialog, Step};
use super::hooks::{Hook, Opened};
use super::trace;
use crate::machine::Whose;
use crate::model::{
    Answer, ChannelId, Close, Connected, Expiry, Identity, Refusal, RequestId, SessionInfo, Since,
};

impl Dialog {
    pub(super) fn opened(&mut self, id: Option<RequestId>, announced: bool, opened: Opened) -> Step {
        let (identity, wishes) = opened;
        let hub = self.seat.hub().clone();
        if !hub.0.users.add(&identity.user, &self.outbox, hub.0.limits.user_sessions) {
            let most = hub.0.limits.user_sessions;
            let refusal = Refusal::limit_exceeded(format!("a user has at most {most} sessions"));
            self.answer(id, Answer::Error(refusal));
            return Step::End(Close::TOO_MANY_SESSIONS);
        }
        let (expires, until) = self.until(identity.expires).unzip();
        let data = identity.welcome.clone();
        let info = Arc::new(SessionInfo::of(self.seat.id(), identity));
        hub.0.metrics.opened.add(1);
        trace::opened(&info);
        let (session, name, user) = (info.id, info.name.clone(), info.user.clone());
        self.session.open(info, until);
        self.session.go_on_from_user(hub.remembered(&Whose::User(user.clone())));
        let put_in = wishes.into_iter().filter_map(|(wish, entry)| self.put_in(wish, entry));
        let subscriptions: Vec<_> = put_in.collect();
        if announced {
            let connected = Connected { session, name, user, expires, data, subscriptions };
            self.answer(id, Answer::Connected(connected));
        } else {
            subscriptions.into_iter().for_each(|one| self.answer(None, Answer::Subscribed(one)));
        }
        Step::Done
    }

    /// A hook after which the channels are taken up that the session is to be put into; there it goes on where its client was.
    pub(super) fn taken_up(&self, since: Vec<(ChannelId, Since)>, hook: Hook<Identity>) -> Hook<Opened> {
        let hub = self.hub().clone();
        Box::pin(async move {
            let mut identity = hook.await?;
            let mut wishes = Vec::new();
            for mut wish in std::mem::take(&mut identity.subscriptions) {
                let was = since.iter().find(|(channel, _)| *channel == wish.channel);
                wish.since = wish.since.or(was.map(|(_, since)| *since));
                let kept = hub.0.endpoint.channel(&wish.channel, hub.0.channel);
                let entry = hub.enter(wish.channel.clone(), kept).await;
                wishes.push((wish, entry));
            }
            Ok((identity, wishes))
        })
    }

    /// Rights that are gone go before the answer.
    pub(super) fn refreshed(
        &mut self,
        id: Option<RequestId>,
        identity: Identity,
        lost: Vec<(ChannelId, Refusal)>,
    ) {
        let before = self.session.info().expect("only an open session is refreshed");
        if before.user != identity.user {
            let refusal = Refusal::unauthorized("that is the token of another user");
            return self.answer(id, Answer::Error(refusal));
        }
        let (expires, until) = self.until(identity.expires).unzip();
        self.session.refresh(Arc::new(SessionInfo::of(self.seat.id(), identity)), until);
        let info = self.session.info().expect("it was just set").clone();
        self.session.channels().for_each(|channel| self.hub().renew(channel, &info));
        lost.into_iter().for_each(|(channel, why)| self.remove(channel, why));
        self.answer(id, Answer::Refreshed { expires });
    }

    /// It stays in a channel for longer.
    pub(super) fn subscription_refreshed(
        &mut self,
        id: Option<RequestId>,
        channel: ChannelId,
        expires: Option<DateTime<Utc>>,
    ) {
        if !self.session.is_in(&channel) {
            let refusal = Refusal::permission_denied(format!("the session is not in {channel:?}"));
            return self.answer(id, Answer::Error(refusal));
        }
        let expires = self.stay_until(&channel, expires);
        self.answer(id, Answer::SubscriptionRefreshed { channel, expires });
    }

    /// It leaves a channel then.
    pub(super) fn stay_until(
        &mut self,
        channel: &ChannelId,
        expires: Option<DateTime<Utc>>,
    ) -> Option<Expiry> {
        let (expires, until) = self.until(expires).unzip();
        self.session.leave_at(channel, until);
        expires
    }

    /// When that is, also by the clock that timers go by; none if that is never.
    fn until(&self, expires: Option<DateTime<Utc>>) -> Option<(Expiry, Instant)> {
        let (at, now) = (expires?, self.hub().0.runtime.now());
        let left = (at - now.utc).to_std().unwrap_or_default();
        Some((Expiry { at, left }, now.instant.checked_add(left)?))
    }

    /// When the session ends or leaves a channel, unless that is refreshed before.
    pub(crate) fn expires(&self) -> Option<Instant> {
        self.session.expires()
    }

    /// Leaves the channels in which it may be no longer. False if the session itself is over.
    pub(crate) fn expire(&mut self) -> bool {
        let now = self.hub().0.runtime.now().instant;
        if self.session.is_expired(now) {
            return false;
        }
        self.outbox.cork();
        while let Some(channel) = self.session.next_to_leave(now) {
            self.remove(channel, Refusal::expired("what allowed it has expired"));
        }
        self.outbox.uncork();
        true
    }
}
