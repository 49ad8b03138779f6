//! What a session says in its channels, and what it reads of what was said: with the store behind both.

use futures::channel::oneshot;

use super::dialog::Dialog;
use super::hooks::{Asking, Guarded, Hook, LookBack, Pending};
use crate::model::{
    Answer, ChannelId, ChannelOptions, HistoryPage, HistoryRequest, Publish, Refusal, RequestId, SessionInfo,
    Storage,
};

impl Dialog {
    /// A hook after which its channel is taken up from the store, if it is there.
    pub(super) fn with_store<T: Send + 'static>(
        &self,
        channel: ChannelId,
        hook: Hook<(T, ChannelOptions)>,
    ) -> Hook<(T, ChannelOptions)> {
        if self.hub().0.archive.is_none() {
            return hook;
        }
        let hub = self.hub().clone();
        Box::pin(async move {
            let (allowed, options) = hook.await?;
            hub.load(&channel, options).await;
            Ok((allowed, options))
        })
    }

    /// A hook after which what it allows is read.
    pub(super) fn look_back(&self, hook: Hook<HistoryRequest>) -> Hook<LookBack> {
        let hub = self.hub().clone();
        Box::pin(async move {
            let request = hook.await?;
            let page = hub.read_history(&request).await;
            Ok((request, page))
        })
    }

    pub(super) fn tell_history(
        &mut self,
        id: Option<RequestId>,
        request: HistoryRequest,
        page: Option<HistoryPage>,
    ) {
        let clamped = request.clamped(self.hub().limits().answer_entries);
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

    pub(super) fn publish(&mut self, id: Option<RequestId>, publish: Publish, kept: ChannelOptions) {
        let info = self.session.info().expect("only an open session publishes").clone();
        if let Err(refusal) = self.hub().may_refer(&publish, &info) {
            return self.answer_unsaid(id, &publish, &info, refusal);
        }
        let channel = publish.channel.clone();
        let waits = id.is_some() && kept.storage == Storage::Durable && !publish.ephemeral;
        let (receipt, stored) = waits.then(oneshot::channel).unzip();
        let hub = self.seat.hub();
        let (published, flush) = hub.append(publish, Some(&info), receipt, || kept);
        if flush {
            self.dirty.push(channel.clone());
        }
        if id.is_none() {
            return;
        }
        let (offset, already) = (published.offset, published.already);
        let answer = Answer::Published { channel, offset, already };
        match stored {
            Some(stored) => self.answer_when(id, stored, answer),
            None => self.answer(id, answer),
        }
    }

    /// What may not be said any more may have been said before: under its key it is answered as then.
    fn answer_unsaid(
        &mut self,
        id: Option<RequestId>,
        publish: &Publish,
        by: &SessionInfo,
        refusal: Refusal,
    ) {
        match self.hub().published_before(publish, by) {
            Some(_) if id.is_none() => {}
            Some(offset) => {
                let channel = publish.channel.clone();
                self.answer(id, Answer::Published { channel, offset, already: true });
            }
            None => self.answer(id, Answer::Error(refusal)),
        }
    }

    /// Answers once that is stored; what comes after it waits too. Subscribers have not waited.
    fn answer_when(&mut self, id: Option<RequestId>, stored: oneshot::Receiver<bool>, answer: Answer) {
        let arrival = self.hub().arrival(stored);
        let hook: Hook<Answer> = Box::pin(async move { arrival.await.map(|()| answer) });
        let asking = Asking::Stored(Guarded::new(hook));
        self.pending = Some(Box::new(Pending { id, announced: true, asking, asked: None, times: 0 }));
    }
}
