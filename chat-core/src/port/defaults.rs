//! Decides as the hooks do that an endpoint does not write.

use super::decisions::PublishContext;
use crate::model::{ChannelId, Publish, Refusal, SenderName, SessionId};

/// Returns the name of a session that was admitted without one.
pub(super) fn guest(session: SessionId) -> SenderName {
    format!("{GUEST}{session}").parse().expect("a number makes a name")
}

const GUEST: &str = "guest-";

/// Accepts a name that a client requests, unless it is a guest's. Guests' names are given and not requested,
/// since a client could otherwise publish under the name of a guest.
pub(super) fn as_nobody_elses(name: SenderName) -> Result<SenderName, Refusal> {
    let seen = name.seen();
    if seen.is_empty() {
        return Err(Refusal::bad_request("a name has something to see"));
    }
    let number = seen.strip_prefix(GUEST).unwrap_or_default();
    let given = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if given { Err(Refusal::permission_denied("that is the name of a guest")) } else { Ok(name) }
}

/// Allows members of the channel to publish, and everybody else if it is open.
pub(super) fn may_publish(
    request: Publish,
    standing: &PublishContext,
    open: bool,
) -> Result<Publish, Refusal> {
    if !standing.member && !open {
        return Err(not_a_member(&request.channel, "publish to it"));
    }
    Ok(request)
}

/// Refuses what only members of the channel may do.
pub(super) fn not_a_member(channel: &ChannelId, what: &str) -> Refusal {
    Refusal::permission_denied(format!("only subscribers of {channel:?} may {what}"))
}
