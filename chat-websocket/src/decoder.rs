//! Messages out of a client's bytes, through tungstenite, with the bounds that it does not keep.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Read, Write};

use chat_core::{Close, Incoming};
use thiserror::Error;
use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

use crate::scanner::{Bounds, Scanner};

/// tungstenite's own default of 128 KiB would be kept by every connection.
const READ_BYTES: usize = 4 * 1024;

/// The bounds of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoderConfig {
    /// Bytes of a message: one more is refused before the payload is read.
    pub message_bytes: usize,
    /// Fragments of a message: one more is refused. 0 lifts the bound.
    pub fragments: u32,
}

/// Why nothing more can be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The peer broke a rule of RFC 6455.
    #[error("{0}")]
    Protocol(Cow<'static, str>),
    /// A text message, or the reason of a close, is no UTF-8.
    #[error("text that is no UTF-8")]
    Utf8,
    /// A message over [`DecoderConfig::message_bytes`].
    #[error("a message over the bound")]
    TooBig,
    /// A message in more than [`DecoderConfig::fragments`] fragments.
    #[error("a message in too many fragments")]
    TooManyFragments,
    /// The bytes ended without a close frame.
    #[error("the connection ended without a close")]
    Ended,
    /// The transport failed.
    #[error("the transport failed: {0}")]
    Io(#[from] io::Error),
}

impl ReadError {
    /// The close that the peer is to be told (RFC 6455 §7.4.1); none if it cannot be told anything.
    pub fn close(&self) -> Option<Close> {
        match self {
            Self::Protocol(_) => Some(Close::PROTOCOL_ERROR),
            Self::Utf8 => Some(Close::INVALID_PAYLOAD),
            Self::TooBig | Self::TooManyFragments => Some(Close::TOO_BIG),
            Self::Ended | Self::Io(_) => None,
        }
    }
}

/// Reads one client's messages. Holds no buffer while none is under way.
///
/// tungstenite's pongs and closes are swallowed: the session answers for itself.
#[derive(Debug)]
pub struct Decoder {
    context: Option<Box<WebSocketContext>>,
    scanner: Scanner,
    config: DecoderConfig,
    /// Bytes that came before the first read.
    early: Vec<u8>,
    /// What the scanner refused, once all that came before it is read.
    refused: Option<ReadError>,
}

impl Decoder {
    /// A decoder for a connection that has just been upgraded. `early` are the bytes that came after the request's head.
    pub fn new(config: DecoderConfig, early: Vec<u8>) -> Self {
        Self { context: None, scanner: Scanner::default(), config, early, refused: None }
    }

    /// What is held of a message that is not whole yet, or room is made for, in bytes.
    pub fn holds(&self) -> usize {
        self.context.as_ref().map_or(0, |_| READ_BYTES + self.scanner.under_way() as usize)
    }

    /// Drops all that is held.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.config, Vec::new());
    }

    /// The next message; none if `io` has no more bytes for now ([`ErrorKind::WouldBlock`]).
    ///
    /// Reads no more than is needed for one message, and at most as much as `io` gives. After an error nothing more can be read.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read(&mut self, io: &mut impl Read) -> Result<Option<Incoming>, ReadError> {
        let mut context = self.context.take().unwrap_or_else(|| Box::new(context(self.config)));
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

fn context(config: DecoderConfig) -> WebSocketContext {
    let limits = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .max_message_size(Some(config.message_bytes))
        .max_frame_size(Some(config.message_bytes.max(125)));
    WebSocketContext::new(Role::Server, Some(limits))
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

/// Lets the scanner see what is read, and swallows what is written.
struct Watched<'a, R> {
    io: &'a mut R,
    decoder: &'a mut Decoder,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Decoder { scanner, config, early, refused, .. } = &mut *self.decoder;
        if refused.is_some() {
            return Err(ErrorKind::InvalidData.into());
        }
        let n = if early.is_empty() { self.io.read(buffer)? } else { take_early(early, buffer) };
        let bounds = Bounds { message_bytes: config.message_bytes as u64, fragments: config.fragments };
        match scanner.follow(&buffer[..n], bounds) {
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

impl From<tungstenite::Error> for ReadError {
    fn from(error: tungstenite::Error) -> Self {
        use tungstenite::error::ProtocolError;
        match error {
            tungstenite::Error::Io(error) => Self::Io(error),
            tungstenite::Error::Utf8(_) => Self::Utf8,
            tungstenite::Error::Capacity(_) => Self::TooBig,
            tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
            | tungstenite::Error::ConnectionClosed
            | tungstenite::Error::AlreadyClosed => Self::Ended,
            other => Self::Protocol(other.to_string().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: DecoderConfig = DecoderConfig { message_bytes: 65_536, fragments: 1024 };

    /// Gives a few bytes at a time, and now and then none.
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

    fn decode(bytes: &[u8], step: usize, config: DecoderConfig) -> (Vec<Incoming>, Option<ReadError>) {
        let mut decoder = Decoder::new(config, Vec::new());
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
        let (_, error) = decode(bytes, 1, CONFIG);
        error.and_then(|error| error.close()).map(|close| close.code)
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
        let whole = decode(&bytes, bytes.len(), CONFIG);
        assert_eq!(whole.0[2], Incoming::Text("one message".into()));
        assert_eq!(whole.0.last(), Some(&Incoming::Close(Some(1000))));
        for step in 1..bytes.len() {
            assert_eq!(decode(&bytes, step, CONFIG).0, whole.0, "{step} bytes at a time");
        }
    }

    #[test]
    fn what_came_before_a_broken_frame_is_heard() {
        let mut bytes = frame(0x81, b"fine");
        bytes.extend(frame(0x83, b"broken"));
        let (heard, error) = decode(&bytes, 1000, CONFIG);
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
        let (heard, _) = decode(&frame(0x88, &[0x03, 0xED]), 9, CONFIG);
        assert_eq!(heard, [Incoming::Close(Some(1002))], "1005 is never sent");
    }

    #[test]
    fn a_decoder_without_a_message_under_way_holds_no_buffer() {
        let mut decoder = Decoder::new(CONFIG, Vec::new());
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
            let alike = decode(&bytes, step, CONFIG).0 == decode(&bytes, 99, CONFIG).0;
            assert!(alike, "seed {seed}, round {round}, {bytes:x?}");
        }
    }
}
