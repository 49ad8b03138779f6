//! Joins a wire format to a kind of transport. Subscribers with the same encoding share encoded bytes.

use std::any::{Any, TypeId};
use std::sync::{Arc, Mutex};

use crate::driver::caught::{Panicked, caught};
use crate::lock::lock;
use crate::machine::{Event, EventKind};
use crate::model::{Batch, ChannelId, Gap, Kind, Limits, Offset, Place, Reply};
use crate::port::{Frames, Framing, Protocol, SessionCodec};

pub(crate) struct Encoding {
    protocol: Arc<dyn Protocol>,
    framing: Arc<dyn Framing>,
    key: Key,
    /// Tells whether the protocol reports every gap to the client.
    pub(crate) reports_gaps: bool,
    /// Tells whether the presence of a user is written once for each of the user's sessions.
    pub(crate) by_session: bool,
    /// Tells whether the encoding belongs to a single session.
    pub(crate) own: bool,
}

/// Holds each encoding that sessions share, once.
#[derive(Default)]
pub(crate) struct Encodings(Mutex<Vec<Arc<Encoding>>>);

/// Identifies an encoding. The types stand in it because names are free: protocols of two crates may have
/// one.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    protocol: (TypeId, &'static str),
    framing: (TypeId, &'static str),
}

impl Key {
    fn of(protocol: &dyn Protocol, framing: &dyn Framing) -> Self {
        let (protocol_type, framing_type): (&dyn Any, &dyn Any) = (protocol, framing);
        Self {
            protocol: (protocol_type.type_id(), protocol.name()),
            framing: (framing_type.type_id(), framing.name()),
        }
    }
}

impl Encodings {
    /// Returns the one encoding of this protocol and this framing, by their types and names; the first call
    /// creates it.
    pub(crate) fn intern(&self, protocol: Arc<dyn Protocol>, framing: Arc<dyn Framing>) -> Arc<Encoding> {
        let new = Encoding::new(protocol, framing, false);
        let mut known = lock(&self.0);
        if let Some(same) = known.iter().find(|known| known.key == new.key) {
            return same.clone();
        }
        let new = Arc::new(new);
        known.push(new.clone());
        new
    }
}

/// Encodes with the protocol. A protocol that panics over an event breaks off the batch at that event; a
/// panic over a notice, an answer or a ping is returned as [`Panicked`].
impl Encoding {
    /// Creates an encoding that no other session shares.
    pub(crate) fn of(voice: Arc<dyn Protocol>, framing: Arc<dyn Framing>) -> Arc<Self> {
        Arc::new(Self::new(voice, framing, true))
    }

    fn new(protocol: Arc<dyn Protocol>, framing: Arc<dyn Framing>, own: bool) -> Self {
        let (key, reports_gaps) = (Key::of(&*protocol, &*framing), protocol.reports_gaps());
        let by_session = protocol.presence_by_session();
        Self { protocol, framing, key, reports_gaps, by_session, own }
    }

    /// Returns the name of the protocol.
    pub(crate) fn protocol(&self) -> &'static str {
        self.key.protocol.1
    }

    /// Returns the most bytes that a message of a client may have: the general limit if the protocol panics.
    pub(crate) fn message_bytes(&self, limits: &Limits) -> usize {
        caught(|| self.protocol.message_bytes(limits)).unwrap_or(limits.message_bytes)
    }

    /// Encodes events of one channel as one run of bytes.
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
                // An ephemeral publication has no offset of its own, so it can leave no gap.
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

    /// Encodes the notice of a gap. Returns none if the protocol has no message for it.
    pub(crate) fn lost(&self, lost: Gap) -> Result<Option<Batch>, Panicked> {
        let mut frames = Frames::new(&*self.framing, 1);
        caught(|| self.protocol.encode_gap(&lost, &mut frames))?;
        Ok((!frames.is_empty()).then(|| frames.finish_notice(lost.channel().clone())))
    }

    /// Encodes an answer. Returns none if the protocol has no message for it.
    pub(crate) fn reply(
        &self,
        codec: &mut dyn SessionCodec,
        reply: &Reply,
    ) -> Result<Option<Batch>, Panicked> {
        self.said(|frames| codec.encode_reply(reply, frames))
    }

    /// Encodes the protocol's own ping. Returns none if the protocol has no ping.
    pub(crate) fn ping(&self, codec: &mut dyn SessionCodec) -> Result<Option<Batch>, Panicked> {
        self.said(|frames| codec.encode_ping(frames))
    }

    /// Encodes a single frame that belongs to no channel.
    pub(crate) fn control(&self, kind: Kind, payload: &[u8]) -> Result<Option<Batch>, Panicked> {
        self.said(|frames| frames.write(kind, |out| out.extend_from_slice(payload)))
    }

    fn said(&self, say: impl FnOnce(&mut Frames<'_>)) -> Result<Option<Batch>, Panicked> {
        let mut frames = Frames::new(&*self.framing, 1);
        caught(|| say(&mut frames))?;
        Ok((!frames.is_empty()).then(|| frames.finish(None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Publication, SessionId};
    use crate::port::Unframed;

    struct Loud;
    struct Quiet;

    macro_rules! namesakes {
        ($($of:ident)*) => {
            $(impl Protocol for $of {
                fn name(&self) -> &'static str {
                    "namesake"
                }

                fn session_codec(&self, _: SessionId, _: &Limits) -> Box<dyn SessionCodec> {
                    unreachable!("no session is opened")
                }

                fn encode_publication(&self, _: &Publication, _: &mut Frames<'_>) {}
            })*
        };
    }

    namesakes! { Loud Quiet }

    #[test]
    fn protocols_of_one_name_share_an_encoding_only_if_they_are_of_one_type() {
        let encodings = Encodings::default();
        let loud = || encodings.intern(Arc::new(Loud), Arc::new(Unframed));
        let quiet = encodings.intern(Arc::new(Quiet), Arc::new(Unframed));
        assert!(Arc::ptr_eq(&loud(), &loud()));
        assert!(!Arc::ptr_eq(&loud(), &quiet));
    }
}
