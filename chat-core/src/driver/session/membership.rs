//! Joins and leaves a session's channels, at its own request or the server's, and catches up in them.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::Session;
use super::hooks::{Asking, Pending};
use super::notify::Change;
use crate::driver::caught::caught;
use crate::driver::hub::admission::{Admission, Reading};
use crate::driver::hub::joining;
use crate::driver::hub::presence::{nobody, present, space};
use crate::driver::hub::read_mark;
use crate::driver::hub::store::enter::{enter, enter_now};
use crate::driver::hub::store::entry::Entry;
use crate::driver::outbox::control::Order;
use crate::driver::outbox::subscription::Subscription;
use crate::machine::{Joined, Joining, Verdict};
use crate::model::{
    Answer, ChannelId, Command, Offset, Overflow, Recovery, Refusal, Request, RequestId, Subscribe,
    Subscribed, UnsubscribeReason,
};
use crate::port::SubscribeOptions;

impl Session {
    /// Joins the channel. The answer is queued while the outbox is corked, and answers go ahead of
    /// publications: so none of the channel comes before it.
    ///
    /// # Errors
    /// The refusal, if the session wants all that it missed and cannot have it. It has not joined then.
    pub(crate) fn join(
        &mut self,
        entry: &Entry,
        mut options: SubscribeOptions,
        reading: Reading,
        room: usize,
    ) -> Result<Subscribed, Refusal> {
        let (channel, kept) = (entry.channel.clone(), entry.options);
        if !self.outbox.encoding.reports_gaps {
            options.overflow = Overflow::Disconnect;
        }
        let SubscribeOptions { since, whole, latest, presence: observes, .. } = options;
        if whole && reading.denied {
            return Err(unrecoverable(Recovery::NotAllowed));
        }
        let who = self.state.info().expect("only an open session joins").clone();
        let shared = self.permit.shared();
        let now = shared.runtime.instant();
        let mut space = space(shared, self.outbox.encoding.by_session);
        space.bytes = space.bytes.min(room);
        let joining = Joining {
            who,
            observes,
            since,
            latest,
            whole,
            space,
            recovers: reading.most,
            options: kept,
            now,
        };
        let stay = self.state.next_stay();
        let joined = joining::join(shared, entry, joining, |joined| {
            let outbox = self.outbox.clone();
            let new = Subscription::new(outbox, channel.clone(), stay, &options, joined.place, now);
            Arc::new(if joined.missed.is_empty() { new } else { new.behind() })
        });
        let (mut joined, subscription) = joined.map_err(unrecoverable)?;
        let missed = std::mem::take(&mut joined.missed);
        if let Some(first) = missed.first() {
            let after = Offset(first.place.offset.0 - 1);
            self.catch_ups.add(subscription.clone(), after, missed);
        }
        self.state.join(channel.clone(), subscription);
        self.note(channel.clone(), Change::Joined);
        let expires = self.stay_until(&channel, options.expires);
        let (epoch, offset) = (joined.epoch, joined.place.offset);
        let Joined { recovery, presence, .. } = joined;
        let told = presence.as_ref().map_or(0, |page| space.weight(page));
        self.told = self.told.saturating_add(u32::try_from(told).unwrap_or(u32::MAX));
        let recovery = if reading.denied { Some(Recovery::NotAllowed) } else { recovery };
        let (keeps, data) = (!kept.history.is_none(), options.data);
        Ok(Subscribed { channel, epoch, offset, keeps, already: false, recovery, presence, expires, data })
    }

    /// Joins and answers. A request that wants the whole history and cannot have it is refused.
    pub(crate) fn subscribed(&mut self, id: Option<RequestId>, entry: Entry, admission: Admission) {
        if self.state.is_in(&entry.channel) {
            let command = Command::Subscribe(Subscribe::to(entry.channel.clone()));
            return self.answer_already(Request { id, command });
        }
        let Admission { options, reading } = admission;
        if let Err(refusal) = self.state.may_join_another(&self.permit.shared().limits) {
            return self.answer(id, Answer::Error(refusal));
        }
        let joined = self.join(&entry, options, reading, usize::MAX);
        self.answer(id, joined.map_or_else(Answer::Error, Answer::Subscribed));
    }

