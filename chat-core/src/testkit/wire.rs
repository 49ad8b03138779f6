//! Provides one connection in memory, with all that can go wrong on it.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures::{Sink, Stream};

use crate::lock::lock;
use crate::model::{Close, Frame, Incoming, InputError, Kind};
use crate::port::{ByteWriter, Framing};

/// Holds a connection in memory. The server's ends of it are [`input`](Self::input), and [`sink`](Self::sink)
/// or [`writer`](Self::writer).
///
/// The client's end answers pings and a close as a decent client does, unless told not to. Cloning a wire is
/// cheap; the clones are one connection.
#[derive(Clone, Debug, Default)]
pub struct Wire(Arc<Mutex<State>>);

/// Holds a frame that the server sent. As text, a control frame is `ping`, `pong` or `close 1000 reason`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a frame is a kind and a payload")]
pub struct Heard {
    /// Holds the kind of the frame.
    pub kind: Kind,
    /// Holds the payload of the frame.
    pub payload: Vec<u8>,
}

/// Frames the bytes of [`Wire::writer`]: a byte for the kind, four for the length, then the payload.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to set")]
pub struct Marked;

/// Reads what the client of a [`Wire`] sends, on the server's side.
#[derive(Debug)]
pub struct WireInput(Wire);

/// Takes the server's frames for a [`Wire`], one by one.
#[derive(Debug)]
pub struct WireSink(Wire);

/// Takes the server's bytes for a [`Wire`], in the framing [`Marked`].
#[derive(Debug)]
pub struct WireWriter(Wire);

#[derive(Debug, Default)]
struct State {
    said: VecDeque<Result<Incoming, InputError>>,
    ended: bool,
    reader: Option<Waker>,
    heard: VecDeque<Heard>,
    /// Holds the bytes of a frame that is not complete yet.
    begun: Vec<u8>,
    /// Holds how many bytes the transport takes before it is full; none if it never is.
    room: Option<usize>,
    broken: bool,
    shut: bool,
    /// Counts how often the server used its writing end.
    touches: u64,
    writer: Option<Waker>,
    ignores_pings: bool,
    ignores_close: bool,
}

impl Wire {
    /// Returns the server's reading end.
    pub fn input(&self) -> WireInput {
        WireInput(self.clone())
    }

    /// Returns the server's writing end, for frames.
    pub fn sink(&self) -> WireSink {
        WireSink(self.clone())
    }

    /// Returns the server's writing end, for bytes.
    pub fn writer(&self) -> WireWriter {
        WireWriter(self.clone())
    }

    /// Puts an item where the server reads it: a message of the client, or a failure of its transport.
    pub fn put(&self, item: Result<Incoming, InputError>) {
        self.change(|state| state.said.push_back(item));
    }

    /// Cuts the connection without a close: the server reads the end, and its writes fail.
    pub fn cut(&self) {
        self.change(|state| (state.ended, state.broken) = (true, true));
    }

    /// Stalls the transport, which takes no more.
    pub fn stall(&self) {
        self.give_room(0);
    }

    /// Lets the transport take `bytes` bytes, then no more. A frame in a sink is taken whole if there is room
    /// for a byte of it.
    pub fn give_room(&self, bytes: usize) {
        self.change(|state| state.room = Some(bytes));
    }

    /// Lets the transport take all there is, as it does at first.
    pub fn flow(&self) {
        self.change(|state| state.room = None);
    }

    /// Breaks the writing end: every write fails from now on, though the input does not end.
    pub fn break_writes(&self) {
        self.change(|state| state.broken = true);
    }

    /// Leaves the server's pings without an answer.
    pub fn ignore_pings(&self) {
        self.change(|state| state.ignores_pings = true);
    }

    /// Leaves the server's close without an answer.
    pub fn ignore_close(&self) {
        self.change(|state| state.ignores_close = true);
    }

    /// Returns the next frame that the server sent; none if there is none.
    pub fn next(&self) -> Option<Heard> {
        lock(&self.0).heard.pop_front()
    }

    /// Returns whether the server has closed its writing end.
    pub fn is_shut(&self) -> bool {
        lock(&self.0).shut
    }

    /// Returns how often the server has used its writing end.
    pub fn touches(&self) -> u64 {
        lock(&self.0).touches
    }

