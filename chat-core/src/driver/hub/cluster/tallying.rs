//! Tells the other nodes which users have many sessions here, and counts those that they have there.
//!
//! A word has these [fields](super::fields), of which those that are of no use are left out:
//!
//! ```text
//! node  the number of the node that says it   do     tally
//! slice 1, if all users between two are listed of whom there is something to tell
//! after, to   these two
//! ```
//!
//! Its content has a line for each user, with the number of its sessions and its id between a space.

use std::fmt::Write;
use std::sync::Arc;

use super::Cluster;
use super::fields::{Fields, Writer};
use crate::driver::hub::shared::Shared;
use crate::lock::lock;
use crate::machine::Tally;
use crate::model::{SessionId, UserId};

/// Notes that a user has another number of sessions here.
pub(crate) fn note(shared: &Shared, user: &UserId) {
    let Some(cluster) = &shared.cluster else { return };
    let mut tallies = lock(&cluster.tallies);
    // Counted under this lock, so that the last one who notes it notes the last count.
    let tells = tallies.note(user, shared.users.of(user).len(), shared.limits.user_sessions);
    drop(tallies);
    if tells {
        cluster.wake();
    }
}

/// Returns how many sessions a user may have here, since others are on other nodes.
pub(crate) fn most_here(shared: &Shared, user: &UserId) -> usize {
    let elsewhere = shared.cluster.as_ref().map_or(0, |cluster| lock(&cluster.tallies).elsewhere(user));
    shared.limits.user_sessions.saturating_sub(elsewhere)
}

/// Removes a session from its user's.
pub(crate) fn remove(shared: &Arc<Shared>, user: &UserId, session: SessionId) {
    shared.users.remove(user, session);
    note(shared, user);
}

/// Returns the words that are to be said now: changes, and with `round` the next slice of all counts.
pub(super) fn take_words(cluster: &Cluster, round: bool) -> Vec<String> {
    let mut tallies = lock(&cluster.tallies);
    let slice = round.then(|| tallies.take_slice());
    let words = tallies.take_changes().into_iter().chain(slice);
    words.map(|tally| encode(cluster.node, &tally)).collect()
}

/// Takes in a word. Returns none if it says something else or cannot be understood, and else which node says
/// it, with what it says.
pub(super) fn decode(text: &str) -> Option<(u64, Tally)> {
    let fields = Fields::read(text).filter(|fields| fields.text("do").as_deref() == Some("tally"))?;
    let slice = match fields.may::<u8>("slice")? {
        Some(_) => Some((fields.may("after")?, fields.may("to")?)),
        None => None,
    };
    let line = |line: &str| {
        let (sessions, user) = line.split_once(' ')?;
        Some((user.parse().ok()?, sessions.parse().ok()?))
    };
    let users: Option<Vec<_>> = fields.content.split_terminator('\n').map(line).collect();
    Some((fields.need("node")?, Tally { slice, users: users? }))
}

fn encode(node: u64, tally: &Tally) -> String {
    let mut writer = Writer::new();
    writer.field("node", &node);
    writer.field("do", &"tally");
    if let Some((after, to)) = &tally.slice {
        writer.field("slice", &1);
        writer.maybe("after", after.as_ref());
        writer.maybe("to", to.as_ref());
    }
    let mut content = String::new();
    for (user, sessions) in &tally.users {
        let _ = writeln!(content, "{sessions} {user}");
    }
    writer.with_content(&content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_is_understood_as_it_was_said_and_what_is_none_is_told_apart() {
        let user = |name: &str| -> UserId { name.parse().expect("a name") };
        let users = vec![(user("ann b"), 8), (user("\\n"), usize::MAX)];
        let slices = [None, Some((None, None)), Some((Some(user("a a")), Some(user("z\\"))))];
        for slice in slices {
            for users in [users.clone(), vec![]] {
                let tally = Tally { slice: slice.clone(), users };
                assert_eq!(decode(&encode(7, &tally)), Some((7, tally)));
            }
        }
        let word = encode(7, &Tally { slice: None, users });
        for wrong in [
            &word.replace("tally", "dance"),
            &word.replace("8 ann", "x ann"),
            &word.replace("8 ann b", "8 "),
            &word.replace("node 7", "node x"),
            &word.replace("v 1", "v 2"),
        ] {
            assert!(decode(wrong).is_none(), "{wrong}");
        }
    }
}
