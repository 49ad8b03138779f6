//! Tests streams that keep written bytes until they are flushed, as TLS does: bursts and closes arrive to the
//! last byte, and a client that takes nothing is closed.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chat_core::protocol::Handshake;
use chat_core::runtime::Runtime;
use chat_core::testkit::World;
use chat_core::{Close, Hub, Limits, OpenChat, Payload};
use chat_http::Opening;
use chat_tests::raw::frame;
use futures::future::BoxFuture;
use tokio::io::ReadBuf;

/// Bounds the bytes that the stream keeps.
const KEPT: usize = 4096;

/// Names the stream's other behaviour.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// Takes as much as the stream has room for, and sends as much as its peer has room for.
    Plain,
    /// Takes a byte at a time, and sends one at a time.
    Bytewise,
    /// Is pending every other time, although the stream could continue.
    Spurious,
}

const MANNERS: [Manner; 3] = [Manner::Plain, Manner::Bytewise, Manner::Spurious];

/// Holds both ends of a stream.
#[derive(Clone)]
struct Stream {
    manner: Manner,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    said: VecDeque<u8>,
    reader: Option<Waker>,
    kept: Vec<u8>,
    sent: Vec<u8>,
    room: usize,
    writer: Option<Waker>,
    asked: bool,
    ended: bool,
}

impl Stream {
    fn new(manner: Manner) -> Self {
        Self { manner, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    fn say(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.said.extend(bytes);
        let waker = state.reader.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Has room for so much more.
    fn take(&self, bytes: usize) {
        let mut state = self.state();
        state.room += bytes;
        let waker = state.writer.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    fn read(&self, cx: &mut Context<'_>, most: usize) -> Poll<Vec<u8>> {
        let mut state = self.state();
        if state.said.is_empty() {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = most.min(state.said.len());
        Poll::Ready(state.said.drain(..n).collect())
    }

    fn balks(&self, cx: &Context<'_>) -> bool {
        let mut state = self.state();
        state.asked = !state.asked;
        let balks = matches!(self.manner, Manner::Spurious) && state.asked;
        if balks {
            cx.waker().wake_by_ref();
        }
        balks
    }

    fn write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.balks(cx) {
            return Poll::Pending;
        }
        if self.state().kept.len() >= KEPT {
            let _ = self.send(cx);
        }
        let mut state = self.state();
        if state.kept.len() >= KEPT {
            return Poll::Pending;
        }
        let room = KEPT - state.kept.len();
        let n = bytes.len().min(if matches!(self.manner, Manner::Bytewise) { 1 } else { room });
        state.kept.extend_from_slice(&bytes[..n]);
        Poll::Ready(Ok(n))
    }

    fn flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.balks(cx) { Poll::Pending } else { self.send(cx) }
    }

    fn send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        let n = state.room.min(state.kept.len());
        let n = if matches!(self.manner, Manner::Bytewise) { n.min(1) } else { n };
        state.room -= n;
        let sent: Vec<_> = state.kept.drain(..n).collect();
        state.sent.extend(sent);
        if state.kept.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if state.room > 0 {
            cx.waker().wake_by_ref();
        } else {
            state.writer = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn end(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures::ready!(self.flush(cx))?;
        self.state().ended = true;
        Poll::Ready(Ok(()))
    }
}

/// Returns the first slice that is not empty.
fn first<'a>(bytes: &'a [IoSlice<'_>]) -> &'a [u8] {
    bytes.iter().find(|slice| !slice.is_empty()).map_or(&[], |slice| slice)
}

impl tokio::io::AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.read(cx, buffer.remaining()).map(|bytes| {
            buffer.put_slice(&bytes);
            Ok(())
        })
    }
}

impl tokio::io::AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end(cx)
    }
}

impl futures::io::AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.read(cx, buffer.len()).map(|bytes| {
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        })
    }
}

impl futures::io::AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, first(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end(cx)
    }
}

type Run = fn(Opening, Stream) -> BoxFuture<'static, Close>;

