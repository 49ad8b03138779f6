//! Writes presence as a client's `Presence` keeps it: keys of metas, each of which a `phx_ref` names
//! (presence.js).
//!
//! A key is a user, a meta one of its sessions, and its `phx_ref` the session's number. So a meta that is
//! sent again replaces itself.

use std::collections::BTreeMap;

use chat_core::protocol::{PresenceChange, SessionPresence};
use chat_core::{ChannelId, Offset, Payload, PresencePage, Present, SenderName, SessionId};

use serde_json::value::RawValue;

use super::{frame, push};
use crate::phoenix::context::NO_REF;
use crate::write::{field, list, number_field, payload, string};

struct Meta<'a> {
    session: SessionId,
    name: &'a SenderName,
    data: Option<&'a Payload>,
    read: Offset,
}

type Metas<'a> = BTreeMap<&'a str, Vec<Meta<'a>>>;

/// Writes the users who are present, for a client that has just joined.
pub(in crate::phoenix) fn state(join_ref: &str, channel: &ChannelId, page: &PresencePage, out: &mut Vec<u8>) {
    let metas = page.present.iter().map(|present| (present.user.as_str(), of_user(present))).collect();
    push(join_ref, channel.as_str(), "presence_state", out, |out| keys(&metas, out));
}

/// Writes that the state does not name all who are present.
pub(in crate::phoenix) fn partial(
    join_ref: &str,
    channel: &ChannelId,
    page: &PresencePage,
    out: &mut Vec<u8>,
) {
    push(join_ref, channel.as_str(), "presence_partial", out, |out| {
        out.extend(br#"{"reason":"limit exceeded""#);
        number_field("users", page.users as u64, out);
        number_field("sessions", page.sessions as u64, out);
        out.push(b'}');
    });
}

/// Writes who came and went. The client adds joins to the metas of a key, then removes leaves from them.
pub(in crate::phoenix) fn diff(channel: &ChannelId, change: &PresenceChange, out: &mut Vec<u8>) {
    let mut joins: Metas<'_> =
        change.joined.iter().map(|present| (present.user.as_str(), of_user(present))).collect();
    let mut arrived = Metas::new();
    for arrival in change.arrived.iter().filter(|one| !joins.contains_key(one.user.as_str())) {
        arrived.entry(arrival.user.as_str()).or_default().push(of_session(arrival));
    }
    joins.append(&mut arrived);
    let mut leaves = Metas::new();
    for departure in &change.departed {
        leaves.entry(departure.user.as_str()).or_default().push(of_session(departure));
    }
    frame([NO_REF, NO_REF], channel.as_str(), "presence_diff", out, |out| {
        out.extend(br#"{"joins":"#);
        keys(&joins, out);
        out.extend(br#","leaves":"#);
        keys(&leaves, out);
        out.push(b'}');
    });
}

fn of_user(present: &Present) -> Vec<Meta<'_>> {
    let Present { name, data, sessions, read, .. } = present;
    let meta = |session: &SessionId| Meta { session: *session, name, data: data.as_ref(), read: *read };
    sessions.iter().map(meta).collect()
}

fn of_session(arrival: &SessionPresence) -> Meta<'_> {
    let SessionPresence { session, name, data, .. } = arrival;
    Meta { session: *session, name, data: data.as_ref(), read: Offset(0) }
}

fn keys(metas: &Metas<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (n, (user, metas)) in metas.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        string(user, out);
        out.extend(br#":{"metas":"#);
        list(metas, meta, out);
        out.push(b'}');
    }
    out.push(b'}');
}

/// Writes one meta.
///
/// The endpoint's own fields stand beside the others, as a server of this protocol has them (presence.ex),
/// and replace a `name` or a `read` of ours. Data that is no object is `data`.
fn meta(meta: &Meta<'_>, out: &mut Vec<u8>) {
    let fields = meta.data.and_then(fields);
    let other = meta.data.filter(|_| fields.is_none());
    let own = fields.unwrap_or_default();
    out.extend(br#"{"phx_ref":"#);
    string(&meta.session.to_string(), out);
    if !own.contains_key("name") {
        field("name", meta.name.as_str(), out);
    }
    if meta.read.0 > 0 && !own.contains_key("read") {
        number_field("read", meta.read.0, out);
    }
    for (name, value) in own.iter().filter(|(name, _)| *name != "phx_ref") {
        out.push(b',');
        string(name, out);
        out.push(b':');
        out.extend(value.get().as_bytes());
    }
    if let Some(data) = other {
        out.extend(br#","data":"#);
        payload(data, out);
    }
    out.push(b'}');
}

/// Reads the fields of the endpoint's data; none if that is no object.
fn fields(data: &Payload) -> Option<BTreeMap<String, &RawValue>> {
    match data {
        Payload::Json(text) => serde_json::from_str(text).ok(),
        Payload::Binary(_) => None,
    }
}
