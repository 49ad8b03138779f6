//! Bounds of HTTP other than the default hold for every transport that takes the hub with them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use chat_core::runtime::Runtime;
use chat_core::testkit::World;
use chat_core::{Hub, Limits, OpenChat};
use chat_http::{Gate, HttpHub, HttpLimits, LongPoll, Streams};
use chat_protocol::phoenix::Phoenix;
use http::Request;
use http_body::{Body, Frame};
use http_body_util::Empty;

const SECOND: Duration = Duration::from_secs(1);

fn bound(limits: Limits, http: HttpLimits) -> (World, HttpHub) {
    let world = World::new();
    let hub = Hub::builder(OpenChat::default()).limits(limits).build(world.clone());
    (world, HttpHub::new(hub, http))
}

/// A body that does not come.
struct Never;

impl Body for Never {
    type Data = &'static [u8];
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Infallible>>> {
        Poll::Pending
    }
}

#[test]
fn polls_take_the_share_of_the_sessions_that_is_theirs() {
    let (world, http) = bound(Limits::default().with_sessions(10), HttpLimits::default().with_poll_share(20));
    let poll = LongPoll::new(Gate::new(http.clone(), Phoenix::only_text()));
    for _ in 0..5 {
        let poll = poll.clone();
        let request = Request::get("/socket/longpoll?vsn=2.0.0").header("host", "a.example");
        let request = request.body(Empty::<&[u8]>::new()).expect("a request");
        assert_eq!(world.run(async move { poll.answer(request).await.status().as_u16() }), 200);
        world.settle();
    }
    assert_eq!(http.hub().stats().sessions, 2);
}

#[test]
fn a_body_that_does_not_come_has_the_time_of_the_handshake() {
    let (world, http) = bound(Limits::default(), HttpLimits::default().with_handshake_timeout(SECOND * 3));
    let (streams, begun) = (Streams::new(http), world.instant());
    let request = Request::post("/connection/http_stream").header("host", "a.example");
    let request = request.body(Never).expect("a request");
    let status = world.run(async move { streams.http_stream(request).await.status().as_u16() });
    assert_eq!((status, world.instant() - begun), (408, SECOND * 3));
}
