//! Who a session is: let in, refreshed, and until when.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};

use super::dialog::{Dialog, Step};
use super::trace;
use crate::model::{Answer, ChannelId, Close, Identity, Refusal, RequestId, SessionInfo};

impl Dialog {
    pub(super) fn opened(&mut self, id: Option<RequestId>, announced: bool, identity: Identity) -> Step {
        let hub = self.seat.hub().clone();
        if !hub.0.users.add(&identity.user, &self.outbox, hub.0.limits.user_sessions) {
            let most = hub.0.limits.user_sessions;
            let refusal = Refusal::limit_exceeded(format!("a user has at most {most} sessions"));
            self.answer(id, Answer::Error(refusal));
            return Step::End(Close::TOO_MANY_SESSIONS);
        }
        let (expires, until) = (identity.expires, self.until(identity.expires));
        let info = Arc::new(SessionInfo::of(self.seat.id(), identity));
        hub.0.metrics.opened.add(1);
        trace::opened(&info);
        let (session, name, user) = (info.id, info.name.clone(), info.user.clone());
        self.session.open(info, until);
        if announced {
            self.answer(id, Answer::Connected { session, name, user, expires });
        }
        Step::Done
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
        let (expires, until) = (identity.expires, self.until(identity.expires));
        self.session.refresh(Arc::new(SessionInfo::of(self.seat.id(), identity)), until);
        let info = self.session.info().expect("it was just set").clone();
        self.session.channels().for_each(|channel| self.hub().renew(channel, &info));
        lost.into_iter().for_each(|(channel, why)| self.remove(channel, why));
        self.answer(id, Answer::Refreshed { expires });
    }

    /// When that is, by the clock that timers go by.
    fn until(&self, expires: Option<DateTime<Utc>>) -> Option<Instant> {
        let now = self.hub().0.runtime.now();
        let left = (expires? - now.utc).to_std().unwrap_or_default();
        now.instant.checked_add(left)
    }

    /// When the session ends, unless it is refreshed before.
    pub(crate) fn expires(&self) -> Option<Instant> {
        self.session.expires()
    }
}
