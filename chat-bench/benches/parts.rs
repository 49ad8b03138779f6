//! Measures each step of a message's way alone. It finds what became slow; `compare` tells whether that
//! matters.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use chat_core::protocol::{Credentials, Message, Protocol, Requests};
use chat_core::runtime::Runtime;
use chat_core::testkit::{Audience, Marked, Script, Wire, World};
use chat_core::transport::{ByteWriter, Connection, Framing, Incoming, Kind};
use chat_core::{Connect, Hub, HubBuilder, Limits, OpenChat, Payload, Publish, Rate, SessionId};
use chat_protocol::json::Json;
use chat_websocket::WebSocket;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn hub() -> HubBuilder {
    let limits = Limits::default().with_requests(Rate::UNBOUNDED);
    Hub::builder(OpenChat::default()).limits(limits).history(100, Duration::from_secs(300))
}

fn content() -> Payload {
    Payload::json(format!("\"{}\"", "x".repeat(126)))
}

/// Decodes a client's publish, from text to request.
fn decode(criterion: &mut Criterion) {
    let text = format!(r#"{{"type":"publish","channelId":"room-1","content":"{}"}}"#, "x".repeat(126));
    let mut talk = Json.session_codec(SessionId(1), &Limits::default());
    criterion.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let mut requests = Requests::at_most(9);
            talk.decode(Message::Text(black_box(&text)), &mut requests);
            requests
        });
    });
}

/// Publishes into a channel that keeps 100 publications and has no subscribers.
fn publish(criterion: &mut Criterion) {
    let hub = hub().build(World::new());
    let what = Publish::to("room".parse().expect("a name"), content());
    criterion.bench_function("publish", |bencher| bencher.iter(|| hub.publish_with(what.clone())));
}

/// Delivers one and 16 publications to 1,000 subscribers that take everything; the time is that of a
/// delivery.
fn flush(criterion: &mut Criterion) {
    let audience = Audience::new(hub(), 1_000, &content());
    let mut group = criterion.benchmark_group("flush");
    for together in [1, 16] {
        let what = Publish::to(audience.channel().clone(), content());
        group.throughput(Throughput::Elements(1_000 * together));
        group.bench_function(format!("{together} to 1,000"), |bencher| {
            bencher.iter(|| audience.hub().publish_batch((0..together).map(|_| what.clone())));
        });
    }
}

/// Takes nothing and everything by turns.
#[derive(Default)]
struct Halting(AtomicBool);

impl ByteWriter for Halting {
    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.0.fetch_xor(true, Ordering::Relaxed) {
            return Ok(bytes.iter().map(|slice| slice.len()).sum());
        }
        Err(ErrorKind::WouldBlock.into())
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = self.try_write(bytes);
        if written.is_err() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(written)
    }

    fn poll_close(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Delivers 16 publications to a session whose transport is full at first: they wait, its task is woken, and
/// they are sent together.
fn outbox(criterion: &mut Criterion) {
    let world = World::new();
    let hub = hub().build(world.clone());
    let (seat, wire) = (hub.acceptor().permit().expect("room"), Wire::default());
    let credentials = Credentials::Now(Connect::default());
    let writer = Arc::new(Halting::default());
    let connection =
        Connection::over_bytes(seat, Arc::new(Script), Arc::new(Marked), credentials, wire.input(), writer);
    world.spawn(Box::pin(async move { drop(connection.await) }));
    wire.put(Ok(Incoming::Text("subscribe room".into())));
    world.settle();
    let what = Publish::to("room".parse().expect("a name"), content());
    criterion.bench_function("outbox", |bencher| {
        bencher.iter(|| {
            (0..16).for_each(|_| {
                hub.publish_with(what.clone());
            });
            world.settle();
        });
    });
}

/// Writes a payload of a publication's size as a WebSocket frame.
fn frame(criterion: &mut Criterion) {
    let (payload, mut out) = (vec![b'x'; 256], Vec::with_capacity(512));
    criterion.bench_function("frame", |bencher| {
        bencher.iter(|| {
            out.clear();
            WebSocket.frame(Kind::Text, black_box(&payload), &mut out);
        });
    });
}

criterion_group! {
    name = parts;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2)).without_plots();
    targets = decode, publish, flush, outbox, frame
}
criterion_main!(parts);
