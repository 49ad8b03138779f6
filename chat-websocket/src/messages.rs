//! Turns whatever reads bytes into a stream of messages.

use std::io::{self, ErrorKind, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use chat_core::Close;
use chat_core::transport::{Incoming, InputError, Intake};
use futures::Stream;

use crate::decoder::Decoder;
use crate::error::ReadError;
use crate::scanner::MessageLimits;

/// Reads bytes: what a runtime's socket has to offer.
pub trait PollRead {
    /// Reads into `buffer` and returns how many bytes; 0 at the end. Wakes the task of `cx` when there are
    /// more.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;
}

/// Limits what one poll reads, so that fragments without end do not hold up other tasks.
const POLL_BYTES: usize = 16 * 1024;

/// Yields the messages of one client. After an error it reads on to the end and drops what comes.
///
/// ```
/// use std::io;
/// use std::task::{Context, Poll};
///
/// use chat_core::transport::Incoming;
/// use chat_websocket::{MessageLimits, Messages, PollRead};
/// use futures::{FutureExt, StreamExt};
///
/// /// Reads from memory.
/// struct Bytes(&'static [u8]);
///
/// impl PollRead for Bytes {
///     fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
///         Poll::Ready(io::Read::read(&mut self.0, buffer))
///     }
/// }
///
/// let limits = MessageLimits::new(1024, 16);
/// let frame = Bytes(b"\x81\x82\0\0\0\0hi");
/// let mut messages = Messages::new(frame, limits, Vec::new());
/// let next = messages.next().now_or_never().expect("all is there");
/// assert_eq!(next, Some(Ok(Incoming::Text("hi".into()))));
/// ```
#[derive(Debug)]
pub struct Messages<R> {
    reader: R,
    decoder: Decoder,
    intake: Option<Intake>,
    broken: bool,
}

impl<R: PollRead> Messages<R> {
    /// Reads a connection that was just upgraded; `early` came after the request's head.
    pub fn new(reader: R, limits: MessageLimits, early: Vec<u8>) -> Self {
        Self { reader, decoder: Decoder::new(limits, early), intake: None, broken: false }
    }

    /// Counts what is held of messages that are not whole yet. If that has to go, the peer is closed with
    /// 1013.
    pub fn counted(self, intake: Intake) -> Self {
        Self { intake: Some(intake), ..self }
    }

    /// Drops what is held; nothing more is decoded.
    fn give_up(&mut self) {
        self.broken = true;
        self.decoder.clear();
        self.intake = None;
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scrap = [0; 1024];
        for _ in 0..POLL_BYTES / scrap.len() {
            if matches!(ready!(self.reader.poll_read(cx, &mut scrap)), Ok(0) | Err(_)) {
                return Poll::Ready(());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<R: PollRead + Unpin> Stream for Messages<R> {
    type Item = Result<Incoming, InputError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.broken {
            return self.poll_discard(cx).map(|()| None);
        }
        if self.intake.as_ref().is_some_and(Intake::is_given_up) {
            self.give_up();
            return Poll::Ready(Some(Err(InputError::Refused(Close::TRY_AGAIN))));
        }
        let Self { reader, decoder, intake, .. } = &mut *self;
        let mut polled = Polled { reader, cx, left: POLL_BYTES };
        let read = decoder.read(&mut polled);
        let (came, spent) = (polled.left < POLL_BYTES, polled.left == 0);
        match read {
            Ok(Some(incoming)) => Poll::Ready(Some(Ok(incoming))),
            Ok(None) => {
                let fits = intake.as_mut().is_none_or(|intake| intake.hold(decoder.holds()));
                if came && fits {
                    return Poll::Ready(Some(Ok(Incoming::Part)));
                }
                if spent || !fits {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
            Err(error) => {
                self.give_up();
                Poll::Ready(Some(Err(input_error(&error))))
            }
        }
    }
}

fn input_error(error: &ReadError) -> InputError {
    error.close().map_or(InputError::Disconnected, InputError::Refused)
}

struct Polled<'a, 'b, R> {
    reader: &'a mut R,
    cx: &'a mut Context<'b>,
    left: usize,
}

impl<R: PollRead> Read for Polled<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.left);
        if most == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        match self.reader.poll_read(self.cx, &mut buffer[..most]) {
            Poll::Ready(Ok(n)) => {
                self.left -= n;
                Ok(n)
            }
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }
}
