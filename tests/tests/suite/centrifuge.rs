//! Tests the server with npm's unchanged `centrifuge`, over WebSocket, HTTP streams and server-sent events.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::any;
use chat_core::protocol::Credentials;
use chat_core::{
    Connect, Endpoint, Hub, Identity, Refusal, SessionId, SessionInfo, Subscribe, SubscribeOptions,
};
use chat_protocol::centrifuge::Centrifuge;
use chat_tests::clients::script_says;
use chat_tests::program::Program;
use chat_tokio_adapter::{Gate, Streams, TokioRuntime, serve, upgrade};
use tokio::net::TcpListener;

/// Sets the key of the script's API calls.
const KEY: [&str; 2] = ["--api-key", "an api key"];

fn suite(name: &str, server: &Program, more: &[&str]) {
    let url = format!("http://{}", server.address);
    let said = script_says("centrifuge.mjs", &[&[name, url.as_str()], more].concat());
    assert!(said.ends_with(" passed, 0 failed"), "{said}");
}

#[test]
fn centrifuges_clients_talk_recover_and_see_each_other_over_every_transport() {
    suite("talk", &Program::server(&["--history-entries", "4"]), &[]);
}

#[test]
fn tokens_let_in_expire_and_are_refreshed_and_the_api_does_what_it_says() {
    suite("tokens", &Program::server(&[&["--jwt-secret", "secret"][..], &KEY].concat()), &[]);
}

#[test]
fn every_end_is_seen_by_the_client_which_comes_back_or_stays_away_as_the_code_says() {
    let bounds =
        ["--ping-seconds", "2", "--pong-seconds", "1", "--request-rate", "40", "--request-burst", "40"];
    suite("ends", &Program::server(&bounds), &[]);
    suite("slow", &Program::server(&[&["--outbox-bytes", "200000"][..], &KEY].concat()), &[]);
}

/// Fails when it is asked for the first time whether somebody may come in, and twice whether somebody may
/// join.
#[derive(Default)]
struct FailsAtFirst {
    comers: AtomicUsize,
    joiners: AtomicUsize,
}

impl Endpoint for FailsAtFirst {
    async fn stream_opened(&self, _: SessionId, _: Connect) -> Result<Identity, Refusal> {
        match self.comers.fetch_add(1, Ordering::Relaxed) {
            0 => Err(Refusal::internal("not yet")),
            _ => Ok(Identity::named("ann".parse()?)),
        }
    }

    async fn subscribe(&self, _: &SessionInfo, wish: Subscribe) -> Result<SubscribeOptions, Refusal> {
        match self.joiners.fetch_add(1, Ordering::Relaxed) {
            0 => Err(Refusal::too_many_requests("not so fast")),
            1 => Err(Refusal::internal("not yet")),
            _ => Ok(SubscribeOptions::of(&wish)),
        }
    }
}

#[test]
fn what_the_server_fails_at_for_a_moment_the_client_tries_again() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let address = runtime.block_on(async {
        let hub = Hub::builder(FailsAtFirst::default()).build(TokioRuntime::current());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a port");
        tokio::spawn(serve(listener, Gate::new(hub, Centrifuge::default()), std::future::pending()));
        address
    });
    let said = script_says("centrifuge.mjs", &["fails", &format!("http://{address}")]);
    assert!(said.ends_with(" passed, 0 failed"), "{said}");
}

/// Puts everybody into a channel of its own.
struct OwnChannels;

impl Endpoint for OwnChannels {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let name = connect.name.ok_or_else(|| Refusal::unauthorized("nobody"))?;
        let subscriptions = vec![Subscribe::to(format!("own-{name}").parse()?)];
        Ok(Identity::named(name).with_subscriptions(subscriptions))
    }
}

/// Lets in by a header, as others do by a cookie.
async fn log_in(mut request: Request, next: Next) -> Response {
    let user = request.headers().get("x-user").and_then(|user| user.to_str().ok()?.parse().ok());
    if user.is_some() {
        request.extensions_mut().insert(Credentials::Now(Connect::named(user)));
    }
    next.run(request).await
}

#[test]
fn who_a_server_has_let_in_before_is_told_so_over_every_transport() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let address = runtime.block_on(async {
        let hub = Hub::builder(OwnChannels).build(TokioRuntime::current());
        let (gate, streams) = (Gate::new(hub.clone(), Centrifuge::default()), Streams::new(hub));
        let (lines, events, beside) = (streams.clone(), streams.clone(), streams);
        let app = Router::new()
            .route(
                "/connection/websocket",
                any(async move |mut request: Request| upgrade(&gate, &mut request).await),
            )
            .route(
                "/connection/http_stream",
                any(async move |request: Request| lines.http_stream(request).await),
            )
            .route("/connection/sse", any(async move |request: Request| events.event_stream(request).await))
            .route("/emulation", any(async move |request: Request| beside.emulation(request).await))
            .layer(from_fn(log_in));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a port");
        tokio::spawn(axum::serve(listener, app).into_future());
        address
    });
    let said = script_says("centrifuge.mjs", &["login", &format!("http://{address}")]);
    assert!(said.ends_with(" passed, 0 failed"), "{said}");
}

#[test]
fn a_stop_sends_every_client_to_the_next_server() {
    let (mut stops, next) = (Program::server(&[]), Program::server(&[]));
    let (pid, url) = (stops.id().to_string(), format!("http://{}", next.address));
    suite("drain", &stops, &["--pid", &pid, "--next", &url]);
    assert!(stops.wait(), "it ends well");
}
