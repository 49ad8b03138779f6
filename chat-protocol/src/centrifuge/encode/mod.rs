//! Writes what replies and pushes share: a publication, a subscription, a client.

pub(super) mod push;
pub(super) mod reply;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chat_core::protocol::{Expiry, Subscribed};
use chat_core::{Offset, Payload, Publication, Recovery, Reference, UserId};

use crate::write::{number, payload, string, timestamp};

/// Bounds how long before its expiry a client is told to refresh: a fifth of its time, but no more than this,
/// for the server waits no longer than it said.
const EARLY: Duration = Duration::from_secs(25);

/// Writes a publication as it stands in pushes and in histories.
///
/// `info.user` is its author, with the name in `conn_info` if that is another; without an author the name
/// alone. `info.client` is the session, empty unless a session published it and is still known. `tags` hold
/// what the protocol has no field for: `time`, and where it applies `event`, `edits`, `deletes`, and `signal`
/// for what has no offset.
fn published(publication: &Publication, out: &mut Vec<u8>) {
    let message = &publication.message;
    out.extend(br#"{"data":"#);
    data(&message.content, out);
    out.extend(br#","info":{"user":"#);
    let name = message.sender_name.as_str();
    let user = publication.author.as_ref().map_or(name, UserId::as_str);
    string(user, out);
    out.extend(br#","client":""#);
    publication.from.iter().for_each(|session| number(session.0, out));
    out.push(b'"');
    if user != name {
        out.extend(br#","conn_info":{"name":"#);
        string(name, out);
        out.push(b'}');
    }
    out.push(b'}');
    if !publication.ephemeral {
        out.extend(br#","offset":"#);
        number(publication.offset.0, out);
    }
    out.extend(br#","tags":{"time":""#);
    timestamp(&message.timestamp, out);
    out.push(b'"');
    tags(publication, out);
    out.extend(b"}}");
}

fn tags(publication: &Publication, out: &mut Vec<u8>) {
    if let Some(event) = publication.told_event() {
        out.extend(br#","event":"#);
        string(event.as_str(), out);
    }
    if let Some(refers) = publication.refers {
        out.extend(match refers {
            Reference::Edit(_) => &br#","edits":""#[..],
            Reference::Delete(_) => br#","deletes":""#,
        });
        number(refers.offset().0, out);
        out.push(b'"');
    }
    if publication.is_signal() {
        out.extend(br#","signal":"true""#);
    }
}

/// Writes content on one line: a line break would end the frame, and in JSON it only separates tokens.
fn data(content: &Payload, out: &mut Vec<u8>) {
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    match content {
        Payload::Json(text) if text.as_bytes().iter().any(is_break) => {
            out.extend(text.bytes().filter(|byte| !is_break(byte)));
        }
        content => payload(content, out),
    }
}

/// Writes a session and what others see of its user: the endpoint's data, or else the name, if that is not
/// the user's id.
fn client(session: &str, user: &str, name: &str, seen: Option<&Payload>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.text("user", user);
    object.text("client", session);
    match seen {
        Some(seen) => data(seen, object.field("conn_info")),
        None if name != user => {
            let mut info = Object::begin(object.field("conn_info"));
            info.text("name", name);
            info.end();
        }
        None => {}
    }
    object.end();
}

/// Writes a subscription. `since` is where the client wanted to resume; if it can, that is the offset, and
/// what it missed follows as pushes.
fn subscribed(answer: &Subscribed, since: Option<Offset>, out: &mut Vec<u8>) {
    let recovered = answer.recovery == Some(Recovery::Recovered);
    let mut result = Object::begin(out);
    result.expiry(answer.expires);
    result.flag("recoverable", answer.keeps);
    result.flag("positioned", true);
    result.text("epoch", &answer.epoch.to_string());
    result.flag("recovered", recovered);
    result.number("offset", since.filter(|_| recovered).unwrap_or(answer.offset).0);
    result.flag("was_recovering", since.is_some());
    result.data(&answer.data);
    result.end();
}

/// Returns in how many seconds a client is to refresh.
pub(super) fn ttl(Expiry { left, .. }: Expiry) -> u64 {
    left.saturating_sub(EARLY.min(left / 5)).as_secs().max(1)
}

/// Writes an object, field by field; a field that holds nothing is left out.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    fn end(self) {
        self.out.push(b'}');
    }

    /// Begins a field, whose value is to be written next.
    fn field(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        string(name, self.out);
        self.out.push(b':');
        self.out
    }

    fn text(&mut self, name: &str, value: &str) {
        string(value, self.field(name));
    }

    /// Writes a number; leaves zero out.
    fn number(&mut self, name: &str, value: u64) {
        if value > 0 {
            number(value, self.field(name));
        }
    }

    /// Writes a number that the protocol never leaves out.
    fn any_number(&mut self, name: &str, value: u64) {
        number(value, self.field(name));
    }

    /// Writes a boolean; leaves false out.
    fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.field(name).extend(b"true");
        }
    }

    fn data(&mut self, value: &Option<Payload>) {
        if let Some(value) = value {
            data(value, self.field("data"));
        }
    }

    fn expiry(&mut self, expires: Option<Expiry>) {
        if let Some(expires) = expires {
            self.flag("expires", true);
            self.number("ttl", ttl(expires));
        }
    }
}