fn boxed(session: impl Future<Output = Close> + Send + 'static) -> BoxFuture<'static, Close> {
    Box::pin(session)
}

const ADAPTERS: [Run; 2] = [
    |opening, stream| boxed(chat_tokio_adapter::run_io(opening, stream, Vec::new())),
    |opening, stream| boxed(chat_async_std_adapter::run_io(opening, stream, Vec::new())),
];

/// Holds a member of `room` on such a stream.
struct Scene {
    world: World,
    hub: Hub,
    stream: Stream,
}

/// Plays a scene with every adapter, on every kind of stream.
fn each(play: impl Fn(Scene)) {
    for run in ADAPTERS {
        for manner in MANNERS {
            play(Scene::new(run, manner));
        }
    }
}

impl Scene {
    fn new(run: Run, manner: Manner) -> Self {
        let limits = Limits::default().with_ping_interval(Duration::ZERO);
        let (world, stream) = (World::new(), Stream::new(manner));
        let hub = Hub::builder(OpenChat::default()).limits(limits).build(world.clone());
        let opener = Handshake::new(Some("name=ann"), &[]);
        let opening = chat_tokio_adapter::gate(hub.clone()).admit(&opener).expect("anybody is welcome");
        let session = run(opening, stream.clone());
        world.spawn(Box::pin(async { drop(session.await) }));
        stream.say(&frame(0x81, br#"{"type":"subscribe","channelId":"room"}"#));
        let scene = Self { world, hub, stream };
        scene.take(1 << 20);
        assert!(String::from_utf8_lossy(&scene.heard()).contains("subscribed"));
        scene.stream.state().room = 0;
        scene
    }

    fn publish(&self, bytes: usize) {
        let content = Payload::json(format!("\"{}\"", "^".repeat(bytes)));
        self.hub.publish("room", content).expect("a name");
    }

    fn take(&self, bytes: usize) {
        self.stream.take(bytes);
        // A stream that sends a byte a turn takes its turns.
        while self.world.turn() {}
    }

    fn heard(&self) -> Vec<u8> {
        std::mem::take(&mut self.stream.state().sent)
    }
}

#[test]
fn a_burst_arrives_to_its_last_byte_without_waiting_for_anything_else() {
    each(|scene| {
        let begin = scene.world.instant();
        // A byte a turn takes its turns.
        let bursts = if matches!(scene.stream.manner, Manner::Bytewise) { 3 } else { 45 };
        (0..bursts).for_each(|_| scene.publish(20_000));
        let mut heard = Vec::new();
        for _ in 0..10 {
            scene.take(100_000);
            heard.extend(scene.heard());
        }
        assert_eq!(
            heard.iter().filter(|byte| **byte == b'^').count(),
            bursts * 20_000,
            "{:?}",
            scene.stream.manner
        );
        assert_eq!(scene.world.instant(), begin);
    });
}

#[test]
fn what_is_said_while_a_flush_waits_goes_after_it() {
    each(|scene| {
        scene.publish(10);
        scene.take(5);
        scene.publish(20);
        scene.take(1000);
        assert_eq!(scene.heard().iter().filter(|byte| **byte == b'^').count(), 30);
    });
}

#[test]
fn a_close_is_flushed_before_its_answer_is_waited_for() {
    each(|scene| {
        scene.publish(20_000);
        scene.hub.disconnect_user(&"ann".parse().expect("a name"), &Close::new(3500, "out"));
        scene.take(30_000);
        assert!(scene.heard().ends_with(b"\x88\x05\x0d\xacout"), "{:?}", scene.stream.manner);
        assert!(!scene.stream.state().ended, "the peer is waited for");
        scene.stream.say(&frame(0x88, &3500_u16.to_be_bytes()));
        // After so many turns for single bytes its answer is read at leisure.
        scene.world.advance(Duration::from_millis(20));
        assert!(scene.stream.state().ended);
        assert_eq!(scene.hub.stats().sessions, 0);
    });
}

#[test]
fn a_peer_that_does_not_take_what_the_stream_keeps_is_closed_as_slow() {
    each(|scene| {
        let limits = scene.hub.limits().clone();
        scene.publish(10);
        scene.take(5);
        scene.world.advance(limits.write_timeout / 2);
        assert_eq!(scene.hub.stats().sessions, 1);
        scene.world.advance(limits.write_timeout + limits.close_timeout);
        let stats = scene.hub.stats();
        assert_eq!(stats.sessions, 0, "{:?}", scene.stream.manner);
        assert_eq!(stats.closes.get(&3008), Some(&1));
    });
}
