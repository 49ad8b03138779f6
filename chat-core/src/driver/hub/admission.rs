//! Asks the hooks what a session that joins is granted: `subscribe`, and those that decide on the same things
//! when they are asked for alone.

use crate::model::{ChannelId, HistoryRequest, Refusal, SessionInfo, Since, Subscribe};
use crate::port::{Endpoint, SubscribeOptions};

/// Tells how a session joins a channel.
pub(crate) struct Admission {
    pub(crate) options: SubscribeOptions,
    pub(crate) reading: Reading,
}

/// Bounds what a session that joins is told of the channel's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Bounds the number of publications.
    pub(crate) most: usize,
    /// Is true if the session wanted some of it, and may not read that.
    pub(crate) denied: bool,
}

impl Reading {
    /// Allows all that one answer may hold.
    pub(crate) fn all(most: usize) -> Self {
        Self { most, denied: false }
    }

    /// Reads the hook's answer: a part of what was asked for counts as a refusal, unless it only has fewer
    /// entries.
    pub(crate) fn of(asked: &HistoryRequest, answer: Result<HistoryRequest, Refusal>) -> Self {
        let covers = |allowed: &HistoryRequest| {
            allowed.channel == asked.channel
                && allowed.after.unwrap_or_default() <= asked.after.unwrap_or_default()
                && allowed.before.is_none()
                && (allowed.epoch.is_none() || allowed.epoch == asked.epoch)
        };
        match answer.ok().filter(covers) {
            Some(allowed) => Self { most: allowed.limit.min(asked.limit), denied: false },
            None => Self { most: 0, denied: true },
        }
    }
}

/// Returns the request for the history that a session missed which resumes from there.
pub(crate) fn missed(channel: &ChannelId, since: Since, most: usize) -> HistoryRequest {
    let Since { epoch, offset } = since;
    HistoryRequest { after: Some(offset), epoch, ..HistoryRequest::of(channel.clone(), most) }
}

/// Asks whether a session may join, and then whether it may read history and see presence as it wants to. The
/// endpoint is not asked about what it adds by itself.
///
/// # Errors
/// If the session may not join.
pub(crate) async fn admit(
    endpoint: &impl Endpoint,
    session: &SessionInfo,
    request: Subscribe,
    most: usize,
) -> Result<Admission, Refusal> {
    let Subscribe { channel, since: wants_since, latest: wants_latest, presence: wants_presence, .. } =
        request.clone();
    let mut options = endpoint.subscribe(session, request).await?;
    let mut reading = Reading::all(most);
    if let Some(since) = options.since.filter(|_| wants_since.is_some()) {
        let asked = missed(&channel, since, most);
        reading = Reading::of(&asked, endpoint.history(session, asked.clone(), true).await);
        options.since = options.since.filter(|_| !reading.denied);
    }
    if options.latest && wants_latest {
        let asked = HistoryRequest { reverse: true, ..HistoryRequest::of(channel.clone(), 1) };
        let newest = Reading::of(&asked, endpoint.history(session, asked.clone(), true).await);
        options.latest = newest.most > 0;
        reading.denied |= !options.latest && options.since.is_none();
    }
    if options.presence && wants_presence {
        options.presence = endpoint.presence(session, &channel, true).await.is_ok();
    }
    Ok(Admission { options, reading })
}
