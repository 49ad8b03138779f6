//! A session's channels: it joins, catches up, is put in and taken out, and leaves.

use std::sync::Arc;

use crate::driver::hub::admission::{Admission, Reading};
use crate::driver::hub::entry::Entry;
use crate::driver::outbox::control::Order;
use crate::driver::outbox::subscription::Subscription;
use crate::driver::session::Dialog;
use crate::driver::session::hooks::Asking;
use crate::machine::{Joined, Joining, Verdict};
use crate::model::{
    Answer, ChannelId, Command, Offset, Overflow, Recovery, Refusal, Request, RequestId, Subscribe,
    Subscribed,
};
use crate::port::SubscribeOptions;

impl Dialog {
    /// Its answer is queued while the outbox is corked, and answers go ahead of publications: so none of the channel comes before it.
    #[must_use = "the answer comes before any publication"]
    pub(crate) fn join(
        &mut self,
        entry: &Entry,
        mut options: SubscribeOptions,
        reading: Reading,
        room: usize,
    ) -> Subscribed {
        let (channel, kept) = (entry.channel.clone(), entry.options);
        if !self.outbox.encoding.tells_losses {
            options.overflow = Overflow::Disconnect;
        }
        let SubscribeOptions { since, latest, presence: observes, .. } = options;
        let (hub, who) = (self.seat.hub(), self.session.info().expect("only an open session joins").clone());
        let now = hub.runtime().now().instant;
        let mut space = hub.presence_space(self.outbox.encoding.by_session);
        space.bytes = space.bytes.min(room);
        let joining =
            Joining { who, observes, since, latest, space, recovers: reading.most, options: kept, now };
        let stay = self.session.next_stay();
        let mut made = None;
        let mut joined = hub.join(entry, joining, |joined| {
            let new = Subscription::new(self.outbox.clone(), channel.clone(), stay, &options, joined.place);
            let subscription = Arc::new(if joined.missed.is_empty() { new } else { new.behind() });
            made = Some(subscription.clone());
            subscription
        });
        let subscription = made.expect("joining makes the subscription");
        let missed = std::mem::take(&mut joined.missed);
        if let Some(first) = missed.first() {
            let after = Offset(first.place.offset.0 - 1);
            self.catch_ups.add(subscription.clone(), after, missed);
        }
        self.session.join(channel.clone(), subscription);
        let expires = self.stay_until(&channel, options.expires);
        let (epoch, offset) = (joined.epoch, joined.place.offset);
        let Joined { recovery, presence, .. } = joined;
        let told = presence.as_ref().map_or(0, |page| space.weight(page));
        self.told = self.told.saturating_add(u32::try_from(told).unwrap_or(u32::MAX));
        let recovery = if reading.denied { Some(Recovery::NotAllowed) } else { recovery };
        let (keeps, data) = (!kept.history.is_none(), options.data);
        Subscribed { channel, epoch, offset, keeps, already: false, recovery, presence, expires, data }
    }

    /// Joins and answers; one that wants all or nothing and cannot have all is out again before anybody was told.
    pub(crate) fn subscribed(&mut self, id: Option<RequestId>, entry: Entry, admission: Admission) {
        if self.session.is_in(&entry.channel) {
            let command = Command::Subscribe(Subscribe::to(entry.channel.clone()));
            return self.answer_already(Request { id, command });
        }
        let Admission { options, reading } = admission;
        if let Err(refusal) = self.session.may_join_another(self.seat.hub().limits()) {
            return self.answer(id, Answer::Error(refusal));
        }
        let whole = options.whole;
        let subscribed = self.join(&entry, options, reading, usize::MAX);
        let failure = subscribed.recovery.and_then(Recovery::failure).filter(|_| whole);
        let Some(failure) = failure else { return self.answer(id, Answer::Subscribed(subscribed)) };
        self.leave(&subscribed.channel);
        self.outbox.purge(&subscribed.channel);
        self.answer(id, Answer::Error(Refusal::unrecoverable_position(failure)));
    }

    /// Whether a subscription is behind that can go on now.
    pub(crate) fn can_catch_up(&self) -> bool {
        (!self.catch_ups.is_empty() || self.outbox.is_lagging()) && self.outbox.has_room()
    }

    /// Goes on with what subscriptions missed, as far as there is room.
    pub(crate) fn catch_up(&mut self) {
        if self.outbox.take_lagging() {
            for subscription in self.session.subscriptions() {
                if let Some(after) = subscription.lag() {
                    self.catch_ups.add(subscription.clone(), after, Vec::new());
                }
            }
        }
        while !self.catch_ups.is_empty() && self.outbox.has_room() {
            let delivery = self.catch_ups.go_on(self.seat.hub());
            self.hub().0.metrics.delivered(delivery);
        }
        self.catch_ups.book(&self.outbox);
    }

