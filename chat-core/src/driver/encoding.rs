//! A wire format over a kind of transport: what subscribers must have in common to share bytes.

use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::machine::{Event, Told};
use crate::model::{Batch, ChannelId, Kind, Lost, Offset, Place, Reply};
use crate::port::{Frames, Framing, Protocol, Talk};

pub(crate) struct Encoding {
    protocol: Arc<dyn Protocol>,
    pub(crate) framing: Arc<dyn Framing>,
    /// It is one session's alone.
    pub(crate) own: bool,
}

/// Every encoding that sessions share, once.
#[derive(Default)]
pub(crate) struct Encodings(Mutex<Vec<Arc<Encoding>>>);

impl Encodings {
    /// The one encoding of these two names.
    pub(crate) fn intern(&self, protocol: Arc<dyn Protocol>, framing: Arc<dyn Framing>) -> Arc<Encoding> {
        let names = (protocol.name(), framing.name());
        let mut known = lock(&self.0);
        if let Some(same) = known.iter().find(|known| known.names() == names) {
            return same.clone();
        }
        let new = Arc::new(Encoding { protocol, framing, own: false });
        known.push(new.clone());
        new
    }
}

impl Encoding {
    /// One that no other session shares.
    pub(crate) fn of(voice: Arc<dyn Protocol>, framing: Arc<dyn Framing>) -> Arc<Self> {
        Arc::new(Self { protocol: voice, framing, own: true })
    }

    fn names(&self) -> (&'static str, &'static str) {
        (self.protocol.name(), self.framing.name())
    }

    /// Whether nothing is lost in silence.
    pub(crate) fn tells_losses(&self) -> bool {
        self.protocol.tells_losses()
    }

    /// Events of one channel as one run of bytes.
    pub(crate) fn events<'a>(&self, all: impl ExactSizeIterator<Item = &'a Event>) -> Batch {
        let mut channel: Option<ChannelId> = None;
        let mut frames = Frames::new(&*self.framing, all.len());
        for Event { place, told } in all {
            let of = match told {
                Told::Said(publication) => {
                    // Nobody misses a signal: it has no place of its own.
                    let offset = if publication.ephemeral { Offset(0) } else { place.offset };
                    frames.at(Place { offset, ..*place });
                    self.protocol.encode_publication(publication, &mut frames);
                    &publication.message.channel_id
                }
                Told::Presence(of, change) => {
                    frames.at(Place { offset: Place::PRESENCE, ..*place });
                    self.protocol.encode_presence(of, change, &mut frames);
                    of
                }
            };
            channel.get_or_insert_with(|| of.clone());
        }
        frames.finish(channel)
    }

    /// What is told in place of what is lost; none if the protocol has no words for it.
    pub(crate) fn lost(&self, lost: Lost) -> Option<Batch> {
        let mut frames = Frames::new(&*self.framing, 1);
        self.protocol.encode_lost(&lost, &mut frames);
        (!frames.is_empty()).then(|| frames.finish_notice(lost.channel().clone()))
    }

    /// An answer; none if the protocol has no words for it.
    pub(crate) fn reply(&self, talk: &mut dyn Talk, reply: &Reply) -> Option<Batch> {
        self.said(|frames| talk.encode_reply(reply, frames))
    }

    /// The protocol's own ping; none if it has none.
    pub(crate) fn ping(&self, talk: &mut dyn Talk) -> Option<Batch> {
        self.said(|frames| talk.encode_ping(frames))
    }

    /// A single frame that belongs to no channel.
    pub(crate) fn control(&self, kind: Kind, payload: &[u8]) -> Batch {
        let mut frames = Frames::new(&*self.framing, 1);
        frames.write(kind, |out| out.extend_from_slice(payload));
        frames.finish(None)
    }

    fn said(&self, say: impl FnOnce(&mut Frames<'_>)) -> Option<Batch> {
        let mut frames = Frames::new(&*self.framing, 1);
        say(&mut frames);
        (!frames.is_empty()).then(|| frames.finish(None))
    }
}
