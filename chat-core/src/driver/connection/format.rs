//! Asks a session's protocol and transport, once, how they communicate, and holds their answers.

use std::sync::Arc;

use crate::driver::caught::{Panicked, caught};
use crate::driver::hub::permit::Permit;
use crate::driver::outbox::encoding::Encoding;
use crate::model::{Limits, Message, Publication, Reply, SessionId};
use crate::port::{Answers, Frames, Framing, Greeting, Protocol, Requests, SessionCodec, Unframed};

pub(super) struct Manners {
    pub(super) codec: Box<dyn SessionCodec>,
    pub(super) encoding: Arc<Encoding>,
    /// Tells how a connect of the client's own is handled.
    pub(super) greeting: Greeting,
    pub(super) answers: Answers,
    /// Is true if the protocol or the framing panicked: then the session can send nothing.
    pub(super) broken: bool,
}

impl Manners {
    pub(super) fn of(permit: &Permit, protocol: Arc<dyn Protocol>, framing: Arc<dyn Framing>) -> Self {
        caught(|| Self::ask(permit, protocol, framing)).unwrap_or_else(|Panicked| Self::of_nobody())
    }

    fn ask(permit: &Permit, protocol: Arc<dyn Protocol>, framing: Arc<dyn Framing>) -> Self {
        let shared = permit.shared();
        let answers = Answers { pings: framing.answers_pings(), closes: framing.answers_closes() };
        let (codec, greeting) = (protocol.session_codec(permit.id(), &shared.limits), protocol.greeting());
        let encoding = match codec.session_encoder() {
            Some(voice) => Encoding::of(voice, framing),
            None => shared.encodings.intern(protocol, framing),
        };
        Self { codec, encoding, greeting, answers, broken: false }
    }

    fn of_nobody() -> Self {
        let encoding = Encoding::of(Arc::new(Mute), Arc::new(Unframed));
        Self {
            codec: Box::new(Mute),
            encoding,
            greeting: Greeting::None,
            answers: Answers::default(),
            broken: true,
        }
    }
}

/// Stands in for a protocol that has panicked.
struct Mute;

impl Protocol for Mute {
    fn name(&self) -> &'static str {
        "mute"
    }

    fn session_codec(&self, _: SessionId, _: &Limits) -> Box<dyn SessionCodec> {
        Box::new(Self)
    }

    fn encode_publication(&self, _: &Publication, _: &mut Frames<'_>) {}
}

impl SessionCodec for Mute {
    fn decode(&mut self, _: Message<'_>, _: &mut Requests) {}

    fn encode_reply(&mut self, _: &Reply, _: &mut Frames<'_>) {}
}
