//! Writes the objects and commands that clients get.

use chat_core::protocol::Frames;
use chat_core::{ChannelId, Publication};

use crate::serverpod::classes::{is_sent, message, subscription};

/// Writes a publication for all subscribers of its channel; nothing if the clients have no class for it.
pub(super) fn publication(publication: &Publication, out: &mut Frames<'_>) {
    if is_sent(publication) {
        out.text(|out| {
            out.reserve(publication.message.content.as_bytes().len() + 240);
            object(out, |out| message(&publication.message, out));
        });
    }
}

/// Writes whether the session is in a channel.
pub(super) fn membership(channel: &ChannelId, joined: bool, out: &mut Frames<'_>) {
    out.text(|out| object(out, |out| subscription(channel, joined, out)));
}

/// Writes the answer to a ping.
pub(super) fn pong(out: &mut Frames<'_>) {
    out.text(|out| out.extend(br#"{"command":"pong"}"#));
}

/// Writes an object of the endpoint `chat`.
fn object(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend(br#"{"endpoint":"chat","object":"#);
    write(out);
    out.push(b'}');
}
