//! The long poll, in Tokio's own virtual time: what waits between polls, who is forgotten, and every bound.

use std::cell::Cell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use chat_core::runtime::{Now, Runtime, Sleep};
use chat_core::{Hub, Limits, OpenChat, Payload, Rate};
use chat_protocol::phoenix::Phoenix;
use chat_tokio_adapter::{Gate, LongPoll, Origins, TokioRuntime};
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame};
use serde_json::{Value, from_str};
use tokio::time::{Instant, advance, sleep};

const SECOND: Duration = Duration::from_secs(1);

struct Served {
    hub: Hub,
    poll: LongPoll,
}

#[derive(Debug, PartialEq)]
struct Said {
    status: u64,
    token: Option<String>,
    messages: Vec<String>,
}
fn served(limits: Limits) -> Served {
    let hub = Hub::builder(OpenChat::default()).limits(limits).build(TokioRuntime::current());
    let poll = LongPoll::new(Gate::new(hub.clone(), Phoenix::only_text()));
    Served { hub, poll }
}

fn request(
    method: Method,
    query: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Request<Full<&'static [u8]>> {
    let mut request =
        Request::builder().method(method).uri(format!("/socket/longpoll?{query}")).header("host", "a");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.leak().as_bytes())).expect("a request")
}

fn said(response: &Response<String>) -> Said {
    let body: Value = from_str(response.body()).expect("JSON");
    let messages = body["messages"].as_array().expect("messages").iter();
    Said {
        status: body["status"].as_u64().expect("a status"),
        token: body["token"].as_str().map(str::to_owned),
        messages: messages.map(|message| message.as_str().expect("text").to_owned()).collect(),
    }
}

/// A body that comes in these chunks; those that were not read stay.
struct Chunks<'a>(&'a mut VecDeque<Vec<u8>>);

impl Body for Chunks<'_> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk.into()))))
    }
}

impl Served {
    async fn get(&self, query: &str) -> Said {
        said(&self.poll.answer(request(Method::GET, query, &[], String::new())).await)
    }

    async fn poll(&self, token: &str) -> Said {
        self.get(&format!("vsn=2.0.0&token={token}")).await
    }

    async fn post(&self, token: &str, lines: &[&str]) -> u64 {
        let query = format!("vsn=2.0.0&token={token}");
        said(&self.poll.answer(request(Method::POST, &query, &[], lines.join("\n"))).await).status
    }

    async fn open(&self) -> String {
        let said = self.get("name=ann&vsn=2.0.0").await;
        assert_eq!((said.status, said.messages.len()), (410, 0));
        said.token.expect("a token")
    }

