//! Speaks Phoenix Channels, protocol V2, with its clients as they are: text and binary frames.
//!
//! ```text
//!   decode   ──▶  session  ──▶  encode       a frame ──▶ a request;  a reply or a publication ──▶ frames
//!      └────────▶ context ◀────────┘         the refs and the topic, which a request and its reply share
//!
//!   topic ─ channel    phx_join ─ subscribe    other events ─ published or answered, as the endpoint decides
//! ```
//!
//! Names in parentheses are files of the server and the JavaScript client of Phoenix 1.8, which define the
//! rule that stands before them.

mod context;
mod decode;
mod encode;
mod session;
#[cfg(test)]
mod tests;

use chat_core::protocol::{Accepted, Frames, Gap, Handshake, PresenceChange, Protocol, SessionCodec};
use chat_core::{ChannelId, Limits, Publication, SessionId};

use decode::credentials;
use encode::presence;
use session::Session;

/// Speaks Phoenix Channels, protocol V2.
///
/// A publication with an event is broadcast under it, its content to the byte; one without goes out as
/// `message`, with sender and offset. A subscriber to presence gets who is present: each user is a key, each
/// session one of its metas.
///
/// ```
/// use std::sync::Arc;
///
/// use chat_core::testkit::{Way, World};
/// use chat_core::{Connect, Hub, OpenChat};
/// use chat_core::protocol::Credentials;
/// use chat_protocol::phoenix::Phoenix;
///
/// let world = World::new();
/// let hub = Hub::builder(OpenChat::default()).build(world.clone());
/// let ann = Connect::named(Some("ann".parse()?));
/// let ann = world.connect(&hub, Arc::new(Phoenix::default()), Credentials::Now(ann), Way::Bytes);
/// ann.say(r#"["1","1","news","phx_join",{}]"#);
/// assert_eq!(ann.heard()[0], r#"["1","1","news","phx_reply",{"status":"ok","response":{}}]"#);
/// # Ok::<(), chat_core::NameError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Phoenix {
    only_text: bool,
}

impl Phoenix {
    /// Speaks over transports without binary messages, such as the long poll: bytes go as `{"base64": …}`.
    ///
    /// ```
    /// use chat_core::protocol::Protocol;
    /// use chat_protocol::phoenix::Phoenix;
    ///
    /// assert_ne!(Phoenix::only_text().name(), Phoenix::default().name(), "the two write different frames");
    /// ```
    pub fn only_text() -> Self {
        Self { only_text: true }
    }
}

impl Protocol for Phoenix {
    fn name(&self) -> &'static str {
        if self.only_text { "phoenix in text" } else { "phoenix" }
    }

    fn accept(&self, opening: &Handshake<'_>) -> Option<Accepted> {
        credentials::read(opening)
    }

    /// Returns true: a client whose socket was open reconnects within 10 ms, however often it was closed
    /// (socket.js). The protocol's own server answers 403.
    fn refuses_early(&self) -> bool {
        true
    }

    fn session_codec(&self, _: SessionId, limits: &Limits) -> Box<dyn SessionCodec> {
        Box::new(Session::new(self.only_text, limits.json_depth))
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        encode::publication(publication, self.only_text, out);
    }

    fn encode_presence(&self, channel: &ChannelId, change: &PresenceChange, out: &mut Frames<'_>) {
        if !(change.joined.is_empty() && change.arrived.is_empty() && change.departed.is_empty()) {
            out.text(|out| presence::diff(channel, change, out));
        }
    }

    fn presence_by_session(&self) -> bool {
        true
    }

    fn encode_gap(&self, lost: &Gap, out: &mut Frames<'_>) {
        out.text(|out| encode::gap(lost, out));
    }

    fn reports_gaps(&self) -> bool {
        true
    }
}
