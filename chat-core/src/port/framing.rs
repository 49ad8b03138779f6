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

    /// Whether a peer answers [`Kind::Ping`], which is then heard as [`Incoming::Pong`](crate::Incoming::Pong); if not, none is sent, and silence is no
    /// reason to close.
    fn answers_pings(&self) -> bool {
        false
    }

    /// Whether a peer answers [`Kind::Close`], which is then heard as [`Incoming::Close`](crate::Incoming::Close); if not, the transport ends once that is
    /// written.
    fn answers_closes(&self) -> bool {
        false
    }
}

/// What the peers of a transport answer by themselves. Neither unless told: then nothing is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// They answer [`Kind::Ping`], and the transport hands that in as [`Incoming::Pong`](crate::Incoming::Pong). A session of which nothing is heard after a
    /// ping is closed with 3012.
    pub pings: bool,
    /// They answer [`Kind::Close`], and the transport hands that in as [`Incoming::Close`](crate::Incoming::Close) or ends its input. The end of a session
    /// waits for that, at most for [`Limits::close_timeout`](crate::Limits::close_timeout).
    pub closes: bool,
}

impl Answers {
    /// Both, as WebSockets have it.
    pub const BOTH: Self = Self { pings: true, closes: true };
}

/// For transports that take frames one by one and mark them themselves. Its peers answer neither pings nor closes, unless
/// [`Connection::answered`](crate::Connection::answered) says so.
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
