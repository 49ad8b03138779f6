//! Opens a session under an identity, refreshes that, and ends the session or a subscription that expires.

use std::future::ready;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::hooks::{self, AGAIN, Asking, Guarded, Pending};
use super::{Session, Step};
use crate::driver::hub::admission::Reading;
use crate::driver::hub::cluster::tallying;
use crate::driver::hub::endpoint::Refreshed;
use crate::driver::hub::opening::{self, Asked, Opened, may_be_called, too_many};
use crate::driver::hub::permit::Early;
use crate::driver::hub::presence::renew;
use crate::driver::hub::store::entry::Entry;
use crate::driver::hub::users::{NotIn, Opening};
use crate::driver::outbox::control::{Manner, Order};
use crate::driver::trace;
use crate::machine::{Stay, Whose};
use crate::model::{
    Answer, BadRequest, ChannelId, Close, Command, Connect, Connected, Expiry, Instant, Reason, Refusal,
    RequestId, SenderName, SessionInfo, Subscribe, UnsubscribeReason,
};
use crate::port::{Cost, Credentials, Greeting};

impl Session {
    /// Begins with what the transport knows of the client: opens the session, or keeps that until the client
    /// says who it is.
    pub(crate) fn greet(&mut self, credentials: Credentials, greeting: Greeting, early: Early) {
        let is_known = matches!(credentials, Credentials::Known(_));
        self.untold = is_known || greeting != Greeting::None;
        let Early { extensions, asked } = early;
        if let Some(asked) = asked {
            return self.open_as_asked(asked);
        }
        match credentials {
            Credentials::Later => self.know(Connect::default().known_by(extensions)),
            Credentials::Now(connect) | Credentials::Known(connect)
                if greeting == Greeting::First && connect.since.is_empty() =>
            {
                self.open_when_greeted(connect.known_by(extensions));
            }
            Credentials::Now(connect) | Credentials::Known(connect) => {
                self.open(connect.known_by(extensions));
            }
            Credentials::Wrong(refusal) => {
                let _ = self.refuse_bad(BadRequest::new(None, refusal));
                self.outbox.request_close(Close::PERMISSION_DENIED, Manner::Graceful);
            }
        }
    }

    /// Begins to open the session with what the transport knew of it. This is not answered, since nothing was
    /// asked.
    pub(crate) fn open(&mut self, connect: Connect) {
        self.ask_to_open(None, false, connect, 0);
    }

    /// Opens the session, about which the endpoint was asked before its transport was open.
    fn open_as_asked(&mut self, answer: Asked) {
        let Asked { connect, opened, opening } = answer;
        self.opening = Some(Box::new(opening));
        let asked = Some(hooks::Asked { command: Command::Connect(connect), stay: None });
        let asking = Asking::Open(Guarded::new(Box::pin(ready(Ok(opened)))));
        self.pending = Some(Box::new(Pending { id: None, announced: false, asking, asked, times: 0 }));
    }

    pub(crate) fn ask_to_open(
        &mut self,
        id: Option<RequestId>,
        announced: bool,
        mut connect: Connect,
        times: u8,
    ) {
        self.opening = Some(Box::new(Opening::begin(&self.shared().users)));
        let asked = Some(hooks::Asked { command: Command::Connect(connect.clone()), stay: None });
        let since = std::mem::take(&mut connect.since);
        let hook = self.shared().endpoint.clone().stream_opened(self.permit.id(), connect);
        let asking = Asking::Open(Guarded::new(opening::take_up(
            self.shared().clone(),
            self.permit.id(),
            since,
            hook,
        )));
        self.pending = Some(Box::new(Pending { id, announced, asking, asked, times }));
    }

    /// Opens the session with what the transport knew of it once the client sends its own connect, which is
    /// answered.
    fn open_when_greeted(&mut self, connect: Connect) {
        self.untold = false;
        self.know(connect);
    }

    /// Keeps what the transport knows of a client until that sends its own connect.
    fn know(&mut self, connect: Connect) {
        self.known = (connect != Connect::default()).then(|| Box::new(connect));
    }

    /// Opens the session by its client's connect. Where the transport knew the identity, that identity holds,
    /// and a connect with a token is a bad request.
    pub(crate) fn greeted(&mut self, id: Option<RequestId>, connect: Connect, times: u8) -> Step {
        let connect = match self.known.take() {
            None => connect,
            Some(known) if known.is_blank() => connect.known_by(known.extensions),
            Some(known) if connect.token.is_none() => {
                let (data, since) = (known.data.or(connect.data), connect.since);
                Connect { data, since, ..*known }
            }
            Some(known) => {
                self.known = Some(known);
                let refusal = Refusal::bad_request("the session was let in as somebody already");
                return self.refuse_bad(BadRequest::new(id, refusal)).map_or_else(Step::End, |()| Step::Done);
            }
        };
        self.ask_to_open(id, true, connect, times);
        Step::Done
    }

    /// Returns true if this is the connect of a client whose session its transport has opened.
    pub(crate) fn is_to_be_told(&self, command: &Command) -> bool {
        self.untold && matches!(command, Command::Connect(connect) if connect.token.is_none())
    }

