//! Publishes and reads history for a session, with the store behind both.

use futures::channel::oneshot;

use super::Session;
use super::hooks::{Allowed, Asking, Guarded, LookAround, LookBack, Pending, Ready};
use crate::driver::hub::cluster::lane::Place;
use crate::driver::hub::cluster::lanes::gone;
use crate::driver::hub::endpoint::Hook;
use crate::driver::hub::gathering::{gather, gathered, gathers_until};
use crate::driver::hub::history::read_history;
use crate::driver::hub::place::{append, may_refer, published_before};
use crate::driver::hub::store::appended::{Waits, not_stored};
use crate::driver::hub::store::enter::{enter_now, enter_to_publish, try_enter};
use crate::driver::hub::store::entry::Entry;
use crate::driver::hub::store::writing::arrival;
use crate::model::{
    Answer, ChannelId, ChannelOptions, HistoryPage, HistoryRequest, Publish, Refusal, RequestId,
};

impl Session {
    /// Continues with what the endpoint allowed: at once, or when its channel is restored from the store.
    pub(crate) fn go_on(
        &mut self,
        pending: Pending,
        channel: &ChannelId,
        kept: ChannelOptions,
        allowed: Allowed,
    ) {
        let entry = match &allowed {
            Allowed::Publish(publish) => enter_to_publish(self.shared(), publish, kept),
            // Who is to see who is there is told that once all nodes have said it.
            Allowed::Subscribe(admission)
                if admission.options.presence && gathers_until(self.shared(), channel).is_some() =>
            {
                None
            }
            Allowed::Subscribe(_) => enter_now(self.shared(), channel, kept),
        };
        match entry {
            Some(entry) => self.carry_on(pending.id, entry, allowed),
            None => {
                let (shared, channel) = (self.shared().clone(), channel.clone());
                let joins = matches!(allowed, Allowed::Subscribe(_)).then(|| channel.clone());
                let hook: Hook<Ready> = Box::pin(async move {
                    let entry = try_enter(&shared, &channel, kept).await?;
                    if matches!(&allowed, Allowed::Subscribe(admission) if admission.options.presence) {
                        gathered(&shared, &channel).await;
                    }
                    Ok((entry, allowed))
                });
                let asking = Asking::Enter(joins, Guarded::new(hook));
                self.pending = Some(Box::new(Pending { asking, ..pending }));
            }
        }
    }

    /// Does what the endpoint allowed, in a channel that can be used now.
    pub(crate) fn carry_on(&mut self, id: Option<RequestId>, entry: Entry, allowed: Allowed) {
        match allowed {
            Allowed::Subscribe(admission) => self.subscribed(id, entry, admission),
            Allowed::Publish(publish) => self.publish(id, publish, entry),
        }
    }

    /// Returns a hook that waits for what is allowed to be read, and then reads it.
    pub(crate) fn look_back(&self, hook: Hook<HistoryRequest>) -> Hook<LookBack> {
        let shared = self.shared().clone();
        Box::pin(async move {
            let request = hook.await?;
            let page = read_history(&shared, &request, shared.options(&request.channel)).await?;
            Ok((request, page))
        })
    }

    /// Returns a hook that waits for whether presence may be seen, and then until it is known on all nodes.
    pub(crate) fn look_around(&self, hook: Hook<ChannelId>) -> Hook<LookAround> {
        let shared = self.shared().clone();
        Box::pin(async move {
            let channel = hook.await?;
            let entry = gather(&shared, &channel, shared.options(&channel)).await?;
            Ok((channel, entry))
        })
    }

    pub(crate) fn tell_history(
        &mut self,
        id: Option<RequestId>,
        request: HistoryRequest,
        page: Option<HistoryPage>,
    ) {
        let clamped = request.clamped(self.shared().limits.answer_entries);
        let channel = request.channel;
        let answer = match page {
            Some(page) if request.epoch.is_some_and(|epoch| epoch != page.epoch) => {
                Answer::Error(Refusal::unrecoverable_position("the channel has begun another life"))
            }
            Some(page) => Answer::History { channel, page, clamped },
            None => Answer::Error(Refusal::unknown_channel(format!("there is no {channel:?}"))),
        };
        self.answer(id, answer);
    }

    fn publish(&mut self, id: Option<RequestId>, publish: Publish, entry: Entry) {
        let info = self.state.info().expect("only an open session publishes").clone();
        let (channel, shared) = (publish.channel.clone(), self.permit.shared());
        let appended = match may_refer(shared, &publish, &info) {
            Ok(()) => append(shared, publish, Some(&info), entry, id.is_some()),
            // What may no longer be published may have been published before: then it is answered under its
            // key as it was then.
            Err(refusal) => match published_before(shared, &publish, &info, &entry, id.is_some()) {
                Some(appended) => appended,
                None => return self.answer(id, Answer::Error(refusal)),
            },
        };
        if appended.flush {
            self.dirty.push(channel.clone());
        }
        if id.is_none() {
            return;
        }
        let (offset, already) = (appended.published.offset(), appended.published.is_duplicate());
        let answer = Answer::Published { channel: channel.clone(), offset, already };
        match appended.stored {
            Waits::No => self.answer(id, answer),
            Waits::Never => self.answer(id, Answer::Error(not_stored())),
            Waits::For(stored) => self.answer_when(id, stored, answer),
            Waits::Placed(place) => self.answer_once_placed(id, channel, place),
            Waits::Refused(refusal) => self.answer(id, Answer::Error(refusal)),
        }
    }

    /// Answers once the broker has given the place; what comes after it waits too.
    fn answer_once_placed(&mut self, id: Option<RequestId>, channel: ChannelId, place: Place) {
        let hook: Hook<Answer> = Box::pin(async move {
            let published = place.await.unwrap_or_else(|_| Err(gone()))?;
            let (offset, already) = (published.offset(), published.is_duplicate());
            Ok(Answer::Published { channel, offset, already })
        });
        let asking = Asking::Stored(Guarded::new(hook));
        self.pending = Some(Box::new(Pending { id, announced: true, asking, asked: None, times: 0 }));
    }

    /// Answers once that is stored; what comes after it waits too. Subscribers do not wait for that.
    fn answer_when(&mut self, id: Option<RequestId>, stored: oneshot::Receiver<bool>, answer: Answer) {
        let arrival = arrival(self.shared(), stored);
        let hook: Hook<Answer> = Box::pin(async move { arrival.await.map(|()| answer) });
        let asking = Asking::Stored(Guarded::new(hook));
        self.pending = Some(Box::new(Pending { id, announced: true, asking, asked: None, times: 0 }));
    }
}
