//! Keeps a session between its polls: what waits for the next one, and whether one waits.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::time::within;
use async_channel::{Receiver, Sender};
use chat_core::Close;
use chat_core::runtime::{Instant, Runtime};
use chat_core::transport::{Frame, Incoming, InputError, Kind};
use futures::Sink;
use futures::future::select;

/// Limits how long a poll waits for something to answer (long_poll.ex).
const POLL: Duration = Duration::from_secs(10);

/// Limits how long a session lasts that nobody polls, once its client has waited for an answer.
const WINDOW: Duration = Duration::from_secs(30);

/// Limits what one answer holds beside its first frame. The rest waits in the session's outbox, within its
/// bounds.
const FRAMES: usize = 256;
const BYTES: usize = 64 * 1024;

/// Limits the messages of a client that wait for its session.
const WAITING: usize = 16;

/// Holds a session's frames until a poll takes them, and takes in its client's messages.
pub(super) struct Mailbox {
    runtime: Arc<dyn Runtime>,
    state: Mutex<State>,
    input: Sender<Result<Incoming, InputError>>,
}

struct State {
    frames: Vec<Frame>,
    bytes: usize,
    /// Holds the close that the session has sent.
    close: Option<Close>,
    over: bool,
    /// Counts polls: only the last one is served.
    turn: u64,
    polling: usize,
    /// Tells when the last poll ended, and `patience` how long the next may take to come.
    seen: Instant,
    patience: Duration,
    /// Tells that a poll was answered; `confirmed`, that another came after it: the client is there and polls
    /// on.
    answered: bool,
    confirmed: bool,
    /// Tells that the session is to end before its time is over.
    forgotten: bool,
    wakers: Wakers,
}

/// Wakes those who wait for a change.
#[derive(Default)]
struct Wakers {
    /// Wakes the last poll; those before it have been answered that another took their place.
    poll: Option<Waker>,
    /// Wakes the session's task for its end.
    task: Option<Waker>,
    /// Wakes the session's task when there is room.
    sink: Option<Waker>,
}

/// Answers a poll.
pub(super) enum Next {
    /// These frames waited.
    Frames(Vec<Frame>),
    /// Nothing came in time, or another poll took its place.
    Nothing,
    /// The session is over.
    Over(Option<Close>),
}

/// Takes the frames of a session.
pub(super) struct Outlet(pub(super) Arc<Mailbox>);

impl Mailbox {
    /// Makes a mailbox, and the messages that come in. The next poll may take so long to come, until one is
    /// answered.
    pub(super) fn new(
        runtime: Arc<dyn Runtime>,
        patience: Duration,
    ) -> (Arc<Self>, Receiver<Result<Incoming, InputError>>) {
        let (input, messages) = async_channel::bounded(WAITING);
        let state = State {
            frames: Vec::new(),
            bytes: 0,
            close: None,
            over: false,
            turn: 0,
            polling: 0,
            seen: runtime.instant(),
            patience,
            answered: false,
            confirmed: false,
            forgotten: false,
            wakers: Wakers::default(),
        };
        (Arc::new(Self { runtime, state: Mutex::new(state), input }), messages)
    }

    /// Runs its session to the end. Drops one that nobody polls any more, as one whose transport is lost.
    pub(super) async fn run(&self, session: impl Future<Output = Close>) {
        select(pin!(session), pin!(self.forgotten())).await;
    }

    /// Tells polls that the session is over.
    pub(super) fn end(&self) {
        self.change(|state| state.over = true);
    }

    /// Returns whether the client has shown that it polls on.
    pub(super) fn is_confirmed(&self) -> bool {
        self.state().confirmed
    }

    pub(super) fn is_over(&self) -> bool {
        self.state().over
    }

    /// Ends the session, as if nobody had polled for too long.
    pub(super) fn forget(&self) {
        self.end();
        let mut state = self.state();
        state.forgotten = true;
        wake(state, |wakers| &mut wakers.task);
    }

    /// Hands a message to the session, and waits while that has enough to do. Returns false if it is over.
    pub(super) async fn receive(&self, item: Result<Incoming, InputError>) -> bool {
        self.input.send(item).await.is_ok()
    }