    pub(crate) fn answer_already(&mut self, request: Request) {
        let answer = match request.command {
            Command::Subscribe(request) => match self.already_in(request.channel) {
                Some(subscribed) => Answer::Subscribed(subscribed),
                None => return self.fail(),
            },
            Command::Unsubscribe(channel) => {
                self.coming.remove(&channel);
                Answer::Unsubscribed { channel, already: true, why: None }
            }
            _ => unreachable!("only a subscription can be there or not be there already"),
        };
        self.answer(request.id, answer);
    }

    /// Describes a subscription that is there; none if the endpoint panics, or if the channel is gone.
    pub(crate) fn already_in(&self, channel: ChannelId) -> Option<Subscribed> {
        // One whose subscribers were taken out, and who are still to be told, may be gone.
        let (epoch, offset) = self.shared().place(&channel)?;
        let keeps = !self.shared().kept(&channel).ok()?.history.is_none();
        Some(Subscribed {
            channel,
            epoch,
            offset,
            keeps,
            already: true,
            recovery: None,
            presence: None,
            expires: None,
            data: None,
        })
    }

    /// Returns true if a subscription is behind that can go on now.
    pub(crate) fn can_catch_up(&self) -> bool {
        (!self.catch_ups.is_empty() || self.outbox.is_lagging()) && self.outbox.has_room()
    }

    /// Hands over what subscriptions missed, as far as there is room.
    pub(crate) fn catch_up(&mut self) {
        if self.outbox.take_lagging() {
            for subscription in self.state.subscriptions() {
                if let Some(after) = subscription.lag() {
                    self.catch_ups.add(subscription.clone(), after, Vec::new());
                }
            }
        }
        while !self.catch_ups.is_empty() && self.outbox.has_room() {
            let delivery = self.catch_ups.go_on(self.permit.shared());
            self.shared().metrics.delivered(delivery);
        }
        self.catch_ups.book(&self.outbox);
    }

    /// Answers who is in a channel.
    pub(crate) fn tell_presence(&mut self, id: Option<RequestId>, channel: ChannelId) {
        let Ok(kept) = self.shared().kept(&channel) else { return self.fail() };
        let present = present(self.shared(), &channel, self.outbox.encoding.by_session);
        let answer = match present.or_else(|| nobody(self.shared(), &channel, kept)) {
            Some(page) => Answer::Presence { channel, page },
            None => Answer::Error(Refusal::not_available(format!("nobody knows who is in {channel:?}"))),
        };
        self.answer(id, answer);
    }

    pub(crate) fn mark_read(&mut self, id: Option<RequestId>, channel: ChannelId, offset: Offset) {
        let answer = match read_mark::mark_read(self.shared(), &channel, self.permit.id(), offset) {
            Some(offset) => Answer::Read { channel, offset },
            None => Answer::Error(Refusal::not_available(format!("nobody knows who is in {channel:?}"))),
        };
        self.answer(id, answer);
    }

    /// Carries out an order of the server.
    pub(crate) fn carry_out_order(&mut self, order: Order) {
        match order {
            Order::Subscribe(request) => self.put_in_once_there(request),
            Order::Tell(answer) => self.answer(None, answer),
            Order::Unsubscribe(channel, why) => {
                self.coming.remove(&channel);
                self.refuse_pending(&channel, &why);
                if self.state.is_in(&channel) {
                    self.remove(channel, why, UnsubscribeReason::ByServer);
                }
            }
        }
    }

