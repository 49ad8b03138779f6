//! Defines how a kind of transport marks where a message begins and ends.

use std::any::Any;

use crate::model::Kind;
use crate::model::setters::setters;

/// Turns messages into the bytes of one kind of transport.
///
/// A batch is framed once for all its subscribers of the same [`name`](Framing::name), so the same message
/// must always give the same bytes.
pub trait Framing: Any + Send + Sync {
    /// Names the format. Two framings of one type and one name must make the same bytes.
    fn name(&self) -> &'static str;

    /// Appends one message to `out`, framed. A transport that has no such kind appends nothing.
    fn frame(&self, kind: Kind, payload: &[u8], out: &mut Vec<u8>);

    /// Returns whether a peer answers [`Kind::Ping`], which then arrives as
    /// [`Incoming::Pong`](crate::transport::Incoming::Pong). If not, no ping is sent, and silence is no
    /// reason to close.
    fn answers_pings(&self) -> bool {
        false
    }

    /// Returns whether a peer answers [`Kind::Close`], which then arrives as
    /// [`Incoming::Close`](crate::transport::Incoming::Close). If not, the transport ends once the close is
    /// written.
    fn answers_closes(&self) -> bool {
        false
    }
}

/// Tells what the peers of a transport answer by themselves. By default they answer neither, and nothing is
/// waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answers {
    /// Is true if they answer [`Kind::Ping`], and the transport hands that in as
    /// [`Incoming::Pong`](crate::transport::Incoming::Pong). A session of which nothing is received after a
    /// ping is closed with 3012.
    pub pings: bool,
    /// Is true if they answer [`Kind::Close`], and the transport hands that in as
    /// [`Incoming::Close`](crate::transport::Incoming::Close) or ends its input. The end of a session waits
    /// for that, at most for [`Limits::close_timeout`](crate::Limits::close_timeout).
    pub closes: bool,
}

setters! {
    Answers:
    with_pings pings: bool,
    with_closes closes: bool,
}

impl Answers {
    /// Answers both pings and closes, as WebSockets do.
    pub const BOTH: Self = Self { pings: true, closes: true };
}

/// Adds no framing, for transports that take frames one by one and mark them themselves. Its peers answer
/// neither pings nor closes, unless [`Connection::answered`](crate::transport::Connection::answered) says
/// so.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to set")]
pub struct Unframed;

impl Framing for Unframed {
    fn name(&self) -> &'static str {
        "unframed"
    }

    fn frame(&self, _: Kind, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(payload);
    }
}
