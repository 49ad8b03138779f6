//! Speaks the streaming endpoints of Serverpod 0.9 to 3.4: one stream of objects for each endpoint, without
//! replies.
//!
//! ```text
//!   decode   ──▶  session  ──▶  encode       a frame ──▶ a request;  a publication ──▶ an object
//!      └────────▶ context ◀────────┘         what a request asked for: a refused join has an answer
//! ```
//!
//! A client that is not let into a channel, or is removed from it, gets a `ChannelSubscription` that says so,
//! where the original sends nothing. The protocol has no message for other refusals, and clients drop the
//! connection over a message that they do not know: so a refusal counts as a strike, and where the original
//! leaves a dead socket behind, the session is closed with 3501 and a reason.

mod context;
mod decode;
mod encode;
mod session;
#[cfg(test)]
mod tests;

use chat_core::protocol::{Accepted, Frames, Handshake, Protocol, SessionCodec};
use chat_core::{Limits, Publication, SessionId};

use session::Session;

/// Speaks the protocol of `/websocket`.
///
/// `?auth=` on the URL, or nothing, opens the session; a client is let in as the endpoint says. The command
/// `auth` refreshes it, with an empty token if it signs out. If the endpoint refuses that (but for 108: it
/// knows no tokens), the session ends with 4001, and the client comes back with its new credentials.
///
/// ```
/// use std::sync::Arc;
///
/// use chat_core::testkit::{Way, World};
/// use chat_core::{Connect, Hub, OpenChat};
/// use chat_core::protocol::Credentials;
/// use chat_protocol::serverpod::Legacy;
///
/// let world = World::new();
/// let hub = Hub::builder(OpenChat::default()).build(world.clone());
/// let credentials = Credentials::Now(Connect::named(Some("ann".parse()?)));
/// let ann = world.connect(&hub, Arc::new(Legacy), credentials, Way::Bytes);
/// ann.say(r#"{"command":"ping","args":{}}"#);
/// assert_eq!(ann.heard(), [r#"{"command":"pong"}"#]);
/// # Ok::<(), chat_core::NameError>(())
/// ```
#[allow(clippy::exhaustive_structs, reason = "a unit, which users write as a value")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Legacy;

impl Protocol for Legacy {
    fn name(&self) -> &'static str {
        "serverpod-legacy"
    }

    fn accept(&self, opening: &Handshake<'_>) -> Option<Accepted> {
        Some(Accepted::default().with_credentials(decode::credentials(opening.query)))
    }

    fn session_codec(&self, _: SessionId, limits: &Limits) -> Box<dyn SessionCodec> {
        Box::new(Session::new(limits.json_depth))
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        encode::publication(publication, out);
    }
}