    /// Subscribes the session to a channel, which is first restored if it is stored, beside this session:
    /// until then the subscription can be cancelled.
    fn put_in_once_there(&mut self, request: Subscribe) {
        let shared = self.shared().clone();
        let Ok(kept) = shared.kept(&request.channel) else { return self.fail() };
        if let Some(entry) = enter_now(&shared, &request.channel, kept) {
            return self.put_in_unasked(request, entry);
        }
        let (channel, most) = (request.channel.clone(), shared.limits.session_channels);
        self.coming.add(request, most, || Box::pin(enter(shared, channel, kept)));
    }

    /// Subscribes the session to those channels that were restored meanwhile.
    pub(crate) fn come_in(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready((request, entry)) = self.coming.poll(cx) {
            self.put_in_unasked(request, entry);
        }
    }

    fn put_in_unasked(&mut self, request: Subscribe, entry: Entry) {
        self.coming.remove(&request.channel);
        let reading = Reading::all(self.shared().limits.answer_entries);
        if let Some(subscribed) = self.put_in(request, entry, reading) {
            self.answer(None, Answer::Subscribed(subscribed));
        }
    }

    /// Subscribes the session to a channel unasked; returns none if it is subscribed already, or to as many
    /// channels as are allowed.
    pub(crate) fn put_in(
        &mut self,
        request: Subscribe,
        entry: Entry,
        reading: Reading,
    ) -> Option<Subscribed> {
        let options = SubscribeOptions { whole: false, ..SubscribeOptions::of(&request) };
        let verdict = self.state.weigh(&Command::Subscribe(request), &self.permit.shared().limits);
        if !matches!(verdict, Verdict::Ask { .. }) {
            return None;
        }
        // Joins that the client did not ask for share the room of one answer.
        let room = self.outbox.answer_room().saturating_sub(self.told as usize);
        self.join(&entry, options, reading, room).ok()
    }

    /// Answers now if the endpoint is just being asked whether the session may join.
    fn refuse_pending(&mut self, channel: &ChannelId, why: &Refusal) {
        let asked = |asking: &Asking| matches!(asking, Asking::Subscribe(asked, _) | Asking::Enter(Some(asked), _) if asked == channel);
        if let Some(pending) = self.pending.take_if(|pending| asked(&pending.asking)) {
            let Pending { id, asking, .. } = *pending;
            // The future that is dropped here is the endpoint's.
            let _ = caught(|| drop(asking));
            self.answer(id, Answer::Error(why.clone()));
        }
    }

    /// Takes the session out of a channel at the server's request.
    pub(crate) fn remove(
        &mut self,
        channel: ChannelId,
        why: Refusal,
        reason: impl FnOnce(Refusal) -> UnsubscribeReason,
    ) {
        self.coming.remove(&channel);
        self.leave(&channel, reason(why.clone()));
        let dropped = self.outbox.purge(&channel);
        self.shared().metrics.dropped("left", dropped);
        self.answer(None, Answer::Unsubscribed { channel, already: false, why: Some(why) });
    }

    /// Leaves a channel: the session gets what was published before, and nothing after.
    pub(crate) fn leave(&mut self, channel: &ChannelId, why: UnsubscribeReason) {
        self.flush();
        joining::leave(self.shared(), channel, self.permit.id());
        self.state.leave(channel);
        self.catch_ups.forget(channel);
        self.note(channel.clone(), Change::Left(why));
    }

    /// Drops what the transport did not take of the channel that was left, and answers: nothing of that
    /// channel can follow.
    pub(crate) fn finish_leaving(&mut self, id: Option<RequestId>, channel: ChannelId) {
        let dropped = self.outbox.purge(&channel);
        self.shared().metrics.dropped("left", dropped);
        self.answer(id, Answer::Unsubscribed { channel, already: false, why: None });
    }
}

fn unrecoverable(why: Recovery) -> Refusal {
    Refusal::unrecoverable_position(why.failure().unwrap_or_default())
}
