//! Writes frames as a server does (RFC 6455 §5.2): unmasked, final, with the shortest header.

use chat_core::transport::{Framing, Kind};

/// Limits a control frame's payload (RFC 6455 §5.5).
const CONTROL_BYTES: usize = 125;
const FINAL: u8 = 0x80;

/// Frames what a session sends over a WebSocket.
///
/// ```
/// use chat_core::transport::{Framing, Kind};
/// use chat_websocket::WebSocket;
///
/// let mut bytes = Vec::new();
/// WebSocket.frame(Kind::Text, b"hi", &mut bytes);
/// assert_eq!(bytes, [0x81, 2, b'h', b'i']);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to set")]
pub struct WebSocket;

impl Framing for WebSocket {
    fn name(&self) -> &'static str {
        "websocket"
    }

    fn answers_pings(&self) -> bool {
        true
    }

    fn answers_closes(&self) -> bool {
        true
    }

    /// Appends one frame. Cuts a control frame's payload to 125 bytes.
    fn frame(&self, kind: Kind, payload: &[u8], out: &mut Vec<u8>) {
        let (opcode, most) = match kind {
            Kind::Text => (0x1, usize::MAX),
            Kind::Binary => (0x2, usize::MAX),
            Kind::Close => (0x8, CONTROL_BYTES),
            Kind::Ping => (0x9, CONTROL_BYTES),
            Kind::Pong => (0xA, CONTROL_BYTES),
        };
        let payload = &payload[..payload.len().min(most)];
        out.reserve(payload.len() + 10);
        out.push(FINAL | opcode);
        match payload.len() {
            short @ ..126 => out.push(short as u8),
            middle @ ..=0xFFFF => {
                out.push(126);
                out.extend_from_slice(&(middle as u16).to_be_bytes());
            }
            long => {
                out.push(127);
                out.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: Kind, bytes: usize) -> Vec<u8> {
        let mut out = Vec::new();
        WebSocket.frame(kind, &vec![b'x'; bytes], &mut out);
        out.truncate(out.len() - bytes.min(if kind == Kind::Text { bytes } else { 125 }));
        out
    }

    #[test]
    fn a_header_is_as_short_as_the_length_allows() {
        assert_eq!(header(Kind::Text, 125), [0x81, 125]);
        assert_eq!(header(Kind::Text, 126), [0x81, 126, 0, 126]);
        assert_eq!(header(Kind::Text, 65_536), [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(header(Kind::Pong, 200), [0x8A, 125]);
    }
}
