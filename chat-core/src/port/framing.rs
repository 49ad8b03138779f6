//! How a kind of transport marks where a message begins and ends.

use crate::model::Kind;

/// Turns messages into the bytes of one kind of transport.
///
/// A batch is framed once for all its subscribers of the same [`name`](Framing::name), so the same message must always give the same bytes.
pub trait Framing: Send + Sync + 'static {
    /// Names the format. Two framings of one name must make the same bytes.
    fn name(&self) -> &'static str;

    /// Appends one message to `out`, framed. A transport that has no such kind appends nothing.
    fn frame(&self, kind: Kind, payload: &[u8], out: &mut Vec<u8>);

    /// Whether a peer answers [`Kind::Ping`]; if not, silence is no reason to close.
    fn answers_pings(&self) -> bool {
        true
    }

    /// Whether a peer answers [`Kind::Close`]; if not, the transport ends once that is written.
    fn answers_closes(&self) -> bool {
        true
    }
}

/// For transports that take frames one by one and mark them themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unframed;

impl Framing for Unframed {
    fn name(&self) -> &'static str {
        "unframed"
    }

    fn frame(&self, _: Kind, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(payload);
    }
}
