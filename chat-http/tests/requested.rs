//! The request reaches the endpoint over plain HTTP too, and nothing of it stays in the session.

use std::sync::{Arc, Weak};

use chat_core::testkit::World;
use chat_core::{Connect, Endpoint, Hub, Identity, Refusal, SessionId};
use chat_http::{Gate, LongPoll, RequestHead, Streams};
use chat_protocol::phoenix::Phoenix;
use http::Request;
use http_body_util::Full;

/// A value of the middleware's, whose end can be seen.
#[derive(Clone)]
struct User(Arc<str>);

/// Admits by the cookie and by what the middleware left, and by nothing that the client says.
struct Users;

impl Endpoint for Users {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let request = RequestHead::of(&connect).ok_or_else(|| Refusal::internal("no request"))?;
        let User(name) = request.extension().ok_or_else(|| Refusal::unauthorized("no user"))?;
        let named = request.cookie("session").is_some_and(|session| session == &**name);
        if named { Ok(Identity::named(name.parse()?)) } else { Err(Refusal::unauthorized("no session")) }
    }
}

fn request(method: &str, target: &str, body: &str, user: &str) -> (Request<Full<&'static [u8]>>, Weak<str>) {
    let user: Arc<str> = user.into();
    let request = Request::builder().method(method).uri(target).header("host", "a.example");
    let request = request.header("cookie", "a=b; session=ann").extension(User(user.clone()));
    let body = body.to_owned().into_bytes().leak();
    (request.body(Full::new(&*body)).expect("a request"), Arc::downgrade(&user))
}

fn world() -> (World, Hub) {
    let world = World::new();
    (world.clone(), Hub::builder(Users).build(world))
}

fn sessions(hub: &Hub) -> usize {
    hub.sessions_of(&"ann".parse().expect("a name")).len()
}

#[test]
fn a_long_poll_is_admitted_by_the_request_that_begins_it() {
    let (world, hub) = world();
    let poll = LongPoll::new(Gate::new(hub.clone(), Phoenix::only_text()));
    let ask = |target: &str, user: &str| {
        let (request, kept) = request("GET", target, "", user);
        let poll = poll.clone();
        (world.run(async move { poll.answer(request).await.status().as_u16() }), kept)
    };
    let (status, kept) = ask("/socket/longpoll?vsn=2.0.0&name=eve", "ann");
    world.settle();
    assert_eq!((status, sessions(&hub), kept.strong_count()), (200, 1, 0));
    let (status, kept) = ask("/socket/longpoll?vsn=2.0.0&name=ann", "bob");
    assert_eq!((status, hub.stats().sessions, kept.strong_count()), (403, 1, 0), "before it begins");
}

#[test]
fn a_stream_is_admitted_by_the_request_that_opens_it_and_holds_nothing_of_that() {
    let connect = r#"{"id":1,"connect":{"data":{"name":"eve"}}}"#;
    let on_url = "/connection/sse?cf_connect=%7B%22id%22%3A1%2C%22connect%22%3A%7B%7D%7D";
    for (method, target, body) in [("POST", "/connection/http_stream", connect), ("GET", on_url, "")] {
        let (world, hub) = world();
        let streams = Streams::new(hub.clone());
        let open = |user: &str| {
            let (request, kept) = request(method, target, body, user);
            let streams = streams.clone();
            let answer = world.run(async move {
                match request.method().as_str() {
                    "POST" => streams.http_stream(request).await,
                    _ => streams.event_stream(request).await,
                }
            });
            world.settle();
            (answer, kept)
        };
        let (first, kept) = open("ann");
        assert_eq!((first.status().as_u16(), sessions(&hub), kept.strong_count()), (200, 1, 0), "{target}");
        let (again, kept) = open("ann");
        assert_eq!((sessions(&hub), kept.strong_count()), (2, 0), "{target}: as who comes back");
        let (bob, kept) = open("bob");
        assert_eq!((sessions(&hub), kept.strong_count()), (2, 0), "{target}");
        drop(bob);
        world.settle();
        assert_eq!(hub.stats().closes.get(&3500), Some(&1), "{target}");
        drop((first, again));
    }
}
