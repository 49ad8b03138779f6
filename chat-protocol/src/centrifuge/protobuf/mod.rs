//! Speaks the same protocol in Protobuf, for the clients that know nothing else.
//!
//! ```text
//!   decode   ──▶  session  ──▶  encode       a frame ──▶ requests;  a reply or a publication ──▶ a frame
//!      └────────▶  schema  ◀───────┘         the messages of Protobuf; the context is JSON's
//! ```
//!
//! A frame is one binary message: commands or replies one after the other, each behind its length.

mod decode;
mod encode;
mod schema;
mod session;
#[cfg(test)]
mod tests;

use chat_core::protocol::{Frames, Greeting, PresenceChange, Protocol, SessionCodec};
use chat_core::{ChannelId, Limits, Publication, SessionId};

pub(super) use decode::beside;
pub(super) use encode::disconnect;

use super::session::{Options, State};
use session::Session;

/// Speaks the protocol in Protobuf; JSON's protocol chooses it for the clients that ask for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Protobuf {
    options: Options,
}

impl Protobuf {
    pub(super) fn new(options: Options) -> Self {
        Self { options }
    }
}

impl Protocol for Protobuf {
    fn name(&self) -> &'static str {
        "centrifuge-protobuf"
    }

    fn greeting(&self) -> Greeting {
        Greeting::First
    }

    fn message_bytes(&self, limits: &Limits) -> usize {
        limits.batch_bytes()
    }

    fn session_codec(&self, session: SessionId, limits: &Limits) -> Box<dyn SessionCodec> {
        Box::new(Session::new(State::new(session, self.options.clone(), limits)))
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        encode::frame(&encode::publication(publication), out);
    }

    fn presence_by_session(&self) -> bool {
        true
    }

    fn encode_presence(&self, channel: &ChannelId, change: &PresenceChange, out: &mut Frames<'_>) {
        change.departed.iter().for_each(|who| encode::frame(&encode::moved(channel, who, false), out));
        change.arrived.iter().for_each(|who| encode::frame(&encode::moved(channel, who, true), out));
    }
}