    /// Answers who is in a channel.
    pub(crate) fn tell_presence(&mut self, id: Option<RequestId>, channel: ChannelId) {
        let Ok(kept) = self.hub().kept(&channel) else { return self.fail() };
        let present = self.hub().present(&channel, self.outbox.encoding.by_session);
        let answer = match present.or_else(|| self.hub().nobody(&channel, kept)) {
            Some(page) => Answer::Presence { channel, page },
            None => Answer::Error(Refusal::not_available(format!("nobody knows who is in {channel:?}"))),
        };
        self.answer(id, answer);
    }

    pub(crate) fn mark_read(&mut self, id: Option<RequestId>, channel: ChannelId, offset: Offset) {
        let answer = match self.hub().mark_read(&channel, self.seat.id(), offset) {
            Some(offset) => Answer::Read { channel, offset },
            None => Answer::Error(Refusal::not_available(format!("nobody knows who is in {channel:?}"))),
        };
        self.answer(id, answer);
    }

    /// Does what the server wants of the session.
    pub(crate) fn carry_out_order(&mut self, order: Order) {
        match order {
            Order::Subscribe(wish) => self.put_in_once_there(wish),
            Order::Enter(wish, entry, number) => {
                if self.coming.is(&wish.channel, number) {
                    self.put_in_unasked(wish, entry);
                }
            }
            Order::Tell(answer) => self.answer(None, answer),
            Order::Unsubscribe(channel, why) => {
                self.coming.remove(&channel);
                self.refuse_pending(&channel, &why);
                if self.session.is_in(&channel) {
                    self.remove(channel, why);
                }
            }
        }
    }

    /// A channel that is stored is taken up first, beside this session: until then it can be called off.
    fn put_in_once_there(&mut self, wish: Subscribe) {
        let hub = self.hub().clone();
        let Ok(kept) = hub.kept(&wish.channel) else { return self.fail() };
        if let Some(entry) = hub.enter_now(&wish.channel, kept) {
            return self.put_in_unasked(wish, entry);
        }
        let Some(number) = self.coming.add(&wish.channel, hub.limits().session_channels) else { return };
        let (outbox, runtime) = (self.outbox.clone(), hub.0.runtime.clone());
        runtime.spawn(Box::pin(async move {
            let entry = hub.enter(wish.channel.clone(), kept).await;
            outbox.order(Order::Enter(wish, entry, number));
        }));
    }

    fn put_in_unasked(&mut self, wish: Subscribe, entry: Entry) {
        self.coming.remove(&wish.channel);
        let reading = Reading::all(self.hub().limits().answer_entries);
        if let Some(subscribed) = self.put_in(wish, entry, reading) {
            self.answer(None, Answer::Subscribed(subscribed));
        }
    }

    /// None if it is there already, or in as many channels as may be.
    pub(crate) fn put_in(&mut self, wish: Subscribe, entry: Entry, reading: Reading) -> Option<Subscribed> {
        let options = SubscribeOptions::of(&wish);
        let verdict = self.session.weigh(&Command::Subscribe(wish), self.seat.hub().limits());
        matches!(verdict, Verdict::Ask { .. }).then(|| {
            // Joins that the client did not ask for share the room of one answer.
            let room = self.outbox.answer_room().saturating_sub(self.told as usize);
            self.join(&entry, options, reading, room)
        })
    }

    /// If the endpoint is just asked whether the session may join, the answer is known now.
    fn refuse_pending(&mut self, channel: &ChannelId, why: &Refusal) {
        let asked = |asking: &Asking| matches!(asking, Asking::Subscribe(asked, _) | Asking::Enter(Some(asked), _) if asked == channel);
        if let Some(pending) = self.pending.take_if(|pending| asked(&pending.asking)) {
            self.answer(pending.id, Answer::Error(why.clone()));
        }
    }

    /// Takes the session out of a channel because the server says so.
    pub(crate) fn remove(&mut self, channel: ChannelId, why: Refusal) {
        self.coming.remove(&channel);
        self.leave(&channel);
        let dropped = self.outbox.purge(&channel);
        self.hub().0.metrics.dropped("left", dropped);
        self.answer(None, Answer::Unsubscribed { channel, already: false, why: Some(why) });
    }

    /// Gets what was published before, and nothing after.
    pub(crate) fn leave(&mut self, channel: &ChannelId) {
        self.flush();
        self.hub().leave(channel, self.seat.id());
        self.session.leave(channel);
        self.catch_ups.forget(channel);
    }

    /// Drops what the transport did not take of the channel that was left, and answers: nothing of it can follow.
    pub(crate) fn finish_leaving(&mut self, id: Option<RequestId>, channel: ChannelId) {
        let dropped = self.outbox.purge(&channel);
        self.hub().0.metrics.dropped("left", dropped);
        self.answer(id, Answer::Unsubscribed { channel, already: false, why: None });
    }
}