    /// Answers with the session's identity and its subscriptions.
    pub(crate) fn tell_who_it_is(&mut self, id: Option<RequestId>) {
        self.untold = false;
        let info = self.state.info().expect("it is open").clone();
        let now = self.shared().runtime.now();
        let left = self.state.ends().map(|at| at.saturating_duration_since(now.instant));
        let expires = left.map(|left| Expiry { at: now.utc + left, left });
        let channels: Vec<_> = self.state.channels().cloned().collect();
        let there: Option<Vec<_>> = channels.into_iter().map(|channel| self.already_in(channel)).collect();
        let Some(subscriptions) = there else { return self.fail() };
        let (session, name, user) = (info.id, info.name.clone(), info.user.clone());
        let connected = Connected { session, name, user, expires, data: None, subscriptions };
        self.answer(id, Answer::Connected(connected));
    }

    pub(crate) fn opened(&mut self, pending: Pending, opened: Opened) -> Step {
        let Pending { id, announced, asked, times, .. } = pending;
        let (identity, mut requests) = opened;
        if let Err(refusal) = may_be_called(self.shared(), &identity.name) {
            return self.turn_away(id, refusal);
        }
        let (shared, opening) = (self.permit.shared().clone(), self.opening.take().expect("it opens"));
        let most = shared.limits.user_sessions;
        let here = tallying::most_here(&shared, &identity.user);
        let orders = match shared.users.add(&identity.user, &self.outbox, &opening, here) {
            Ok(orders) => orders,
            Err(NotIn::Full) => {
                let refusal = too_many(most);
                self.answer(id, Answer::Error(refusal));
                return Step::End(Close::TOO_MANY_SESSIONS);
            }
            Err(NotIn::Disconnected(close)) => return Step::End(close),
            Err(NotIn::Forgotten) => return self.ask_to_open_again(id, announced, asked, times),
        };
        tallying::note(&shared, &identity.user);
        let orders = settle(&mut requests, orders);
        let (expires, until) = self.until(identity.expires).unzip();
        let data = identity.welcome.clone();
        let info = Arc::new(SessionInfo::of(self.permit.id(), identity));
        shared.metrics.opened.add(1);
        trace::opened(&info);
        let (session, name, user) = (info.id, info.name.clone(), info.user.clone());
        let whose = Whose::of(&info, self.permit.peer());
        self.outbox.introduce(info.clone());
        self.state.open(info, until);
        let record = whose.map(|whose| shared.remembered(&whose)).unwrap_or_default();
        self.state.go_on_from_user(record, &shared.limits, shared.runtime.instant());
        let put_in =
            requests.into_iter().filter_map(|(request, entry, reading)| self.put_in(request, entry, reading));
        let subscriptions: Vec<_> = put_in.collect();
        if announced {
            self.untold = false;
            let connected = Connected { session, name, user, expires, data, subscriptions };
            self.answer(id, Answer::Connected(connected));
        } else {
            subscriptions.into_iter().for_each(|one| self.answer(None, Answer::Subscribed(one)));
        }
        orders.into_iter().for_each(|order| self.carry_out_order(order));
        Step::Done
    }

    /// Refuses to open the session, and ends it.
    pub(crate) fn turn_away(&mut self, id: Option<RequestId>, refusal: Refusal) -> Step {
        let close = match refusal.reason {
            Reason::Unauthorized => Close::INVALID_TOKEN,
            Reason::TokenExpired => Close::EXPIRED,
            _ => Close::PERMISSION_DENIED,
        };
        self.opening = None;
        self.refuse(id, refusal, Cost::End(close)).map_or(Step::Done, Step::End)
    }

    /// Asks the endpoint again, since too much was done to users meanwhile to know what was done to this one.
    fn ask_to_open_again(
        &mut self,
        id: Option<RequestId>,
        announced: bool,
        asked: Option<hooks::Asked>,
        times: u8,
    ) -> Step {
        self.shared().metrics.cut_short("opening");
        match asked.map(|asked| asked.command) {
            Some(Command::Connect(connect)) if times < AGAIN => {
                self.ask_to_open(id, announced, connect, times + 1);
                Step::Done
            }
            _ => Step::End(Close::SERVER_ERROR),
        }
    }

