//! A body, line by line, so that no more of it is held than a line.

use std::future::poll_fn;
use std::pin::Pin;

use hyper::body::{Body, Buf};

/// The lines of a body. Empty ones are left out.
pub(super) struct Lines<B> {
    body: B,
    buffer: Vec<u8>,
    /// Up to where no end of a line is in the buffer.
    scanned: usize,
    ended: bool,
    /// Bytes of the longest line.
    most: usize,
}

/// Why there is no next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadLine {
    /// It is over the bound.
    TooLong,
    /// The body broke off.
    Lost,
}

impl<B: Body + Unpin> Lines<B> {
    /// Lines that hold messages of at most so many bytes, be it in base64.
    pub(super) fn new(body: B, message_bytes: usize) -> Self {
        let most = message_bytes.div_ceil(3).saturating_mul(4);
        Self { body, buffer: Vec::new(), scanned: 0, ended: false, most }
    }

    /// # Errors
    /// Then there is no more to be asked for.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, BadLine> {
        loop {
            match self.take_line() {
                Some(line) if line.len() > self.most => return Err(BadLine::TooLong),
                Some(line) if line.is_empty() => {}
                Some(line) => return Ok(Some(line)),
                None if self.ended => return Ok(None),
                None if self.buffer.len() > self.most => return Err(BadLine::TooLong),
                None => self.read().await?,
            }
        }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n');
        let Some(end) = end.map(|end| self.scanned + end) else {
            self.scanned = self.buffer.len();
            return (self.ended && self.scanned > 0).then(|| {
                self.scanned = 0;
                std::mem::take(&mut self.buffer)
            });
        };
        let rest = self.buffer.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.buffer, rest);
        self.scanned = 0;
        line.pop();
        Some(line)
    }

    async fn read(&mut self) -> Result<(), BadLine> {
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
        Ok(())
    }
}
