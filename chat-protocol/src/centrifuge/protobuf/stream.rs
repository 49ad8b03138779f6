//! What stands beside a stream of HTTP, and how that ends.

use chat_core::Close;
use prost::Message;

use super::schema::{Beside, Disconnect, Push, Reply};

/// The session's key, the server and the commands; none if it is no such body.
pub(in super::super) fn read_beside(body: &[u8]) -> Option<(String, String, Vec<u8>)> {
    let Beside { session, node, data } = Beside::decode(body).ok()?;
    Some((session, node, data))
}

/// How the stream ends, in place of a close frame.
pub(in super::super) fn disconnect(close: &Close, out: &mut Vec<u8>) {
    let disconnect = Some(Disconnect { code: close.code.into(), reason: close.reason.to_string() });
    let push = Some(Push { disconnect, ..Push::default() });
    Reply { push, ..Reply::default() }.encode_length_delimited(out).expect("a Vec takes it");
}