    /// Waits for what is next. Dropping this future loses nothing.
    pub(super) async fn next(&self) -> Next {
        let polling = Polling::begin(self);
        let waiting = poll_fn(|cx| self.poll_take(polling.turn, cx));
        let next = within(&*self.runtime, POLL, waiting).await.unwrap_or(Next::Nothing);
        let mut state = self.state();
        (state.answered, state.patience) = (true, WINDOW);
        drop(state);
        if matches!(next, Next::Over(_)) {
            // This answers the session's close.
            self.input.close();
        }
        next
    }

    fn poll_take(&self, turn: u64, cx: &Context<'_>) -> Poll<Next> {
        let mut state = self.state();
        if state.turn != turn {
            return Poll::Ready(Next::Nothing);
        }
        if !state.frames.is_empty() {
            state.bytes = 0;
            let frames = std::mem::take(&mut state.frames);
            wake(state, |wakers| &mut wakers.sink);
            return Poll::Ready(Next::Frames(frames));
        }
        if state.over || state.close.is_some() {
            return Poll::Ready(Next::Over(state.close.clone()));
        }
        state.wakers.poll = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ready when nobody has polled for too long.
    async fn forgotten(&self) {
        while let Some(left) = self.patience() {
            let told = within(&*self.runtime, left, poll_fn(|cx| self.poll_forgotten(cx))).await;
            if told.is_some() {
                return;
            }
        }
    }

    fn poll_forgotten(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.forgotten {
            return Poll::Ready(());
        }
        state.wakers.task = Some(cx.waker().clone());
        Poll::Pending
    }

    fn patience(&self) -> Option<Duration> {
        let now = self.runtime.instant();
        let state = self.state();
        if state.polling > 0 {
            return Some(state.patience);
        }
        let elapsed = now.saturating_duration_since(state.seen);
        Some(state.patience.saturating_sub(elapsed)).filter(|left| !left.is_zero())
    }

    /// Changes the state, and wakes the poll that waits.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let changed = change(&mut state);
        wake(state, |wakers| &mut wakers.poll);
        changed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes one of them, outside of the lock.
fn wake(mut state: MutexGuard<'_, State>, whom: impl FnOnce(&mut Wakers) -> &mut Option<Waker>) {
    let waker = whom(&mut state.wakers).take();
    drop(state);
    waker.into_iter().for_each(Waker::wake);
}

impl State {
    fn has_room(&self) -> bool {
        self.frames.len() < FRAMES && self.bytes < BYTES
    }

    fn push(&mut self, frame: Frame) {
        self.bytes += frame.as_ref().len();
        self.frames.push(frame);
    }
}

/// Stands for a poll that waits.
struct Polling<'a> {
    mailbox: &'a Mailbox,
    turn: u64,
}

impl<'a> Polling<'a> {
    fn begin(mailbox: &'a Mailbox) -> Self {
        let turn = mailbox.change(|state| {
            state.polling += 1;
            state.turn += 1;
            state.confirmed |= state.answered;
            state.turn
        });
        Self { mailbox, turn }
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        let now = self.mailbox.runtime.instant();
        let mut state = self.mailbox.state();
        state.polling -= 1;
        state.seen = now;
    }
}

impl Sink<Frame> for Outlet {
    type Error = Infallible;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        let mut state = self.0.state();
        if state.has_room() {
            return Poll::Ready(Ok(()));
        }
        state.wakers.sink = Some(cx.waker().clone());
        wake(state, |wakers| &mut wakers.poll);
        Poll::Pending
    }

    fn start_send(self: Pin<&mut Self>, frame: Frame) -> Result<(), Infallible> {
        match frame.kind() {
            Kind::Text | Kind::Binary => self.0.state().push(frame),
            Kind::Close => self.0.state().close = Some(frame.close().unwrap_or(Close::NORMAL)),
            // Its polls show whether the client is there. Without room, messages of its own wait.
            Kind::Ping => drop(self.0.input.try_send(Ok(Incoming::Pong))),
            Kind::Pong => {}
        }
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.change(|_| ());
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.change(|state| state.over = true);
        Poll::Ready(Ok(()))
    }
}
