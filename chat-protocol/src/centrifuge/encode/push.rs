//! Writes pushes: publications, presence, and what else the server sends unasked.

use chat_core::protocol::{Answer, SessionPresence};
use chat_core::{ChannelId, Close, Publication, Reason, Refusal};

use super::{Object, client, data, published, subscribed};
use crate::write::string;

/// Writes a publication for all subscribers of its channel.
pub(in crate::centrifuge) fn publication(publication: &Publication, out: &mut Vec<u8>) {
    out.reserve(publication.message.content.as_bytes().len() + 192);
    begin(&publication.message.channel_id, out);
    out.extend(br#","pub":"#);
    published(publication, out);
    out.extend(b"}}");
}

/// Writes that a session joined or left a channel, as `event` says.
pub(in crate::centrifuge) fn moved(
    channel: &ChannelId,
    event: &str,
    who: &SessionPresence,
    out: &mut Vec<u8>,
) {
    begin(channel, out);
    out.extend([b",\"", event.as_bytes(), br#"":{"info":"#].concat());
    client(&who.session.to_string(), who.user.as_str(), who.name.as_str(), who.data.as_ref(), out);
    out.extend(b"}}}");
}

/// Returns true if the protocol has a push for this answer to no request.
pub(in crate::centrifuge) fn is_sent(answer: &Answer) -> bool {
    matches!(answer, Answer::Subscribed(_) | Answer::Unsubscribed { why: Some(_), .. } | Answer::Direct(_))
}

/// Writes an answer to no request.
///
/// # Panics
/// If [`is_sent`] is false for it.
pub(in crate::centrifuge) fn unasked(answer: &Answer, out: &mut Vec<u8>) {
    match answer {
        Answer::Subscribed(answer) => {
            begin(&answer.channel, out);
            out.extend(br#","subscribe":"#);
            subscribed(answer, None, out);
        }
        Answer::Unsubscribed { channel, why: Some(why), .. } => {
            begin(channel, out);
            out.extend(br#","unsubscribe":"#);
            end(unsubscribe_code(why), &why.message, out);
        }
        Answer::Direct(content) => {
            out.extend(br#"{"push":{"message":{"data":"#);
            data(content, out);
            out.push(b'}');
        }
        _ => unreachable!("there is no push for it"),
    }
    out.extend(b"}}");
}

/// Returns the code that says what a client does once the server unsubscribed it: from 2500 on it subscribes
/// again, with a new token after 2501 and 2502; below it stays out.
pub(in crate::centrifuge) fn unsubscribe_code(why: &Refusal) -> u16 {
    match why.reason {
        Reason::UnrecoverablePosition => 2500,
        Reason::Expired => 2501,
        Reason::Internal => 2502,
        _ => 2000,
    }
}

/// Writes the end of an HTTP stream, in place of a close frame.
pub(in crate::centrifuge) fn disconnect(close: &Close, out: &mut Vec<u8>) {
    out.extend(br#"{"push":{"disconnect":"#);
    end(close.code(), &close.message, out);
    out.extend(b"}}");
}

fn end(code: u16, reason: &str, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.number("code", code.into());
    object.text("reason", reason);
    object.end();
}

fn begin(channel: &ChannelId, out: &mut Vec<u8>) {
    out.extend(br#"{"push":{"channel":"#);
    string(channel.as_str(), out);
}
