//! A wire format over a kind of transport: what subscribers must have in common to share bytes.

use std::sync::{Arc, Mutex};

use crate::driver::caught::{Panicked, caught};
use crate::lock::lock;
use crate::machine::{Event, EventKind};
use crate::model::{Batch, ChannelId, Gap, Kind, Limits, Offset, Place, Reply};
use crate::port::{Frames, Framing, Protocol, SessionCodec};

pub(crate) struct Encoding {
    protocol: Arc<dyn Protocol>,
    framing: Arc<dyn Framing>,
    names: (&'static str, &'static str),
    /// Nothing is lost in silence.
    pub(crate) reports_gaps: bool,
    /// What others see of a user is written once for each of its sessions.
    pub(crate) by_session: bool,
    /// It is one session's alone.
    pub(crate) own: bool,
}

/// Every encoding that sessions share, once.
#[derive(Default)]
pub(crate) struct Encodings(Mutex<Vec<Arc<Encoding>>>);

impl Encodings {
    /// The one encoding of these two names.
    pub(crate) fn intern(&self, protocol: Arc<dyn Protocol>, framing: Arc<dyn Framing>) -> Arc<Encoding> {
        let new = Encoding::new(protocol, framing, false);
        let mut known = lock(&self.0);
        if let Some(same) = known.iter().find(|known| known.names == new.names) {
            return same.clone();
        }
        let new = Arc::new(new);
        known.push(new.clone());
        new
    }
}

/// What a protocol writes. One that panics over an event breaks the batch there, and over anything else has nothing to say.
impl Encoding {
    /// One that no other session shares.
    pub(crate) fn of(voice: Arc<dyn Protocol>, framing: Arc<dyn Framing>) -> Arc<Self> {
        Arc::new(Self::new(voice, framing, true))
    }

    fn new(protocol: Arc<dyn Protocol>, framing: Arc<dyn Framing>, own: bool) -> Self {
        let (names, reports_gaps) = ((protocol.name(), framing.name()), protocol.reports_gaps());
        let by_session = protocol.presence_by_session();
        Self { protocol, framing, names, reports_gaps, by_session, own }
    }

    /// Bytes that a message of a client may have.
    pub(crate) fn message_bytes(&self, limits: &Limits) -> usize {
        caught(|| self.protocol.message_bytes(limits)).unwrap_or(limits.message_bytes)
    }

    /// Events of one channel as one run of bytes.
    pub(crate) fn events<'a>(&self, mut all: impl ExactSizeIterator<Item = &'a Event>) -> Batch {
        let mut channel: Option<ChannelId> = None;
        let mut frames = Frames::new(&*self.framing, all.len());
        while caught(|| all.by_ref().for_each(|event| self.event(event, &mut channel, &mut frames))).is_err()
        {
            frames.break_off();
        }
        frames.finish(channel)
    }

    fn event(&self, event: &Event, channel: &mut Option<ChannelId>, frames: &mut Frames<'_>) {
        let Event { place, kind } = event;
        match kind {
            EventKind::Publication(publication) => {
                channel.get_or_insert_with(|| publication.message.channel_id.clone());
                // Nobody misses a signal: it has no place of its own.
                let offset = if publication.ephemeral { Offset(0) } else { place.offset };
                frames.at(Place { offset, ..*place });
                self.protocol.encode_publication(publication, frames);
            }
            EventKind::Presence(of, change) => {
                channel.get_or_insert_with(|| of.clone());
                frames.at(Place { offset: Place::PRESENCE, ..*place });
                self.protocol.encode_presence(of, change, frames);
            }
        }
    }

    /// What is told in place of what is lost; none if the protocol has no words for it.
    pub(crate) fn lost(&self, lost: Gap) -> Result<Option<Batch>, Panicked> {
        let mut frames = Frames::new(&*self.framing, 1);
        caught(|| self.protocol.encode_gap(&lost, &mut frames))?;
        Ok((!frames.is_empty()).then(|| frames.finish_notice(lost.channel().clone())))
    }

    /// An answer; none if the protocol has no words for it.
    pub(crate) fn reply(
        &self,
        codec: &mut dyn SessionCodec,
        reply: &Reply,
    ) -> Result<Option<Batch>, Panicked> {
        self.said(|frames| codec.encode_reply(reply, frames))
    }

    /// The protocol's own ping; none if it has none.
    pub(crate) fn ping(&self, codec: &mut dyn SessionCodec) -> Result<Option<Batch>, Panicked> {
        self.said(|frames| codec.encode_ping(frames))
    }

    /// A single frame that belongs to no channel.
    pub(crate) fn control(&self, kind: Kind, payload: &[u8]) -> Result<Option<Batch>, Panicked> {
        self.said(|frames| frames.write(kind, |out| out.extend_from_slice(payload)))
    }

    fn said(&self, say: impl FnOnce(&mut Frames<'_>)) -> Result<Option<Batch>, Panicked> {
        let mut frames = Frames::new(&*self.framing, 1);
        caught(|| say(&mut frames))?;
        Ok((!frames.is_empty()).then(|| frames.finish(None)))
    }
}
