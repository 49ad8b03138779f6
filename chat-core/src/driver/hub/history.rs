//! What a channel kept: from its log, and what is older from the store.

use std::sync::Arc;

use crate::driver::hub::Hub;
use crate::lock::lock;
use crate::model::{ChannelOptions, HistoryPage, HistoryRequest, Offset, Refusal};

impl Hub {
    /// What the channel kept of what is asked for; none if there is no such channel.
    ///
    /// At most [`Limits::answer_entries`](crate::Limits::answer_entries) publications, and about a quarter of
    /// [`Limits::outbox_bytes`](crate::Limits::outbox_bytes), but one in any case if there is one. Only what the log holds:
    /// [`read_history`](Self::read_history) asks the store too.
    pub fn history(&self, request: &HistoryRequest) -> Option<HistoryPage> {
        self.look_at_log(request).map(|(page, _)| page)
    }

    /// A page of the log, and where the log begins if the channel is stored.
    fn look_at_log(&self, request: &HistoryRequest) -> Option<(HistoryPage, Option<Offset>)> {
        let limit = request.limit.min(self.0.limits.answer_entries);
        let now = self.0.runtime.now().instant;
        let mut shard = lock(self.shard(&request.channel));
        let page = shard.history(request, limit, self.page_bytes(), now)?;
        Some((page, shard.log_begins(&request.channel)))
    }

    /// As [`try_read_history`](Self::try_read_history), and none as well if the store cannot be read.
    pub async fn read_history(&self, request: &HistoryRequest) -> Option<HistoryPage> {
        self.try_read_history(request).await.ok().flatten()
    }

    /// As [`history`](Self::history), and what is older than the log from the store, if the channel is stored; none if it is neither here nor there. If the
    /// store fails for what is older than the log, what the log holds.
    ///
    /// # Errors
    /// 100: the channel is not here, and the store failed, or did not answer within [`Limits::store_timeout`](crate::Limits::store_timeout): whether there is
    /// such a channel is not known.
    pub async fn try_read_history(&self, request: &HistoryRequest) -> Result<Option<HistoryPage>, Refusal> {
        let options = self.0.endpoint.channel(&request.channel, self.0.channel);
        self.read_history_of(request, options).await
    }

    pub(crate) async fn read_history_of(
        &self,
        request: &HistoryRequest,
        options: ChannelOptions,
    ) -> Result<Option<HistoryPage>, Refusal> {
        let Some(_entry) = self.look_into(&request.channel, options).await? else { return Ok(None) };
        let Some((page, begins)) = self.look_at_log(request) else { return Ok(None) };
        Ok(Some(match begins {
            Some(begins) if request.after.unwrap_or_default().next() < begins => {
                self.complete(request, page, begins).await
            }
            _ => page,
        }))
    }

    /// Puts what the store has before the log's first to what the log has.
    async fn complete(&self, request: &HistoryRequest, page: HistoryPage, begins: Offset) -> HistoryPage {
        let limit = request.limit.min(self.0.limits.answer_entries);
        let taken = if request.reverse { page.publications.len() } else { 0 };
        if taken >= limit || (request.reverse && page.more) {
            return HistoryPage { more: true, ..page };
        }
        let archive = self.archive();
        let before = Some(request.before.map_or(begins, |before| before.min(begins)));
        let older = HistoryRequest { before, limit: limit - taken, ..request.clone() };
        let Some(stored) = self.in_time(archive.call(|store| store.read(older, self.page_bytes()))).await
        else {
            return page;
        };
        let found = stored.publications.into_iter().map(Arc::new);
        let (publications, more) = match request.reverse {
            true => (page.publications.into_iter().chain(found).collect::<Vec<_>>(), stored.more),
            false if stored.more => (found.collect(), true),
            false => (found.chain(page.publications).collect(), page.more),
        };
        let more = more || publications.len() > limit;
        HistoryPage { publications: publications.into_iter().take(limit).collect(), more, ..page }
    }

    fn page_bytes(&self) -> usize {
        self.0.limits.outbox_bytes / 4
    }
}
