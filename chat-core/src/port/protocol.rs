//! What clients and server say to each other, in bytes.

use crate::model::{BadRequest, ChannelId, Kind, Lost, Message, PresenceChange, Publication, Reply, Request};

/// A wire format: reads requests, writes answers and publications. Knows no session and no transport.
pub trait Protocol: Send + Sync + 'static {
    /// Names the format. A publication is encoded once for all subscribers of one name, so two protocols of one name must write the same.
    fn name(&self) -> &'static str;

    /// Reads the requests of one message, in their order, each as itself or as what is wrong with it.
    ///
    /// Gets any input whatever, at most [`message_bytes`](crate::Limits::message_bytes) of it, and must not panic.
    fn decode(&self, message: Message<'_>, requests: &mut Vec<Result<Request, BadRequest>>);

    /// Appends an answer to `out`; none if the protocol has no words for it, and nothing is sent.
    fn encode_reply(&self, reply: &Reply, out: &mut Vec<u8>) -> Option<Kind>;

    /// Appends a publication to `out`, the same for every subscriber.
    fn encode_publication(&self, publication: &Publication, out: &mut Vec<u8>) -> Kind;

    /// Appends who came and went, for subscribers that want to know; none if the protocol has no words for it.
    fn encode_presence(
        &self,
        channel: &ChannelId,
        change: &PresenceChange,
        out: &mut Vec<u8>,
    ) -> Option<Kind> {
        let _ = (channel, change, out);
        None
    }

    /// Appends what a subscriber is told in place of publications that it does not get; none if the protocol has no words for it.
    fn encode_lost(&self, lost: &Lost, out: &mut Vec<u8>) -> Option<Kind> {
        let _ = (lost, out);
        None
    }
}
