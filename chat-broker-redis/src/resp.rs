//! Reads what Redis says on a connection that subscribes.
//!
//! The library reads such a connection as fast as it can, into a queue without a bound, and takes values of
//! any size. Here nothing is read that nobody takes, and a payload that is too long is passed over.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::envelope::ENVELOPE_BYTES;

/// Bounds a line, such as the text of an error.
const LINE_BYTES: usize = 64 * 1024;
/// Bounds the parts of an answer: a message has three.
const PARTS: usize = 8;
/// Is the room that is made for each read.
const ROOM: usize = 16 * 1024;

/// Is something that Redis says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Is a message on a channel; its payload is none if it is too long.
    Message { channel: Bytes, payload: Option<Bytes> },
    /// Answers a PING with what it had said.
    Pong(Bytes),
    /// Answers a command with a text.
    Text(Bytes),
    /// Refuses a command.
    Error(String),
    /// Is any other answer.
    Other,
}

/// Reads frames from a connection.
pub(crate) struct Reader<R> {
    line: R,
    buffer: BytesMut,
    /// Holds the parts of an answer that were read, of `parts` in all.
    read: Vec<Part>,
    parts: usize,
    /// Is the number of bytes that are still to be passed over.
    skip: usize,
}

#[derive(Debug)]
enum Part {
    Array(usize),
    Text(Bytes),
    TooLong,
    Error(String),
    Other,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(crate) fn new(line: R) -> Self {
        Self { line, buffer: BytesMut::new(), read: Vec::new(), parts: 0, skip: 0 }
    }

    /// Waits for more bytes. Nothing is lost if it is dropped.
    pub(crate) async fn fill(&mut self) -> io::Result<()> {
        self.buffer.reserve(ROOM);
        match self.line.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

impl<R> Reader<R> {
    /// Returns the next frame, or none if not all of it has been read.
    pub(crate) fn frame(&mut self) -> io::Result<Option<Frame>> {
        while let Some(part) = self.part()? {
            if self.parts == 0 {
                match part {
                    Part::Array(0) => return Ok(Some(Frame::Other)),
                    Part::Array(parts) => self.parts = parts,
                    Part::Error(line) => return Ok(Some(Frame::Error(line))),
                    Part::Text(text) => return Ok(Some(Frame::Text(text))),
                    Part::TooLong | Part::Other => return Ok(Some(Frame::Other)),
                }
            } else {
                self.read.push(part);
                if self.read.len() == self.parts {
                    self.parts = 0;
                    return Ok(Some(frame_of(self.read.drain(..))));
                }
            }
        }
        Ok(None)
    }

    fn part(&mut self) -> io::Result<Option<Part>> {
        if self.skip > 0 {
            let skipped = self.skip.min(self.buffer.len());
            self.buffer.advance(skipped);
            self.skip -= skipped;
            return Ok((self.skip == 0).then_some(Part::TooLong));
        }
        let Some(end) = self.buffer.windows(2).take(LINE_BYTES).position(|two| two == b"\r\n") else {
            return if self.buffer.len() > LINE_BYTES { Err(odd("a line without an end")) } else { Ok(None) };
        };
        let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        let text = line.get(1..).unwrap_or_default();
        let part = match line.as_bytes().first() {
            Some(b'$') => return self.text(end + 2, text),
            Some(b'*' | b'>') => Part::Array(parts(text)?),
            Some(b'-') => Part::Error(text.to_owned()),
            Some(b'+' | b':' | b'_') => Part::Other,
            _ => return Err(odd("a line of no known kind")),
        };
        self.buffer.advance(end + 2);
        Ok(Some(part))
    }

    fn text(&mut self, begin: usize, length: &str) -> io::Result<Option<Part>> {
        if length == "-1" {
            self.buffer.advance(begin);
            return Ok(Some(Part::Other));
        }
        let length: usize = length.parse().map_err(|_| odd("a length that is no number"))?;
        if length > ENVELOPE_BYTES {
            self.buffer.advance(begin);
            self.skip = length.saturating_add(2);
            return self.part();
        }
        if self.buffer.len() < begin + length + 2 {
            self.buffer.reserve(begin + length + 2 - self.buffer.len());
            return Ok(None);
        }
        self.buffer.advance(begin);
        let text = self.buffer.split_to(length).freeze();
        self.buffer.advance(2);
        Ok(Some(Part::Text(text)))
    }
}

fn parts(text: &str) -> io::Result<usize> {
    text.parse().ok().filter(|parts| *parts <= PARTS).ok_or_else(|| odd("an answer of too many parts"))
}

fn odd(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn frame_of(parts: impl Iterator<Item = Part>) -> Frame {
    let parts: Vec<_> = parts.collect();
    match &parts[..] {
        [Part::Text(kind), Part::Text(channel), payload] if **kind == *b"message" => {
            let payload = if let Part::Text(payload) = payload { Some(payload.clone()) } else { None };
            Frame::Message { channel: channel.clone(), payload }
        }
        [Part::Text(kind), Part::Text(said)] if **kind == *b"pong" => Frame::Pong(said.clone()),
        _ => Frame::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(bytes: &[u8], step: usize) -> io::Result<Vec<Frame>> {
        let mut reader = Reader::new(tokio::io::empty());
        let mut frames = Vec::new();
        for some in bytes.chunks(step) {
            reader.buffer.extend_from_slice(some);
            while let Some(frame) = reader.frame()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    #[test]
    fn frames_are_the_same_however_they_come_in_pieces() {
        let long = "x".repeat(ENVELOPE_BYTES + 1);
        let bytes = format!(
            "+OK\r\n$2\r\nhi\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$4\r\n\r\n\r\n\r\n\
             *3\r\n$7\r\nmessage\r\n$1\r\na\r\n${}\r\n{long}\r\n-NOPERM no\r\n*2\r\n$4\r\npong\r\n$1\r\n7\r\n",
            long.len()
        );
        let message = |payload| Frame::Message { channel: Bytes::from_static(b"a"), payload };
        let must = [
            Frame::Other,
            Frame::Text(Bytes::from_static(b"hi")),
            Frame::Other,
            message(Some(Bytes::from_static(b"\r\n\r\n"))),
            message(None),
            Frame::Error("NOPERM no".into()),
            Frame::Pong(Bytes::from_static(b"7")),
        ];
        for step in [1, 2, 3, 7, 1000, usize::MAX] {
            assert_eq!(frames(bytes.as_bytes(), step).expect("frames"), must, "{step}");
        }
    }

    #[test]
    fn what_is_not_of_the_protocol_is_an_error() {
        let line = format!("-{}", "x".repeat(LINE_BYTES + 1));
        for odd in ["HTTP/1.1 400\r\n", "*9\r\n", "*-7\r\n", "$x\r\n", "$-2\r\n", "\r\n", &line] {
            assert!(frames(odd.as_bytes(), usize::MAX).is_err(), "{odd:.20}");
        }
    }
}
