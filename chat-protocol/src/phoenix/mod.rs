//! Phoenix Channels as their clients speak them: protocol V2, text and binary.
//!
//! ```text
//!   topic ─ channel      phx_join ─ subscribe      any other event ─ published or answered, as the endpoint decides
//! ```
//!
//! What stands in quotes here comes from the server and the JavaScript client of Phoenix 1.8, whose files are named beside it.

mod context;
mod decode;
mod encode;
mod session;

use chat_core::{
    ChannelId, Frames, Limits, Lost, Opener, PresenceChange, Protocol, Publication, SessionId, Talk, Welcome,
};

/// Phoenix Channels, protocol V2.
///
/// A publication with an event is broadcast as it, its content to the byte; one without is broadcast as `message`, with sender and offset.
/// What reads presence is told who is there: each user is a key, each session one of its metas.
#[derive(Clone, Copy, Debug, Default)]
pub struct Phoenix {
    only_text: bool,
}

impl Phoenix {
    /// For transports that have no binary messages, such as the long poll: bytes go as `{"base64": …}` instead.
    pub fn only_text() -> Self {
        Self { only_text: true }
    }
}

impl Protocol for Phoenix {
    fn name(&self) -> &'static str {
        if self.only_text { "phoenix in text" } else { "phoenix" }
    }

    fn welcome(&self, opening: &Opener<'_>) -> Option<Welcome> {
        decode::credentials::welcome(opening)
    }

    fn talk(&self, _: SessionId, limits: &Limits) -> Box<dyn Talk> {
        Box::new(session::PhoenixTalk::new(self.only_text, limits.json_depth))
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        encode::publication(publication, self.only_text, out);
    }

    fn encode_presence(&self, channel: &ChannelId, change: &PresenceChange, out: &mut Frames<'_>) {
        if !(change.joined.is_empty() && change.arrived.is_empty() && change.departed.is_empty()) {
            out.text(|out| encode::presence::diff(channel, change, out));
        }
    }

    fn presence_by_session(&self) -> bool {
        true
    }

    fn encode_lost(&self, lost: &Lost, out: &mut Frames<'_>) {
        out.text(|out| encode::lost(lost, out));
    }

    fn tells_losses(&self) -> bool {
        true
    }
}

/// The topic of what concerns the whole socket (socket.ex).
const SOCKET: &str = "phoenix";

/// No ref, as JSON.
const NULL: &str = "null";

/// Whether only the server may say this: a client takes it for the protocol's own word (channel.js, presence.js).
fn is_reserved(event: &str) -> bool {
    event.starts_with("phx_")
        || event.starts_with("chan_reply_")
        || matches!(event, "presence_state" | "presence_diff" | "presence_partial" | "lost")
}

#[cfg(test)]
mod tests;
