//! Leads from a session into the body of an HTTP answer, and keeps a few bytes between the two.

use std::convert::Infallible;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use chat_core::transport::ByteWriter;
use http_body::{Body, Frame};

use super::caller::Place;
use super::registry::Entry;

/// Limits what waits here; the rest waits in the session's outbox.
const ROOM: usize = 16 * 1024;

/// Writes what a session sends. When it is dropped, the answer ends.
pub(super) struct Writer(Arc<Pipe>);

/// Streams what a session sends, as the body of an answer. When it is dropped, the session ends.
pub struct StreamBody {
    pipe: Arc<Pipe>,
    place: Option<Place>,
    _entry: Entry,
}

#[derive(Default)]
struct Pipe(Mutex<State>);

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    /// Tells that nothing more is written.
    ended: bool,
    /// Tells that all was read, or that nothing more will be.
    done: bool,
    writer: Option<Waker>,
    reader: Option<Waker>,
}

/// Makes both ends; the body keeps this entry.
pub(super) fn pipe(entry: Entry) -> (Writer, StreamBody) {
    let pipe = Arc::new(Pipe::default());
    (Writer(pipe.clone()), StreamBody { pipe, place: None, _entry: entry })
}

impl StreamBody {
    /// Keeps this for as long as the body lives.
    pub(super) fn keeping(self, place: Place) -> Self {
        let mut body = self;
        body.place = Some(place);
        body
    }
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, bytes: &[IoSlice<'_>], waker: Option<&Waker>) -> io::Result<usize> {
        let mut state = self.lock();
        if state.done {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let before = state.bytes.len();
        for slice in bytes {
            let room = ROOM.saturating_sub(state.bytes.len()).min(slice.len());
            state.bytes.extend_from_slice(&slice[..room]);
        }
        let written = state.bytes.len() - before;
        if written == 0 && bytes.iter().any(|slice| !slice.is_empty()) {
            state.writer = waker.cloned();
            return Err(ErrorKind::WouldBlock.into());
        }
        wake(state, |state| &mut state.reader);
        Ok(written)
    }

    fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        wake(state, |state| &mut state.reader);
    }
}

/// Wakes one of the two, outside of the lock.
fn wake(mut state: MutexGuard<'_, State>, whom: impl FnOnce(&mut State) -> &mut Option<Waker>) {
    let waker = whom(&mut state).take();
    drop(state);
    waker.into_iter().for_each(Waker::wake);
}

impl ByteWriter for Writer {
    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write(bytes, None)
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.0.write(bytes, Some(cx.waker())) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
            written => Poll::Ready(written),
        }
    }

    /// Becomes ready once the reader of the answer has all of it.
    fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.end();
        let mut state = self.0.lock();
        if state.done {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut state = self.pipe.lock();
        if !state.bytes.is_empty() {
            let bytes = std::mem::take(&mut state.bytes);
            wake(state, |state| &mut state.writer);
            return Poll::Ready(Some(Ok(Frame::data(bytes.into()))));
        }
        if state.ended {
            state.done = true;
            wake(state, |state| &mut state.writer);
            return Poll::Ready(None);
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        // The session hears the reason for its end before it hears that nobody reads.
        drop(self.place.take());
        let mut state = self.pipe.lock();
        state.done = true;
        wake(state, |state| &mut state.writer);
    }
}

impl std::fmt::Debug for StreamBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamBody").finish_non_exhaustive()
    }
}
