//! Reads messages out of a client's bytes, through tungstenite, within bounds that it does not keep.

use std::io::{self, ErrorKind, Read, Write};

use chat_core::transport::Incoming;
use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

use crate::error::ReadError;
use crate::scanner::{MessageLimits, Scanner};

/// Replaces tungstenite's default of 128 KiB, which every connection would keep.
const READ_BYTES: usize = 4 * 1024;

/// Reads one client's messages. Holds no buffer between two messages.
///
/// Drops the pongs and closes that tungstenite would send: the session answers for itself.
#[derive(Debug)]
pub struct Decoder {
    context: Option<Box<WebSocketContext>>,
    scanner: Scanner,
    limits: MessageLimits,
    /// Holds bytes that came before the first read.
    early: Vec<u8>,
    /// Holds the scanner's error until all that came before it is read.
    refused: Option<ReadError>,
}

impl Decoder {
    /// Makes a decoder for a connection that has just been upgraded; `early` came after the request's head.
    pub fn new(limits: MessageLimits, early: Vec<u8>) -> Self {
        Self { context: None, scanner: Scanner::default(), limits, early, refused: None }
    }

    /// Returns how many bytes are held, or reserved, for a message that is not whole yet.
    pub fn holds(&self) -> usize {
        self.context.as_ref().map_or(0, |_| READ_BYTES + self.scanner.under_way() as usize)
    }

    /// Drops everything that is held.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.limits, Vec::new());
    }

    /// Reads the next message; none if `io` has no more bytes for now ([`ErrorKind::WouldBlock`]).
    ///
    /// Reads no more than is needed for one message, and at most as much as `io` gives. After an error
    /// nothing more can be read.
    ///
    /// # Errors
    /// Returns the rule that is broken, or that the bytes ended or failed.
    pub fn read(&mut self, io: &mut impl Read) -> Result<Option<Incoming>, ReadError> {
        let mut context = self.context.take().unwrap_or_else(|| Box::new(context(self.limits)));
        let result = context.read(&mut Watched { io, decoder: self });
        let waits = matches!(&result, Err(tungstenite::Error::Io(e)) if e.kind() == ErrorKind::WouldBlock);
        if !waits || !self.scanner.is_between_messages() {
            self.context = Some(context);
        }
        match result {
            Ok(message) => incoming(message),
            Err(_) if waits => Ok(None),
            Err(error) => Err(self.refused.take().unwrap_or_else(|| error.into())),
        }
    }
}

fn context(limits: MessageLimits) -> WebSocketContext {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .max_message_size(Some(limits.message_bytes))
        .max_frame_size(Some(limits.message_bytes.max(125)));
    WebSocketContext::new(Role::Server, Some(config))
}

fn incoming(message: Message) -> Result<Option<Incoming>, ReadError> {
    Ok(Some(match message {
        Message::Text(text) => Incoming::Text(text.as_str().to_owned()),
        Message::Binary(bytes) => Incoming::Binary(bytes.to_vec()),
        Message::Ping(payload) => Incoming::Ping(payload.to_vec()),
        Message::Pong(_) => Incoming::Pong,
        Message::Close(close) => Incoming::Close(close.map(|close| close.code.into())),
        Message::Frame(_) => return Err(ReadError::Protocol("a bare frame".into())),
    }))
}

/// Shows the scanner what is read, and drops what is written.
struct Watched<'a, R> {
    io: &'a mut R,
    decoder: &'a mut Decoder,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Decoder { scanner, limits, early, refused, .. } = &mut *self.decoder;
        if refused.is_some() {
            return Err(ErrorKind::InvalidData.into());
        }
        let n = if early.is_empty() { self.io.read(buffer)? } else { take_early(early, buffer) };
        match scanner.follow(&buffer[..n], *limits) {
            Ok(()) => Ok(n),
            Err((before, error)) => {
                *refused = Some(error);
                if before > 0 { Ok(before) } else { Err(ErrorKind::InvalidData.into()) }
            }
        }
    }
}

fn take_early(early: &mut Vec<u8>, buffer: &mut [u8]) -> usize {
    let n = early.len().min(buffer.len());
    buffer[..n].copy_from_slice(&early[..n]);
    early.drain(..n);
    n
}

