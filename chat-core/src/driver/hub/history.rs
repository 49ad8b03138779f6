//! Reads what a channel kept: from its log, and what is older from the store.

use std::sync::Arc;

use super::shared::Shared;
use super::store::enter::look_into;
use super::store::timely::in_time;
use crate::lock::lock;
use crate::model::{ChannelOptions, HistoryPage, HistoryRequest, Offset, Refusal};

/// Returns a page of the log, and where the log begins if the channel is stored; none if there is no such
/// channel.
pub(crate) fn look_at_log(
    shared: &Shared,
    request: &HistoryRequest,
) -> Option<(HistoryPage, Option<Offset>)> {
    let limit = request.limit.min(shared.limits.answer_entries);
    let now = shared.runtime.instant();
    let mut shard = lock(shared.shard(&request.channel));
    let page = shard.history(request, limit, page_bytes(shared), now)?;
    Some((page, shard.log_begins(&request.channel)))
}

/// Reads history as [`Hub::try_read_history`](crate::Hub::try_read_history) documents, from a channel with
/// these options.
pub(crate) async fn read_history(
    shared: &Arc<Shared>,
    request: &HistoryRequest,
    options: ChannelOptions,
) -> Result<Option<HistoryPage>, Refusal> {
    let Some(_entry) = look_into(shared, &request.channel, options).await? else { return Ok(None) };
    let Some((page, begins)) = look_at_log(shared, request) else { return Ok(None) };
    Ok(Some(match begins {
        Some(begins) if request.after.unwrap_or_default().next() < begins => {
            complete(shared, request, page, begins).await
        }
        _ => page,
    }))
}

/// Adds what the store has from before the log's first publication to the page of the log.
async fn complete(
    shared: &Shared,
    request: &HistoryRequest,
    page: HistoryPage,
    begins: Offset,
) -> HistoryPage {
    let limit = request.limit.min(shared.limits.answer_entries);
    let taken = if request.reverse { page.publications.len() } else { 0 };
    if taken >= limit || (request.reverse && page.more) {
        return HistoryPage { more: true, ..page };
    }
    let before = Some(request.before.map_or(begins, |before| before.min(begins)));
    let older = HistoryRequest { before, limit: limit - taken, ..request.clone() };
    let asked = shared.stored().call(|store| store.read(older, page_bytes(shared)));
    let Ok(stored) = in_time(shared, asked).await else { return page };
    let found = stored.publications.into_iter().map(Arc::new);
    let (publications, more) = match request.reverse {
        true => (page.publications.into_iter().chain(found).collect::<Vec<_>>(), stored.more),
        false if stored.more => (found.collect(), true),
        false => (found.chain(page.publications).collect(), page.more),
    };
    let more = more || publications.len() > limit;
    HistoryPage { publications: publications.into_iter().take(limit).collect(), more, ..page }
}

fn page_bytes(shared: &Shared) -> usize {
    shared.limits.outbox_bytes / 4
}
