//! A wire format over a kind of transport: what subscribers must have in common to share bytes.

use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::model::{Batch, BatchBuilder, ChannelId, Kind, Offset, Publication, Reply};
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

    /// Publications of one channel as one run of bytes.
    pub(crate) fn publications<'a>(&self, all: impl ExactSizeIterator<Item = &'a Publication>) -> Batch {
        let mut channel: Option<ChannelId> = None;
        let mut builder = BatchBuilder::with_capacity(all.len(), 0);
        let mut payload = Vec::new();
        for publication in all {
            payload.clear();
            let kind = self.protocol.encode_publication(publication, &mut payload);
            self.framing.frame(kind, &payload, builder.bytes());
            builder.end_frame(kind, publication.offset);
            channel.get_or_insert_with(|| publication.message.channel_id.clone());
        }
        builder.finish(channel)
    }

    /// An answer; none if the protocol has no words for it.
    pub(crate) fn reply(&self, reply: &Reply) -> Option<Batch> {
        let mut payload = Vec::new();
        let kind = self.protocol.encode_reply(reply, &mut payload)?;
        Some(self.control(kind, &payload))
    }

    /// A single frame that belongs to no channel.
    pub(crate) fn control(&self, kind: Kind, payload: &[u8]) -> Batch {
        let mut builder = BatchBuilder::default();
        self.framing.frame(kind, payload, builder.bytes());
        builder.end_frame(kind, Offset(0));
        builder.finish(None)
    }
}