    fn touch(&self) {
        lock(&self.0).touches += 1;
    }

    /// Changes the state, and wakes both ends once the lock is free.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let wakers = {
            let mut state = lock(&self.0);
            change(&mut state);
            [state.reader.take(), state.writer.take()]
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    fn poll_room(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut state = lock(&self.0);
        state.touches += 1;
        match state.room {
            _ if state.broken => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Some(0) => {
                state.writer = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    fn shut(&self) {
        self.touch();
        self.change(|state| (state.shut, state.ended) = (true, true));
    }
}

impl State {
    fn take_room(&mut self, wanted: usize) -> usize {
        let taken = self.room.map_or(wanted, |room| room.min(wanted));
        self.room = self.room.map(|room| room - taken);
        taken
    }

    /// Receives a frame, and answers it as a decent client does.
    fn hear(&mut self, heard: Heard) {
        match heard.kind {
            Kind::Ping if !self.ignores_pings => self.said.push_back(Ok(Incoming::Pong)),
            Kind::Close if !self.ignores_close => {
                let code = heard.payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                self.said.push_back(Ok(Incoming::Close(code)));
            }
            _ => {}
        }
        self.heard.push_back(heard);
    }

    fn hear_bytes(&mut self, bytes: &[u8]) {
        self.begun.extend_from_slice(bytes);
        while let Some((heard, end)) = Marked::parse(&self.begun) {
            self.begun.drain(..end);
            self.hear(heard);
        }
    }
}

const KINDS: [Kind; 5] = [Kind::Text, Kind::Binary, Kind::Ping, Kind::Pong, Kind::Close];

impl Marked {
    fn parse(bytes: &[u8]) -> Option<(Heard, usize)> {
        let (kind, rest) = bytes.split_first()?;
        let (length, rest) = rest.split_first_chunk()?;
        let payload = rest.get(..u32::from_be_bytes(*length) as usize)?.to_vec();
        let end = 5 + payload.len();
        Some((Heard { kind: KINDS[usize::from(*kind)], payload }, end))
    }
}

impl Framing for Marked {
    fn name(&self) -> &'static str {
        "marked"
    }

    fn frame(&self, kind: Kind, payload: &[u8], out: &mut Vec<u8>) {
        let kind = KINDS.iter().position(|known| *known == kind).expect("every kind is known");
        out.push(kind as u8);
        out.extend((payload.len() as u32).to_be_bytes());
        out.extend_from_slice(payload);
    }

    fn answers_pings(&self) -> bool {
        true
    }

    fn answers_closes(&self) -> bool {
        true
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Text | Kind::Binary => f.write_str(&String::from_utf8_lossy(&self.payload)),
            Kind::Ping => f.write_str("ping"),
            Kind::Pong => f.write_str("pong"),
            Kind::Close => match self.payload.split_first_chunk() {
                Some((code, reason)) => {
                    let reason = String::from_utf8_lossy(reason).into_owned();
                    write!(f, "close {}", Close::new(u16::from_be_bytes(*code), reason))
                }
                None => f.write_str("close"),
            },
        }
    }
}

impl Stream for WireInput {
    type Item = Result<Incoming, InputError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = lock(&self.0.0);
        match state.said.pop_front() {
            Some(item) => Poll::Ready(Some(item)),
            None if state.ended => Poll::Ready(None),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Sink<Frame> for WireSink {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_room(cx)
    }

    fn start_send(self: Pin<&mut Self>, frame: Frame) -> io::Result<()> {
        self.0.touch();
        let heard = Heard { kind: frame.kind(), payload: frame.as_ref().to_vec() };
        self.0.change(|state| {
            state.take_room(heard.payload.len().max(1));
            state.hear(heard);
        });
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.touch();
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.shut();
        Poll::Ready(Ok(()))
    }
}

impl ByteWriter for WireWriter {
    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.touch();
        if lock(&self.0.0).broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let all = bytes.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<_>>();
        let mut taken = 0;
        self.0.change(|state| {
            taken = state.take_room(all.len());
            state.hear_bytes(&all[..taken]);
        });
        if taken == 0 && !all.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        futures::ready!(self.0.poll_room(cx))?;
        Poll::Ready(self.try_write(bytes))
    }

    fn poll_close(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.shut();
        Poll::Ready(Ok(()))
    }
}
