//! Runs one session on its transport, as a future that ends when the session does.

mod deadlines;
mod format;
mod timer;

use std::fmt;
use std::future::Future;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{Sink, Stream};

use self::format::Manners;
use crate::driver::caught::caught;
use crate::driver::connection::timer::Alarm;
use crate::driver::hub::memory::shed_load;
use crate::driver::hub::permit::{Early, Permit};
use crate::driver::outbox::control::{Control, Manner};
use crate::driver::outbox::outlet::{ByteOutlet, Outlet, SinkOutlet};
use crate::driver::outbox::{Origin, Outbox};
use crate::driver::session::{Session, Step};
use crate::machine::{Act, Closing, Peer, Timer, Turn};
use crate::model::{Close, Frame, Incoming, InputError, Message, or_never};
use crate::port::{Answers, ByteWriter, Credentials, Framing, Greeting, Protocol, Unframed};

/// Runs one session on its transport, from its first frame to its last: a future that a runtime is to poll,
/// and that ends with the reason.
///
/// Dropping it is safe at any time: the session leaves its channels and the endpoint is told; the peer sees
/// a lost connection.
pub struct Connection<I, O = ByteOutlet> {
    session: Session,
    input: I,
    output: O,
    alarm: Alarm,
    closing: Closing,
    /// Identifies what the transport had not taken when it was last seen to stall.
    stalled: Option<NonZeroU64>,
    answers: Answers,
    /// Is true while nothing is read or begun until the transport has taken what was answered.
    held: bool,
    /// Counts the bytes that may still be read to learn that the peer closes.
    farewell: usize,
}

impl<I, O> fmt::Debug for Connection<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Connection");
        shown.field("session", &self.session.permit.id()).field("closing", &self.closing);
        shown.finish_non_exhaustive()
    }
}

/// Bounds the bytes that a peer may have sent before it learned of the end: they are read as they come, and
/// what comes behind them once in a [`PAUSE`].
const UNDER_WAY: usize = 1024 * 1024;
const PAUSE: Duration = Duration::from_millis(10);

/// Sets how many bytes a transport counts as having read when it gives nothing; a message counts as at least
/// [`LEAST`].
const POLL: usize = 16 * 1024;
const LEAST: usize = 64;

/// Bounds the requests that may wait for a hook before no more input is read.
const INBOX: usize = 64;

impl<I, S> Connection<I, SinkOutlet<S>>
where
    I: Stream<Item = Result<Incoming, InputError>> + Unpin,
    S: Sink<Frame> + Unpin,
{
    /// Runs a session over any stream of messages and any sink of frames, which marks where each begins and
    /// ends.
    ///
    /// The stream gives every message of the peer, and ends when the peer's side does; frames of
    /// [`Kind::Close`](crate::transport::Kind::Close) go into the sink, which is closed after the last.
    /// Nothing is waited for that a transport may not have: no pings are sent, and the end is over once it
    /// is written. A transport that has more is described with [`answered`](Self::answered).
    ///
    /// A message has at most [`Protocol::message_bytes`]. A longer one, or a text that is no UTF-8, is
    /// handed in as [`InputError::Refused`] with [`Close::TOO_BIG`] or [`Close::INVALID_PAYLOAD`]; the
    /// stream is read on until it ends. A part of a message is an [`Incoming::Part`], so that a slow one is
    /// no silence. The core answers each [`Incoming::Ping`]. [`Permit::of_peer`] and [`Permit::with`] tell
    /// who comes.
    ///
    /// Neither has to be `Send`: where one is not, the future is not either, and a runtime of one thread
    /// runs it. If the sink fails, the session is lost.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use chat_core::testkit::{Script, World};
    /// # use chat_core::{Hub, OpenChat};
    /// # use chat_core::protocol::Credentials;
    /// # use chat_core::transport::{Connection, Frame, Incoming};
    /// # let world = World::new();
    /// # let hub = Hub::builder(OpenChat::default()).build(world.clone());
    /// let input = [Incoming::Text("connect ann".into()), Incoming::Close(Some(1000))].map(Ok);
    /// let (sink, frames) = futures::channel::mpsc::unbounded::<Frame>();
    /// let (permit, input) = (hub.acceptor().permit()?, futures::stream::iter(input));
    /// let connection = Connection::over_sink(permit, Arc::new(Script), Credentials::Later, input, sink);
    /// assert_eq!(world.run(connection).code(), 1000);
    /// let frames: Vec<_> = world.run(futures::StreamExt::collect(frames));
    /// assert_eq!(frames[0].as_str(), Some("connected 1 ann"));
    /// # Ok::<(), chat_core::transport::Full>(())
    /// ```
    pub fn over_sink(
        permit: Permit,
        protocol: Arc<dyn Protocol>,
        credentials: Credentials,
        input: I,
        sink: S,
    ) -> Self {
        Self::new(permit, protocol, Arc::new(Unframed), credentials, input, SinkOutlet::new(sink), None)
    }
}