impl<R> Write for Watched<'_, R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: MessageLimits = MessageLimits { message_bytes: 65_536, fragments: 1024 };

    /// Gives a few bytes at a time, and none every other time.
    struct Drip<'a> {
        bytes: &'a [u8],
        step: usize,
        ready: bool,
    }

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.ready = !self.ready;
            if !self.ready || self.bytes.is_empty() {
                return Err(ErrorKind::WouldBlock.into());
            }
            let n = self.step.min(buffer.len()).min(self.bytes.len());
            buffer[..n].copy_from_slice(&self.bytes[..n]);
            self.bytes = &self.bytes[n..];
            Ok(n)
        }
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![first];
        match payload.len() {
            short @ ..126 => out.push(0x80 | short as u8),
            middle @ ..=0xFFFF => {
                out.push(0x80 | 126);
                out.extend((middle as u16).to_be_bytes());
            }
            long => {
                out.push(0x80 | 127);
                out.extend((long as u64).to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 4];
        out.extend(mask);
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        out
    }

    fn decode(bytes: &[u8], step: usize, limits: MessageLimits) -> (Vec<Incoming>, Option<ReadError>) {
        let mut decoder = Decoder::new(limits, Vec::new());
        let mut drip = Drip { bytes, step, ready: false };
        let mut heard = Vec::new();
        loop {
            match decoder.read(&mut drip) {
                Ok(Some(incoming)) => heard.push(incoming),
                Ok(None) if drip.bytes.is_empty() => return (heard, None),
                Ok(None) => {}
                Err(error) => return (heard, Some(error)),
            }
        }
    }

    fn code_of(bytes: &[u8]) -> Option<u16> {
        let (_, error) = decode(bytes, 1, LIMITS);
        error.and_then(|error| error.close()).map(|close| close.code())
    }

    #[test]
    fn messages_are_the_same_however_their_bytes_arrive() {
        let mut bytes = frame(0x81, "grüß".as_bytes());
        bytes.extend(frame(0x01, b"one "));
        bytes.extend(frame(0x89, b"there?"));
        bytes.extend(frame(0x00, b""));
        bytes.extend(frame(0x80, b"message"));
        bytes.extend(frame(0x82, &[7; 300]));
        bytes.extend(frame(0x88, &[0x03, 0xE8]));
        let whole = decode(&bytes, bytes.len(), LIMITS);
        assert_eq!(whole.0[2], Incoming::Text("one message".into()));
        assert_eq!(whole.0.last(), Some(&Incoming::Close(Some(1000))));
        for step in 1..bytes.len() {
            assert_eq!(decode(&bytes, step, LIMITS).0, whole.0, "{step} bytes at a time");
        }
    }

    #[test]
    fn what_came_before_a_broken_frame_is_heard() {
        let mut bytes = frame(0x81, b"fine");
        bytes.extend(frame(0x83, b"broken"));
        let (heard, error) = decode(&bytes, 1000, LIMITS);
        assert_eq!(heard, [Incoming::Text("fine".into())]);
        assert!(matches!(error, Some(ReadError::Protocol(_))));
    }

    #[test]
    fn a_message_has_exactly_the_bytes_that_the_bound_allows() {
        assert_eq!(code_of(&frame(0x81, &[b'x'; 65_536])), None);
        assert_eq!(code_of(&frame(0x81, &[b'x'; 65_537])[..14]), Some(1009), "before its payload is read");
        let mut halves = frame(0x01, &[b'x'; 40_000]);
        halves.extend(frame(0x80, &[b'x'; 25_537]));
        assert_eq!(code_of(&halves), Some(1009));
    }

    #[test]
    fn a_message_has_at_most_1024_fragments() {
        let fragments = |n: usize| {
            let mut bytes = frame(0x01, b"");
            (2..n).for_each(|_| bytes.extend(frame(0x00, b"")));
            bytes.extend(frame(0x80, b""));
            bytes
        };
        assert_eq!(code_of(&fragments(1024)), None);
        assert_eq!(code_of(&fragments(1025)), Some(1009));
    }

    #[test]
    fn hostile_headers_are_refused_at_once() {
        let top_bit = [&[0x82, 0xFF, 0x80][..], &[0; 7]].concat();
        let huge = [&[0x82, 0xFF, 0x40][..], &[0; 11]].concat();
        let cases: [(&str, &[u8], u16); 9] = [
            ("top bit of the length", &top_bit, 1002),
            ("2^62 bytes announced", &huge, 1009),
            ("RSV1", &[0xC1], 1002),
            ("unmasked", &[0x81, 0x01], 1002),
            ("reserved data opcode", &[0x83], 1002),
            ("reserved control opcode", &[0x8B], 1002),
            ("fragmented ping", &[0x09], 1002),
            ("ping over 125 bytes", &[0x89, 0xFE], 1002),
            ("continuation of nothing", &[0x80], 1002),
        ];
        for (name, bytes, code) in cases {
            assert_eq!(code_of(bytes), Some(code), "{name}");
        }
    }

    #[test]
    fn text_and_close_reasons_are_utf8_and_close_codes_are_sendable() {
        assert_eq!(code_of(&frame(0x81, &[0xC3, 0x28])), Some(1007));
        assert_eq!(code_of(&frame(0x88, &[0x03, 0xE8, 0xFF])), Some(1007));
        assert_eq!(code_of(&frame(0x88, &[0x03])), Some(1002));
        let (heard, _) = decode(&frame(0x88, &[0x03, 0xED]), 9, LIMITS);
        assert_eq!(heard, [Incoming::Close(Some(1002))], "1005 is never sent");
    }

    #[test]
    fn a_decoder_without_a_message_under_way_holds_no_buffer() {
        let mut decoder = Decoder::new(LIMITS, Vec::new());
        let whole = frame(0x81, b"hi");
        let mut all = Drip { bytes: &whole, step: 99, ready: false };
        while decoder.read(&mut all).expect("fine").is_some() {}
        assert!(decoder.context.is_none() && decoder.early.is_empty());
        let mut part = Drip { bytes: &whole[..3], step: 99, ready: false };
        while decoder.read(&mut part).expect("fine").is_some() {}
        assert!(decoder.context.is_some());
    }

    #[test]
    fn random_bytes_never_panic() {
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5EED_u64);
        let mut state = seed;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for round in 0..20_000 {
            let mut bytes: Vec<u8> = (0..next() % 40).map(|_| next() as u8).collect();
            if let Some(second) = bytes.get_mut(1) {
                *second |= 0x80;
            }
            let step = 1 + (next() % 7) as usize;
            let alike = decode(&bytes, step, LIMITS).0 == decode(&bytes, 99, LIMITS).0;
            assert!(alike, "seed {seed}, round {round}, {bytes:x?}");
        }
    }
}
