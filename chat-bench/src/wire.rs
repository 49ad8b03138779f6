//! Frames: found in what was read, and written.

use std::io::Write;

/// How a message's number and time are found in its content.
const MARKER: &[u8] = b"~#";
/// The digits of the number.
const SEQUENCE: usize = 12;
/// The digits of the time.
const STAMP: usize = 16;
/// The bytes of a message's content.
pub(crate) const CONTENT: usize = 128;
/// The key that masks every frame; a server cannot tell it from a random one.
const KEY: [u8; 4] = [0x5a, 0xc3, 0x17, 0x88];

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
/// The opcode of a pong.
pub(crate) const PONG: u8 = 10;

/// The two ways to speak to a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wire {
    /// The plain protocol in WebSocket frames.
    WebSocket,
    /// Lengths and bytes.
    Floor,
}

/// What a frame is to the load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A message of a channel.
    Delivery,
    /// The answer to a subscription.
    Joined,
    /// An error.
    Refused,
    /// A WebSocket ping.
    Ping,
    /// A WebSocket close.
    Close,
    /// Anything else.
    Other,
}

/// A frame that has come in full.
pub(crate) struct Frame<'a> {
    /// What it is.
    pub(crate) kind: Kind,
    /// What it carries.
    pub(crate) payload: &'a [u8],
    /// How many bytes it took, its header among them.
    pub(crate) size: usize,
}

impl Wire {
    /// Reads the frame at the front, if all of it is there.
    pub(crate) fn frame(self, bytes: &[u8]) -> Option<Frame<'_>> {
        let (head, length) = match self {
            Self::WebSocket => header(bytes)?,
            Self::Floor => (4, u32::from_le_bytes(*bytes.first_chunk()?) as usize),
        };
        let size = head.checked_add(length)?;
        let payload = bytes.get(head..size)?;
        let kind = match self {
            Self::WebSocket => kind(bytes[0], payload),
            Self::Floor if payload.is_empty() => Kind::Joined,
            Self::Floor => Kind::Delivery,
        };
        Some(Frame { kind, payload, size })
    }

    /// Writes what subscribes to a channel.
    pub(crate) fn subscribe(self, out: &mut Vec<u8>, channel: usize, echo: bool) {
        match self {
            Self::Floor => out.extend_from_slice(format!("S {channel}\n").as_bytes()),
            Self::WebSocket => {
                let echo = if echo { "" } else { r#","echo":false"# };
                let text = format!(r#"{{"type":"subscribe","id":1,"channelId":"c-{channel}"{echo}}}"#);
                masked(out, TEXT, text.as_bytes());
            }
        }
    }

    /// Writes a message.
    pub(crate) fn publish(self, out: &mut Vec<u8>, channel: usize, content: &str) {
        match self {
            Self::Floor => {
                out.extend_from_slice(&(channel as u32).to_le_bytes());
                out.extend_from_slice(&(content.len() as u32).to_le_bytes());
                out.extend_from_slice(content.as_bytes());
            }
            Self::WebSocket => {
                let text = format!(r#"{{"type":"publish","channelId":"c-{channel}","content":"{content}"}}"#);
                masked(out, TEXT, text.as_bytes());
            }
        }
    }
}

/// Reads the length of a server's frame: the bytes of the header, and of the payload.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes.get(1)? & 0x7f {
        126 => Some((4, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)))),
        127 => Some((10, usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?)),
        length => Some((2, usize::from(length))),
    }
}

