//! A wire format over a kind of transport: what subscribers must have in common to share bytes.

use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::machine::{Event, Told};
use crate::model::{Batch, BatchBuilder, ChannelId, Kind, Lost, Offset, Place, Reply};
use crate::port::{Framing, Protocol};

pub(crate) struct Encoding {
    pub(crate) protocol: Arc<dyn Protocol>,
    pub(crate) framing: Arc<dyn Framing>,
}

/// Every encoding in use, once.
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
        let new = Arc::new(Encoding { protocol, framing });
        known.push(new.clone());
        new
    }
}

impl Encoding {
    fn names(&self) -> (&'static str, &'static str) {
        (self.protocol.name(), self.framing.name())
    }

    /// Events of one channel as one run of bytes.
    pub(crate) fn events<'a>(&self, all: impl ExactSizeIterator<Item = &'a Event>) -> Batch {
        let mut channel: Option<ChannelId> = None;
        let mut builder = BatchBuilder::with_capacity(all.len(), 0);
        let mut payload = Vec::new();
        for Event { place, told } in all {
            payload.clear();
            let (kind, offset, of) = match told {
                // Nobody misses a signal: it has no place of its own.
                Told::Said(publication) => {
                    let offset = if publication.ephemeral { Offset(0) } else { place.offset };
                    let kind = self.protocol.encode_publication(publication, &mut payload);
                    (Some(kind), offset, &publication.message.channel_id)
                }
                Told::Presence(of, change) => {
                    (self.protocol.encode_presence(of, change, &mut payload), Place::PRESENCE, of)
                }
            };
            channel.get_or_insert_with(|| of.clone());
            let Some(kind) = kind else { continue };
            self.framing.frame(kind, &payload, builder.bytes());
            builder.end_frame(kind, Place { offset, ..*place });
        }
        builder.finish(channel)
    }

    /// What is told in place of what is lost; none if the protocol has no words for it.
    pub(crate) fn lost(&self, lost: Lost) -> Option<Batch> {
        let mut payload = Vec::new();
        let kind = self.protocol.encode_lost(&lost, &mut payload)?;
        Some(self.frame(kind, &payload).finish_notice(lost.channel().clone()))
    }

    /// An answer; none if the protocol has no words for it.
    pub(crate) fn reply(&self, reply: &Reply) -> Option<Batch> {
        let mut payload = Vec::new();
        let kind = self.protocol.encode_reply(reply, &mut payload)?;
        Some(self.control(kind, &payload))
    }

    /// A single frame that belongs to no channel.
    pub(crate) fn control(&self, kind: Kind, payload: &[u8]) -> Batch {
        self.frame(kind, payload).finish(None)
    }

    fn frame(&self, kind: Kind, payload: &[u8]) -> BatchBuilder {
        let mut builder = BatchBuilder::default();
        self.framing.frame(kind, payload, builder.bytes());
        builder.end_frame(kind, Place::default());
        builder
    }
}