    /// A client that has joined `room`, and was told so.
    async fn joined(&self) -> String {
        let token = self.open().await;
        assert_eq!(self.post(&token, &[r#"["1","1","room","phx_join",{}]"#]).await, 200);
        let said = self.poll(&token).await;
        assert_eq!((said.status, said.token.as_deref()), (200, Some(&*token)));
        assert!(said.messages[0].contains("phx_reply"), "{said:?}");
        token
    }

    fn publish(&self, n: usize) {
        self.hub.publish("room", Payload::json(n.to_string())).expect("a name");
    }

    fn sessions(&self) -> usize {
        self.hub.stats().sessions
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_waits_until_there_is_something_to_say_and_ten_seconds_at_most() {
    let served = served(Limits::default());
    let token = served.joined().await;
    let begun = Instant::now();
    assert_eq!(served.poll(&token).await.status, 204);
    assert_eq!(begun.elapsed(), SECOND * 10);
    let (said, ()) = tokio::join!(served.poll(&token), async {
        sleep(SECOND).await;
        served.publish(7);
    });
    assert_eq!((said.status, said.messages.len(), begun.elapsed()), (200, 1, SECOND * 11));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_between_polls_though_much_more_waits_than_one_answer_holds() {
    let served = served(Limits::default());
    let token = served.joined().await;
    (0..2000).for_each(|n| served.publish(n));
    let (mut heard, mut answers, begun) = (Vec::new(), 0, Instant::now());
    while heard.len() < 2000 {
        sleep(SECOND / 100).await;
        let said = served.poll(&token).await;
        assert_eq!(said.status, 200);
        heard.extend(said.messages);
        answers += 1;
    }
    for (n, message) in heard.iter().enumerate() {
        assert!(message.contains(&format!(r#""content":{n},"#)), "{n}: {message}");
    }
    assert!(answers >= 2000 / 256, "an answer is bounded");
    assert!(begun.elapsed() < SECOND, "the session goes on as soon as there is room");
}

#[tokio::test(start_paused = true)]
async fn who_polls_too_late_for_what_waits_is_told_that_the_session_is_gone() {
    let limits = Limits::default().with_outbox_frames(10);
    let served = served(limits);
    let token = served.joined().await;
    for n in 0..2000 {
        served.publish(n);
        tokio::task::yield_now().await;
    }
    let mut said = served.poll(&token).await;
    while said.status == 200 {
        said = served.poll(&token).await;
    }
    assert_eq!((said.status, said.token), (410, Some(token.clone())));
    sleep(SECOND).await;
    let again = served.poll(&token).await;
    assert!(again.status == 410 && again.token != Some(token), "a session of its own: {again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_polls_ends_after_half_a_minute_and_one_that_is_polled_does_not() {
    let served = served(Limits::default());
    let (token, _other) = (served.joined().await, served.joined().await);
    for _ in 0..4 {
        sleep(SECOND * 10).await;
        assert_eq!(served.poll(&token).await.status, 204);
    }
    assert_eq!(served.sessions(), 1);
    sleep(SECOND * 29).await;
    assert_eq!(served.sessions(), 1);
    sleep(SECOND * 2).await;
    assert_eq!(served.sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_begun_and_never_polled_gives_its_seat_back_after_fifteen_seconds() {
    let served = served(Limits::default());
    let token = served.open().await;
    assert_eq!(served.post(&token, &[r#"["1","1","room","phx_join",{}]"#]).await, 200);
    sleep(SECOND * 14).await;
    assert_eq!(served.sessions(), 1, "a line with a round trip of seconds is not done yet");
    sleep(SECOND * 2).await;
    assert_eq!(served.sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn polls_that_are_given_up_fill_no_more_than_their_share_and_the_oldest_of_them_goes_first() {
    let served = served(Limits::default().with_sessions(10));
    let stays = served.joined().await;
    assert_eq!(served.post(&stays, &[r#"[null,"2","phoenix","heartbeat",{}]"#]).await, 200);
    assert_eq!(served.poll(&stays).await.status, 200, "its second poll");
    let mut given_up = Vec::new();
    for _ in 0..500 {
        let token = served.open().await;
        assert!(tokio::time::timeout(SECOND / 500, served.poll(&token)).await.is_err());
        given_up.push(token);
        assert!(served.sessions() <= 6, "{}", served.sessions());
    }
    sleep(SECOND).await;
    assert_eq!(served.sessions(), 5);
    let newest = given_up.pop().expect("many");
    assert_eq!(served.poll(&newest).await.status, 204);
    let again = served.poll(&given_up[0]).await;
    assert!(
        again.status == 410 && again.token.as_deref() != Some(&*given_up[0]),
        "the oldest are gone: {again:?}"
    );
    assert_eq!(served.post(&stays, &[r#"[null,"3","phoenix","heartbeat",{}]"#]).await, 200);
    assert_eq!(served.poll(&stays).await.status, 200, "who polls on is never the one to go");
    assert!(served.hub.acceptor().permit().is_ok(), "there is room for a socket");
}

#[tokio::test(start_paused = true)]
async fn a_share_full_of_those_who_poll_on_lets_no_more_in() {
    let served = served(Limits::default().with_sessions(3));
    for _ in 0..2 {
        let token = served.joined().await;
        assert_eq!(served.post(&token, &[r#"[null,"2","phoenix","heartbeat",{}]"#]).await, 200);
        assert_eq!(served.poll(&token).await.status, 200);
    }
    assert_eq!(served.get("vsn=2.0.0").await.status, 500);
    assert_eq!(served.hub.stats().rejections.get(&503), Some(&1));
    assert!(served.hub.acceptor().permit().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_polled_once_is_waited_for_longer() {
    let served = served(Limits::default());
    let token = served.open().await;
    sleep(SECOND).await;
    assert_eq!(served.poll(&token).await.status, 204);
    sleep(SECOND * 20).await;
    assert_eq!(served.poll(&token).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn a_second_poll_takes_the_place_of_the_first_and_one_that_breaks_off_takes_nothing_along() {
    let served = served(Limits::default());
    let token = served.joined().await;
    let (first, second, ()) = tokio::join!(served.poll(&token), served.poll(&token), async {
        sleep(SECOND).await;
        served.publish(1);
    });
    assert_eq!((first.status, second.status), (204, 200));
    let broken = tokio::time::timeout(SECOND, served.poll(&token)).await;
    assert!(broken.is_err());
    served.publish(2);
    assert!(served.poll(&token).await.messages[0].contains(r#""content":2,"#));
}

#[tokio::test(start_paused = true)]
async fn a_stop_says_what_waits_and_then_that_the_session_is_gone() {
    let served = served(Limits::default());
    let token = served.joined().await;
    (0..300).for_each(|n| served.publish(n));
    let hub = served.hub.clone();
    let drained = tokio::spawn(async move { hub.drain(SECOND * 30).await });
    sleep(SECOND).await;
    let mut heard = 0;
    let mut said = served.poll(&token).await;
    while said.status == 200 {
        heard += said.messages.len();
        said = served.poll(&token).await;
    }
    assert_eq!((heard, said.status), (300, 410));
    assert_eq!(drained.await.expect("it drains"), 0);
    let refused = served.poll.answer(request(Method::GET, "vsn=2.0.0", &[], String::new())).await;
    assert_eq!((refused.status().as_u16(), self::said(&refused).status), (503, 500));
}

#[tokio::test(start_paused = true)]
async fn a_full_hub_begins_no_session() {
    let served = served(Limits::default().with_sessions(1));
    let _permit = served.hub.acceptor().permit().expect("there is room");
    assert_eq!(served.get("vsn=2.0.0").await.status, 500);
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_any_number_of_messages_and_each_is_within_the_bound() {
    let served = served(Limits::default().with_message_bytes(1000).with_requests(Rate::UNBOUNDED));
    let token = served.joined().await;
    let heartbeat = r#"[null,"1","phoenix","heartbeat",{}]"#;
    assert_eq!(served.post(&token, &[heartbeat; 200]).await, 200);
    sleep(SECOND).await;
    assert_eq!(served.poll(&token).await.messages.len(), 200);
    let head = r#"["1","2","room","x",""#;
    let push = |bytes: usize| format!(r#"{head}{}"]"#, "x".repeat(bytes - head.len() - 2));
    assert_eq!(served.post(&token, &[&push(1000), "", &push(1000)]).await, 200);
    for too_long in [push(1001), push(100_000), "A".repeat(100_000)] {
        let token = served.joined().await;
        assert_eq!(served.post(&token, &[&too_long]).await, 413);
        assert_eq!(served.poll(&token).await.status, 410);
    }
}

#[tokio::test(start_paused = true)]
async fn empty_lines_count_and_a_body_of_nothing_else_is_refused_at_its_hundred_and_first() {
    let served = served(Limits::default());
    let token = served.joined().await;
    assert_eq!(served.post(&token, &[""; 101]).await, 200);
    assert_eq!(served.post(&token, &[""; 102]).await, 413);
    let mut body = VecDeque::from(vec![b"\n".repeat(1000); 200]);
    let newlines = request(Method::POST, &format!("vsn=2.0.0&token={token}"), &[], String::new());
    let newlines = newlines.map(|_| Chunks(&mut body));
    assert_eq!(said(&served.poll.answer(newlines).await).status, 413);
    assert_eq!(body.len(), 199, "no more is read than what settles it");
    served.publish(1);
    assert_eq!(served.poll(&token).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_binary_message_is_a_line_of_base64_and_nonsense_is_refused_by_the_protocol() {
    let served = served(Limits::default());
    let token = served.joined().await;
    // 00 01 01 04 03 "1" "2" "room" "bin" 01 02
    assert_eq!(served.post(&token, &["AAEBBAMxMnJvb21iaW4BAg==", "nonsense!"]).await, 200);
    let said = served.poll(&token).await;
    assert!(said.messages.contains(&r#"[null,null,"room","bin",{"base64":"AQI="}]"#.to_owned()), "{said:?}");
    assert!(said.messages.iter().any(|message| message.contains("no array of five")), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn the_sessions_token_may_stand_in_a_header_and_nobody_guesses_it() {
    let served = served(Limits::default());
    let token = served.joined().await;
    served.publish(1);
    let headers = [("x-phoenix-longpoll-token", &*token)];
    let answer = served.poll.answer(request(Method::GET, "vsn=2.0.0", &headers, String::new())).await;
    assert_eq!(said(&answer).messages.len(), 1);
    assert_eq!(served.post("", &["[]"]).await, 410);
    assert_eq!(served.post(&token[1..], &["[]"]).await, 410);
}

#[tokio::test(start_paused = true)]
async fn pages_of_other_origins_are_refused_and_those_allowed_may_read_the_answer() {
    let served = served(Limits::default());
    let ask = |method: Method, origin: &'static str| {
        request(method, "vsn=2.0.0", &[("origin", origin)], String::new())
    };
    for method in [Method::GET, Method::POST, Method::OPTIONS] {
        let refused = served.poll.answer(ask(method, "http://evil")).await;
        assert_eq!((refused.status().as_u16(), said(&refused).status), (403, 403));
    }
    let same = served.poll.answer(ask(Method::GET, "http://a")).await;
    assert_eq!(said(&same).status, 410);
    let only = Origins::Only(vec!["https://good.com".parse().expect("an origin")]);
    let gate = Gate::new(served.hub.clone(), Phoenix::only_text()).origins(only);
    let poll = LongPoll::new(gate);
    for method in [Method::GET, Method::OPTIONS] {
        let answer = poll.answer(ask(method, "https://good.com")).await;
        assert_eq!(answer.headers()["access-control-allow-origin"], "https://good.com");
    }
    let preflight = poll.answer(ask(Method::OPTIONS, "https://good.com")).await;
    assert_eq!(preflight.status(), 204);
    assert!(
        preflight.headers()["access-control-allow-headers"].to_str().expect("text").contains("authtoken")
    );
    assert_eq!(poll.answer(request(Method::PUT, "", &[], String::new())).await.status(), 405);
}

#[tokio::test(start_paused = true)]
async fn a_session_lives_through_its_servers_pings() {
    let served = served(Limits::default());
    let token = served.joined().await;
    for _ in 0..12 {
        assert_eq!(served.poll(&token).await.status, 204);
        advance(SECOND).await;
    }
    assert_eq!(served.sessions(), 1);
}

thread_local! {
    /// Tells whether a task of the hub is being polled.
    static IN_A_TASK: Cell<bool> = const { Cell::new(false) };
}

/// Has no timers for the tasks that a hub spawns: a session's task panics.
struct Timeless(TokioRuntime);

impl Runtime for Timeless {
    fn now(&self) -> Now {
        self.0.now()
    }

    fn sleep_until(&self, deadline: chat_core::runtime::Instant) -> Pin<Box<dyn Sleep>> {
        assert!(!IN_A_TASK.get(), "no timers here");
        self.0.sleep_until(deadline)
    }

    fn spawn(&self, mut task: BoxFuture<'static, ()>) {
        self.0.spawn(Box::pin(std::future::poll_fn(move |cx| {
            let _inside = Inside::new();
            task.as_mut().poll(cx)
        })));
    }
}

/// Stands for the time of one poll of a task, also if that panics.
struct Inside;

impl Inside {
    fn new() -> Self {
        IN_A_TASK.set(true);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        IN_A_TASK.set(false);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_task_panics_is_known_no_more_and_who_polls_is_told_so() {
    let hub = Hub::builder(OpenChat::default()).build(Timeless(TokioRuntime::current()));
    let poll = LongPoll::new(Gate::new(hub.clone(), Phoenix::only_text()));
    let served = Served { hub, poll };
    let (token, begun) = (served.open().await, Instant::now());
    let said = served.poll(&token).await;
    assert_eq!((said.status, begun.elapsed()), (410, Duration::ZERO), "a poll that waited already");
    assert_eq!(served.sessions(), 0);
    assert_ne!(served.poll(&token).await.token, Some(token), "it is another session's");
}

#[tokio::test(start_paused = true)]
async fn a_batch_for_which_there_is_no_room_is_told_so_and_its_session_goes_on() {
    let served = served(Limits::default().with_total_input_bytes(1000));
    let token = served.joined().await;
    let message = |bytes: usize| {
        let line = r#"["1","2","room","x",{"a":""}]"#;
        line.replace(r#""""#, &format!(r#""{}""#, "x".repeat(bytes - line.len())))
    };
    assert_eq!(served.post(&token, &[&message(1000)]).await, 200);
    assert_eq!(served.post(&token, &[&message(1001)]).await, 503);
    assert_eq!(served.hub.stats().cut_short.get("input"), Some(&1));
    assert_eq!(served.post(&token, &[&message(1000)]).await, 200, "what was held is given back");
    assert_eq!(served.sessions(), 1);
}