fn kind(first: u8, payload: &[u8]) -> Kind {
    match first & 0x0f {
        TEXT if payload.starts_with(br#"{"type":"message""#) => Kind::Delivery,
        TEXT if payload.starts_with(br#"{"type":"subscribed""#) => Kind::Joined,
        TEXT if payload.starts_with(br#"{"type":"error""#) => Kind::Refused,
        PING => Kind::Ping,
        CLOSE => Kind::Close,
        _ => Kind::Other,
    }
}

/// Writes a client's frame of up to 65,535 bytes.
pub(crate) fn masked(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    if payload.len() < 126 {
        out.push(0x80 | payload.len() as u8);
    } else {
        out.push(0x80 | 126);
        out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    }
    out.extend_from_slice(&KEY);
    out.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// Writes the content of a message: the marker, its number, its time, and filling.
pub(crate) fn content(sequence: u64, nanos: u64) -> String {
    let mut text = Vec::with_capacity(CONTENT);
    text.extend_from_slice(MARKER);
    // Writing to a vector cannot fail.
    let _ = write!(text, "{sequence:0SEQUENCE$}{nanos:0STAMP$}");
    text.resize(CONTENT, b'x');
    String::from_utf8_lossy(&text).into_owned()
}

/// Finds the number and the time; looks first where the last ones were.
pub(crate) fn stamps(payload: &[u8], last: &mut usize) -> Option<(u64, u64)> {
    if payload.get(*last..*last + MARKER.len()) != Some(MARKER) {
        *last = payload.windows(MARKER.len()).position(|window| window == MARKER)?;
    }
    let digits = payload.get(*last + MARKER.len()..)?.get(..SEQUENCE + STAMP)?;
    Some((number(&digits[..SEQUENCE]), number(&digits[SEQUENCE..])))
}

fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit & 0x0f))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            short @ 0..126 => frame.push(short as u8),
            long => {
                frame.push(126);
                frame.extend_from_slice(&(long as u16).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    fn kinds(wire: Wire, reads: &[&[u8]]) -> Vec<Kind> {
        let (mut held, mut kinds) = (Vec::new(), Vec::new());
        for read in reads {
            held.extend_from_slice(read);
            while let Some(frame) = wire.frame(&held) {
                kinds.push(frame.kind);
                let size = frame.size;
                held.drain(..size);
            }
        }
        assert!(held.is_empty());
        kinds
    }

    #[test]
    fn frames_are_counted_wherever_the_reads_split_them() {
        let message = format!(r#"{{"type":"message","channelId":"c-1","content":"{}"}}"#, content(1, 2));
        let mut bytes = served(TEXT, br#"{"type":"subscribed","id":1}"#);
        bytes.extend(served(TEXT, message.as_bytes()));
        bytes.extend(served(PING, b"hi"));
        bytes.extend(served(TEXT, br#"{"type":"error","code":107}"#));
        bytes.extend(served(CLOSE, &[3, 0xe8]));
        let expected = [Kind::Joined, Kind::Delivery, Kind::Ping, Kind::Refused, Kind::Close];
        for split in 0..=bytes.len() {
            let (front, back) = bytes.split_at(split);
            assert_eq!(kinds(Wire::WebSocket, &[front, back]), expected);
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(kinds(Wire::WebSocket, &single), expected);
    }

    #[test]
    fn the_floor_answers_with_nothing_and_delivers_bytes() {
        let mut bytes = vec![0, 0, 0, 0, 3, 0, 0, 0];
        bytes.extend_from_slice(b"abc");
        for split in 0..=bytes.len() {
            let (front, back) = bytes.split_at(split);
            assert_eq!(kinds(Wire::Floor, &[front, back]), [Kind::Joined, Kind::Delivery]);
        }
    }

    #[test]
    fn stamps_are_found_again_where_they_move() {
        let text = content(42, 1_234_567_890);
        assert_eq!(text.len(), CONTENT);
        let mut last = 0;
        for front in ["", "xyz", "xyz", "~", ""] {
            let payload = format!("{front}{text}");
            assert_eq!(stamps(payload.as_bytes(), &mut last), Some((42, 1_234_567_890)));
        }
        assert_eq!(stamps(b"no marker", &mut last), None);
        assert_eq!(stamps(b"~#12", &mut last), None);
    }

    #[test]
    fn masked_frames_carry_their_length_and_unmask() {
        for (length, head) in [(5, 2), (125, 2), (126, 4), (300, 4)] {
            let (payload, mut out) = (vec![7; length], Vec::new());
            masked(&mut out, PONG, &payload);
            assert_eq!(out[0], 0x8a);
            assert_eq!(header(&out), Some((head, length)));
            let open = out[head + 4..].iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key);
            assert!(open.eq(payload));
        }
    }
}
