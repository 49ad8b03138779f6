//! Asks the endpoint whether a session is accepted, and enters the channels that it is subscribed to.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;

use super::admission::{Reading, missed};
use super::cluster::tallying::most_here;
use super::endpoint::Hook;
use super::gathering::gathered;
use super::shared::Shared;
use super::store::enter::enter;
use super::store::entry::Entry;
use super::users::Opening;
use crate::driver::caught::{Panicked, discard};
use crate::model::{
    ChannelId, Connect, Identity, Refusal, SenderName, SessionId, SessionInfo, Since, Subscribe,
};

/// Holds the session's identity, and the channels that the endpoint subscribes it to.
pub(crate) type Opened = (Identity, Vec<(Subscribe, Entry, Reading)>);

/// Holds what the endpoint answered before the session's transport was open.
pub(crate) struct Asked {
    pub(crate) connect: Connect,
    pub(crate) opened: Opened,
    /// Remembers what is done to the session's user until the session is open.
    pub(crate) opening: Opening,
}

/// Asks the endpoint, as [`Permit::ask`](crate::transport::Permit::ask) documents.
pub(crate) async fn ask(
    shared: &Arc<Shared>,
    session: SessionId,
    connect: Connect,
) -> Result<Asked, Refusal> {
    let opening = Opening::begin(&shared.users);
    let mut credentials = connect.clone();
    let since = std::mem::take(&mut credentials.since);
    let asked = async {
        let hook = shared.endpoint.clone().stream_opened(session, credentials);
        take_up(shared.clone(), session, since, hook).await
    };
    let opened = AssertUnwindSafe(asked).catch_unwind().await.map_err(discard);
    let opened = opened.unwrap_or_else(|Panicked| Err(Refusal::internal("a hook of the server failed")))?;
    may_be_called(shared, &opened.0.name)?;
    let most = shared.limits.user_sessions;
    if shared.users.of(&opened.0.user).len() >= most_here(shared, &opened.0.user) {
        return Err(too_many(most));
    }
    Ok(Asked { connect, opened, opening })
}

/// Returns why a user's next session is refused.
pub(crate) fn too_many(most: usize) -> Refusal {
    Refusal::limit_exceeded(format!("a user has at most {most} sessions"))
}

/// Checks that a session does not take the server's own name.
pub(crate) fn may_be_called(shared: &Shared, name: &SenderName) -> Result<(), Refusal> {
    let free = !name.is_taken_for(&shared.name);
    free.then_some(()).ok_or_else(|| Refusal::permission_denied("that is the server's own name"))
}

/// Returns a hook that waits for the identity and then enters the channels that the session is to be
/// subscribed to. In each, the session resumes where its client was, if it may read that.
pub(crate) fn take_up(
    shared: Arc<Shared>,
    session: SessionId,
    since: Vec<(ChannelId, Since)>,
    hook: Hook<Identity>,
) -> Hook<Opened> {
    Box::pin(async move {
        let mut identity = hook.await?;
        let who = Arc::new(SessionInfo::of(session, identity.clone()));
        let mut requests = Vec::new();
        for mut request in std::mem::take(&mut identity.subscriptions) {
            let was = since.iter().find(|(channel, _)| *channel == request.channel);
            let was = was.filter(|_| request.since.is_none()).map(|(_, since)| *since);
            let mut reading = Reading::all(shared.limits.answer_entries);
            if let Some(since) = was {
                let asked = missed(&request.channel, since, reading.most);
                let answer = shared.endpoint.clone().history(who.clone(), asked.clone(), true).await;
                reading = Reading::of(&asked, answer);
                request.since = was.filter(|_| !reading.denied);
            }
            let kept = shared.options(&request.channel);
            let entry = enter(shared.clone(), request.channel.clone(), kept).await;
            if request.presence {
                gathered(&shared, &request.channel).await;
            }
            requests.push((request, entry, reading));
        }
        Ok((identity, requests))
    })
}
