//! How a session's protocol and transport speak, asked once.

use std::sync::Arc;

use crate::driver::caught::{Panicked, caught};
use crate::driver::hub::permit::Seat;
use crate::driver::outbox::encoding::Encoding;
use crate::model::{Limits, Message, Publication, Reply, SessionId};
use crate::port::{Answers, Frames, Framing, Greeting, Protocol, Requests, Talk, Unframed};

pub(super) struct Manners {
    pub(super) talk: Box<dyn Talk>,
    pub(super) encoding: Arc<Encoding>,
    /// What is made of a connect of its client's own.
    pub(super) greeting: Greeting,
    pub(super) answers: Answers,
    /// The protocol or the framing panicked: there is nothing that the session could say.
    pub(super) broken: bool,
}

impl Manners {
    pub(super) fn of(seat: &Seat, protocol: Arc<dyn Protocol>, framing: Arc<dyn Framing>) -> Self {
        caught(|| Self::ask(seat, protocol, framing)).unwrap_or_else(|Panicked| Self::of_nobody())
    }

    fn ask(seat: &Seat, protocol: Arc<dyn Protocol>, framing: Arc<dyn Framing>) -> Self {
        let shared = seat.shared();
        let answers = Answers { pings: framing.answers_pings(), closes: framing.answers_closes() };
        let (talk, greeting) = (protocol.talk(seat.id(), &shared.limits), protocol.greeting());
        let encoding = match talk.voice() {
            Some(voice) => Encoding::of(voice, framing),
            None => shared.encodings.intern(protocol, framing),
        };
        Self { talk, encoding, greeting, answers, broken: false }
    }

    fn of_nobody() -> Self {
        let encoding = Encoding::of(Arc::new(Mute), Arc::new(Unframed));
        Self {
            talk: Box::new(Mute),
            encoding,
            greeting: Greeting::None,
            answers: Answers::default(),
            broken: true,
        }
    }
}

/// Stands in the place of a protocol that has panicked.
struct Mute;

impl Protocol for Mute {
    fn name(&self) -> &'static str {
        "mute"
    }

    fn talk(&self, _: SessionId, _: &Limits) -> Box<dyn Talk> {
        Box::new(Self)
    }

    fn encode_publication(&self, _: &Publication, _: &mut Frames<'_>) {}
}

impl Talk for Mute {
    fn decode(&mut self, _: Message<'_>, _: &mut Requests) {}

    fn encode_reply(&mut self, _: &Reply, _: &mut Frames<'_>) {}
}