    /// Takes over the refreshed identity. Subscriptions that are no longer allowed end before the answer.
    /// About channels that it has joined meanwhile, the endpoint is asked first if the session may stay.
    pub(crate) fn refreshed(&mut self, id: Option<RequestId>, times: u8, refreshed: Refreshed) {
        let before = self.state.info().expect("only an open session is refreshed");
        let (identity, verdicts) = &refreshed;
        let refusal = match may_be_called(self.shared(), &identity.name) {
            _ if before.user != identity.user => {
                Some(Refusal::unauthorized("that is the token of another user"))
            }
            named => named.err(),
        };
        if let Some(refusal) = refusal {
            return self.answer(id, Answer::Error(refusal));
        }
        let is_asked = |stay| verdicts.iter().any(|(_, asked, _)| *asked == stay);
        let new: Vec<_> = self.state.stays().filter(|(_, stay)| !is_asked(*stay)).collect();
        let new: Vec<_> = new.into_iter().map(|(channel, stay)| (channel.clone(), stay)).collect();
        if !new.is_empty() {
            return self.ask_to_stay(id, times, refreshed, new);
        }
        let (identity, verdicts) = refreshed;
        let (expires, until) = self.until(identity.expires).unzip();
        self.state.refresh(Arc::new(SessionInfo::of(self.permit.id(), identity)), until);
        let info = self.state.info().expect("it was just set").clone();
        self.outbox.introduce(info.clone());
        self.state.channels().for_each(|channel| renew(self.shared(), channel, &info));
        for (channel, stay, verdict) in verdicts {
            if let Err(why) = verdict
                && self.state.stay(&channel) == Some(stay)
            {
                self.remove(channel, why, UnsubscribeReason::NotAllowed);
            }
        }
        self.answer(id, Answer::Refreshed { expires });
    }

    /// Renames the session, in presence too; its user stays the same. A request without an id gets no answer.
    pub(crate) fn renamed(&mut self, id: Option<RequestId>, name: Result<SenderName, Refusal>) {
        let named = name.and_then(|name| may_be_called(self.shared(), &name).map(|()| name));
        match (named, id) {
            (Ok(name), id) => {
                let info = Arc::new(SessionInfo { name, ..self.who().clone() });
                self.state.refresh(info.clone(), self.state.ends());
                self.outbox.introduce(info.clone());
                self.state.channels().for_each(|channel| renew(self.shared(), channel, &info));
                if id.is_some() {
                    self.tell_who_it_is(id);
                }
            }
            (Err(refusal), Some(id)) => self.answer(Some(id), Answer::Error(refusal)),
            (Err(_), None) => {}
        }
    }

    fn who(&self) -> &SessionInfo {
        self.state.info().expect("only an open session has a name")
    }

    fn ask_to_stay(
        &mut self,
        id: Option<RequestId>,
        times: u8,
        refreshed: Refreshed,
        stays: Vec<(ChannelId, Stay)>,
    ) {
        if times == AGAIN {
            let refusal = Refusal::not_available("the session came and went too often meanwhile");
            return self.answer(id, Answer::Error(refusal));
        }
        let hook = self.shared().endpoint.clone().stay(self.permit.id(), refreshed, stays);
        let (asking, times) = (Asking::Refresh(Guarded::new(hook)), times + 1);
        self.pending = Some(Box::new(Pending { id, announced: true, asking, asked: None, times }));
    }

    /// Extends a subscription, and answers.
    pub(crate) fn subscription_refreshed(
        &mut self,
        id: Option<RequestId>,
        channel: ChannelId,
        expires: Option<DateTime<Utc>>,
    ) {
        if !self.state.is_in(&channel) {
            let refusal = Refusal::permission_denied(format!("the session is not in {channel:?}"));
            return self.answer(id, Answer::Error(refusal));
        }
        let expires = self.stay_until(&channel, expires);
        self.answer(id, Answer::SubscriptionRefreshed { channel, expires });
    }

    /// Sets when the session leaves a channel; never, if `expires` is none.
    pub(crate) fn stay_until(
        &mut self,
        channel: &ChannelId,
        expires: Option<DateTime<Utc>>,
    ) -> Option<Expiry> {
        let (expires, until) = self.until(expires).unzip();
        self.state.leave_at(channel, until);
        expires
    }

    /// Returns when that is, also by the clock that timers use; none if that is never.
    fn until(&self, expires: Option<DateTime<Utc>>) -> Option<(Expiry, Instant)> {
        let (at, now) = (expires?, self.shared().runtime.now());
        let left = (at - now.utc).to_std().unwrap_or_default();
        Some((Expiry { at, left }, now.instant.checked_add(left)?))
    }

    /// Returns when the session ends or leaves a channel, unless that is refreshed before.
    pub(crate) fn expires(&self) -> Option<Instant> {
        self.state.expires()
    }

    /// Leaves the channels in which the session may stay no longer. Returns false if the session itself has
    /// expired.
    pub(crate) fn expire(&mut self) -> bool {
        let now = self.shared().runtime.instant();
        if self.state.is_expired(now) {
            return false;
        }
        self.outbox.cork();
        while let Some(channel) = self.state.next_to_leave(now) {
            let why = Refusal::expired("what allowed it has expired");
            self.remove(channel, why, |_| UnsubscribeReason::Expired);
        }
        self.outbox.uncork();
        true
    }
}

/// Returns the orders that are still to be carried out of those that came while the session opened: from a
/// channel that it was taken out of, the subscription is dropped before it begins.
fn settle(requests: &mut Vec<(Subscribe, Entry, Reading)>, orders: Vec<Order>) -> Vec<Order> {
    let mut left: Vec<Order> = Vec::new();
    for order in orders {
        match order {
            Order::Unsubscribe(channel, _) => {
                requests.retain(|(request, ..)| request.channel != channel);
                left.retain(
                    |order| !matches!(order, Order::Subscribe(request) if request.channel == channel),
                );
            }
            order => left.push(order),
        }
    }
    left
}
