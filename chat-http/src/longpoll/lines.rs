//! Reads a body line by line, so that no more of it is held than a line.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Buf;
use chat_core::transport::Intake;
use http_body::Body;

/// Yields the lines of a body, empty ones too, so that whoever counts them counts all.
pub(super) struct Lines<B> {
    body: B,
    buffer: Vec<u8>,
    /// Tells where the next line begins in the buffer.
    begin: usize,
    /// Tells up to where the buffer has no end of a line.
    scanned: usize,
    ended: bool,
    /// Limits the bytes of a line.
    most: usize,
    /// Counts the buffer among what the hub holds.
    intake: Intake,
}

/// Says why there is no next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadLine {
    /// The line is over the bound.
    TooLong,
    /// The body broke off.
    Lost,
    /// There is no room for what came of it.
    Full,
}

impl<B: Body + Unpin> Lines<B> {
    /// Reads lines that hold messages of at most so many bytes, be it in base64.
    pub(super) fn new(body: B, message_bytes: usize, intake: Intake) -> Self {
        let most = message_bytes.div_ceil(3).saturating_mul(4);
        Self { body, buffer: Vec::new(), begin: 0, scanned: 0, ended: false, most, intake }
    }

    /// Reads the next line.
    ///
    /// # Errors
    /// Returns why there is none; ask for no more then.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, BadLine> {
        loop {
            match self.take_line() {
                Some(line) if line.len() > self.most => return Err(BadLine::TooLong),
                Some(line) => return Ok(Some(line)),
                None if self.ended => return Ok(None),
                // With one byte of its end.
                None if self.buffer.len() - self.begin > self.most.saturating_add(1) => {
                    return Err(BadLine::TooLong);
                }
                None => self.read().await?,
            }
        }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n');
        let Some(end) = end.map(|end| self.scanned + end) else {
            self.scanned = self.buffer.len();
            return self.take_rest();
        };
        let line = without_cr(&self.buffer[self.begin..end]);
        self.begin = end + 1;
        self.scanned = self.begin;
        Some(line)
    }

    /// Takes the last line, which needs no end of its own.
    fn take_rest(&mut self) -> Option<Vec<u8>> {
        (self.ended && self.begin < self.buffer.len()).then(|| {
            let line = without_cr(&self.buffer[self.begin..]);
            self.begin = self.buffer.len();
            line
        })
    }

    /// Drops the lines that were taken. Moves what is left, so it is called once for many lines.
    fn compact(&mut self) {
        self.buffer.drain(..self.begin);
        self.scanned -= self.begin;
        self.begin = 0;
    }

    async fn read(&mut self) -> Result<(), BadLine> {
        self.compact();
        match poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await {
            None => self.ended = true,
            Some(Err(_)) => return Err(BadLine::Lost),
            Some(Ok(frame)) => {
                let Ok(mut data) = frame.into_data() else { return Ok(()) };
                while data.has_remaining() {
                    let chunk = data.chunk();
                    self.buffer.extend_from_slice(chunk);
                    data.advance(chunk.len());
                }
            }
        }
        if self.intake.hold(self.buffer.len()) { Ok(()) } else { Err(BadLine::Full) }
    }
}

/// Strips the CR: lines may end with CR LF (long_poll.ex).
fn without_cr(line: &[u8]) -> Vec<u8> {
    line.strip_suffix(b"\r").unwrap_or(line).to_vec()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use chat_core::testkit::World;
    use chat_core::{Hub, OpenChat};
    use futures::FutureExt;
    use http_body::Frame;
    use proptest::prelude::*;

    use super::*;

    /// A body that comes in these chunks.
    struct Chunks(VecDeque<Vec<u8>>);

    impl Body for Chunks {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk.into()))))
        }
    }

    /// The lines up to the end, or up to what is wrong.
    fn read(
        chunks: impl IntoIterator<Item = Vec<u8>>,
        message_bytes: usize,
    ) -> (Vec<Vec<u8>>, Option<BadLine>) {
        let hub = Hub::builder(OpenChat::default()).build(World::new());
        let body = Chunks(chunks.into_iter().collect());
        let mut lines = Lines::new(body, message_bytes, hub.acceptor().intake());
        let mut all = Vec::new();
        loop {
            match lines.next().now_or_never().expect("all is there") {
                Ok(Some(line)) => all.push(line),
                Ok(None) => return (all, None),
                Err(bad) => return (all, Some(bad)),
            }
        }
    }

    /// Returns what `read` is to return.
    fn split(body: &[u8], most: usize) -> (Vec<Vec<u8>>, Option<BadLine>) {
        let mut lines: Vec<_> = body.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        lines.pop_if(|last| last.is_empty());
        for line in &mut lines {
            line.pop_if(|last| *last == b'\r');
        }
        let too_long = lines.iter().position(|line| line.len() > most);
        lines.truncate(too_long.unwrap_or(lines.len()));
        (lines, too_long.map(|_| BadLine::TooLong))
    }

    proptest! {
        #[test]
        fn the_same_lines_come_out_in_whatever_chunks_a_body_comes(
            chunks in prop::collection::vec("[a\r\n]{0,12}".prop_map(String::into_bytes), 0..12),
        ) {
            let body = chunks.concat();
            prop_assert_eq!(read(chunks, 6), split(&body, 8));
            prop_assert_eq!(read([body.clone()], 6), split(&body, 8));
        }
    }

    #[test]
    fn every_end_of_a_line_ends_one_and_the_last_line_needs_none() {
        let lines = |body: &str| read([body.into()], 6).0;
        assert_eq!(lines("a\n\nb"), [&b"a"[..], b"", b"b"]);
        assert_eq!(lines("a\n\nb\n"), [&b"a"[..], b"", b"b"]);
        assert_eq!(lines("a\r\n\r\nb\r"), [&b"a"[..], b"", b"b"]);
        assert_eq!(lines("\n"), [b""]);
        assert_eq!(lines(""), [] as [&[u8]; 0]);
    }
}