impl<I> Connection<I, ByteOutlet>
where
    I: Stream<Item = Result<Incoming, InputError>> + Unpin,
{
    /// Runs a session over a stream of messages and a transport that can write without waiting: what is
    /// published is then written by whoever publishes it.
    pub fn over_bytes(
        permit: Permit,
        protocol: Arc<dyn Protocol>,
        framing: Arc<dyn Framing>,
        credentials: Credentials,
        input: I,
        writer: Arc<dyn ByteWriter>,
    ) -> Self {
        let outlet = ByteOutlet::new(writer.clone());
        Self::new(permit, protocol, framing, credentials, input, outlet, Some(writer))
    }
}

#[expect(private_bounds, reason = "there are two ways out, and no third to be written outside")]
impl<I, O> Connection<I, O>
where
    I: Stream<Item = Result<Incoming, InputError>> + Unpin,
    O: Outlet,
{
    /// Sets what the transport's peers answer, in place of what the framing says; [`Answers`] tells what is
    /// then to come in. This is to be called before the connection is run.
    pub fn answered(self, answers: Answers) -> Self {
        let mut closing = self.closing;
        closing.set_answers(answers.closes);
        Self { answers, closing, ..self }
    }

    fn new(
        mut permit: Permit,
        protocol: Arc<dyn Protocol>,
        framing: Arc<dyn Framing>,
        credentials: Credentials,
        input: I,
        output: O,
        writer: Option<Arc<dyn ByteWriter>>,
    ) -> Self {
        let (shared, early) = (permit.shared().clone(), permit.take_early());
        let Manners { codec, encoding, greeting, answers, broken } = Manners::of(&permit, protocol, framing);
        let origin = Origin { since: shared.runtime.instant(), peer: permit.peer() };
        let outbox = Arc::new(Outbox::new(permit.id(), encoding, writer, shared.memory.clone(), origin));
        if permit.sit(outbox.clone()) {
            outbox.request_close(Close::GOING_AWAY, Manner::Graceful);
        }
        if broken {
            outbox.request_close(Close::SERVER_ERROR, Manner::Graceful);
        }
        let mut connection = Self {
            session: Session::new(Arc::new(permit), outbox, codec),
            input,
            output,
            alarm: Alarm::new(shared),
            closing: Closing::new(answers.closes),
            stalled: None,
            answers,
            held: false,
            farewell: UNDER_WAY,
        };
        connection.greet(credentials, greeting, early);
        connection
    }

    fn greet(&mut self, credentials: Credentials, greeting: Greeting, early: Early) {
        let limits = &self.session.shared().limits;
        let (open, ping) = (limits.open_timeout, limits.ping_interval);
        self.alarm.set(Timer::Open, or_never(open));
        self.alarm.set(Timer::Ping, or_never(ping));
        self.session.greet(credentials, greeting, early);
    }

    /// Carries out what others ordered of the session.
    fn apply_control(&mut self) {
        let Control { close, orders } = self.session.outbox.take_control();
        if self.closing.is_open() && !orders.is_empty() {
            self.session.outbox.cork();
            orders.into_iter().for_each(|order| self.session.carry_out_order(order));
            self.session.outbox.uncork();
        }
        if let Some((close, manner)) = close {
            self.end(close, manner);
        }
    }

    /// Handles what can be handled now, within the turn's budget, and writes all of it at the end.
    fn poll_input(&mut self, cx: &mut Context<'_>) {
        self.session.outbox.cork();
        let mut turn = Turn::new(&self.session.shared().limits);
        while self.closing.is_open() && self.poll_once(cx, &mut turn).is_ready() {}
        self.session.come_in(cx);
        self.session.flush();
        self.session.catch_up();
        self.session.outbox.uncork();
        shed_load(self.session.shared());
        if self.closing.is_open() {
            self.alarm.put(Timer::Expiry, self.session.expires());
        }
    }

    /// Handles one request, or one message from the transport. It is pending when there is neither, or the
    /// turn is over.
    fn poll_once(&mut self, cx: &mut Context<'_>, turn: &mut Turn) -> Poll<()> {
        // A hook that was begun goes on whatever holds up the next request: it may hold what others wait for.
        let waits = self.begins_nothing();
        if waits && !self.session.is_asking() {
            return Poll::Pending;
        }
        match self.session.step(cx) {
            Step::Done => return Poll::Ready(()),
            Step::Left(id, channel) => {
                self.session.outbox.uncork();
                let _ = self.output.poll_write(cx, &self.session.outbox);
                self.session.outbox.cork();
                self.session.finish_leaving(id, channel);
                return Poll::Ready(());
            }
            Step::End(close) => {
                self.end(close, Manner::Graceful);
                return Poll::Ready(());
            }
            Step::Idle => {}
        }
        if waits || self.session.waiting() >= INBOX {
            return Poll::Pending;
        }
        if turn.is_spent() {
            self.session.shared().metrics.cut_short("turn");
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(room) = self.session.unread_until() {
            if !self.alarm.is_set(Timer::Read) {
                self.session.shared().metrics.cut_short("requests");
            }
            self.alarm.put(Timer::Read, Some(room));
            return Poll::Pending;
        }
        let read = self.read(cx);
        if read.is_pending() {
            self.session.caught_up();
        }
        read.map(|item| self.take_in(item, turn))
    }

    /// Reads from the transport, which is lost if it panics.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Incoming, InputError>>> {
        let polled = caught(|| Pin::new(&mut self.input).poll_next(cx));
        polled.unwrap_or(Poll::Ready(Some(Err(InputError::Disconnected))))
    }

    fn take_in(&mut self, item: Option<Result<Incoming, InputError>>, turn: &mut Turn) {
        self.alarm.clear(Timer::Pong);
        let heard = match item {
            Some(Ok(incoming)) => {
                turn.spend(incoming.len());
                match incoming {
                    Incoming::Text(text) => self.session.receive(Message::Text(&text)),
                    Incoming::Binary(bytes) => self.session.receive(Message::Binary(&bytes)),
                    Incoming::Ping(payload) => self.session.receive_ping(&payload),
                    Incoming::Pong => self.session.count_control_frame(),
                    Incoming::Part => Ok(()),
                    Incoming::Close(code) => {
                        self.closing.heard(Peer::Closed);
                        return self.end(
                            code.map_or(Close::NO_STATUS, |code| Close::new(code, "")),
                            Manner::Graceful,
                        );
                    }
                }
            }
            Some(Err(InputError::Refused(close))) => {
                self.closing.heard(Peer::Ignored);
                Err(close)
            }
            Some(Err(InputError::Disconnected)) | None => {
                self.closing.heard(Peer::Gone);
                return self.lose();
            }
        };
        if let Err(close) = heard {
            self.end(close, Manner::Graceful);
        }
    }

    /// Begins the end, which is told to the peer.
    fn end(&mut self, close: Close, manner: Manner) {
        if self.session.drain(close, manner) {
            self.alarm.clear_all();
            self.stalled = None;
            // One deadline holds for all of it, whatever the peer takes now and then.
            let limits = &self.session.shared().limits;
            let patience = match manner {
                Manner::AtOnce => limits.close_timeout,
                Manner::Graceful => or_never(limits.write_timeout).saturating_add(limits.close_timeout),
            };
            self.alarm.set(Timer::Close, patience);
            self.closing.begin();
        }
    }

    /// Ends without a close frame, which nobody would receive.
    fn lose(&mut self) {
        self.session.drain(Close::DISCONNECTED, Manner::AtOnce);
        self.alarm.clear_all();
        self.closing.lose();
    }

    /// Drops what the peer still sends, to learn that it closes: what may have been under way when it was
    /// told is read at once, and the rest slowly.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) {
        let mut turn = Turn::new(&self.session.shared().limits);
        while self.closing.listens() {
            if self.farewell == 0 {
                self.alarm.set_at_most(Timer::Read, PAUSE);
                return;
            }
            if turn.is_spent() {
                cx.waker().wake_by_ref();
                return;
            }
            let read = self.read(cx);
            self.farewell = self.farewell.saturating_sub(match &read {
                Poll::Ready(Some(Ok(incoming))) => incoming.len().max(LEAST),
                _ => POLL,
            });
            match read {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(Incoming::Close(_)))) => self.closing.heard(Peer::Closed),
                Poll::Ready(Some(Ok(incoming))) => turn.spend(incoming.len()),
                Poll::Ready(Some(Err(InputError::Refused(_)))) => self.closing.heard(Peer::Ignored),
                Poll::Ready(Some(Err(InputError::Disconnected)) | None) => self.closing.heard(Peer::Gone),
            }
        }
    }

    /// Writes what waits, and continues the end as far as possible. It is ready when the connection is over.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut written = false;
        loop {
            if self.closing.is_written() && self.session.outbox.is_abandoned() {
                self.closing.lose();
            }
            match self.closing.next(written) {
                Act::Write => match self.output.poll_write(cx, &self.session.outbox) {
                    Poll::Ready(Ok(())) => {
                        self.written();
                        written = true;
                    }
                    Poll::Ready(Err(_)) => self.lose(),
                    Poll::Pending => {
                        self.watch_write();
                        return Poll::Pending;
                    }
                },
                Act::SayClose => {
                    self.say_close();
                    written = false;
                }
                Act::EndTransport => {
                    self.closing.ending();
                    ready!(self.output.poll_close(cx));
                    self.closing.ended();
                }
                Act::Wait => return Poll::Pending,
                Act::Over => {
                    self.closing.lose();
                    return Poll::Ready(());
                }
            }
        }
    }

    fn say_close(&mut self) {
        self.session.say_close();
        self.alarm.set_at_most(Timer::Close, self.session.shared().limits.close_timeout);
        self.closing.said();
    }
}

impl<I, O> Future for Connection<I, O>
where
    I: Stream<Item = Result<Incoming, InputError>> + Unpin,
    O: Outlet,
{
    type Output = Close;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Close> {
        let this = self.get_mut();
        loop {
            this.apply_control();
            if this.closing.is_open() {
                this.poll_input(cx);
            }
            // This does not replace the input: the end may just have begun, and nothing would wake this task
            // for the peer's answer.
            if !this.closing.is_open() && !this.closing.is_over() {
                this.poll_farewell(cx);
            }
            let _ = this.session.notify(cx);
            if this.poll_output(cx).is_ready() {
                return Poll::Ready(this.session.close().cloned().unwrap_or(Close::DISCONNECTED));
            }
            // Only now the task can be woken: a control that came before would wait for the next event.
            if this.session.outbox.has_control() {
                continue;
            }
            let room = this.held && !this.session.outbox.is_answered_enough();
            if this.closing.is_open() && (room || this.session.can_catch_up()) {
                cx.waker().wake_by_ref();
            }
            match this.alarm.poll(cx) {
                Poll::Ready(timer) => this.ring(timer),
                Poll::Pending if this.closing.is_over() => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
