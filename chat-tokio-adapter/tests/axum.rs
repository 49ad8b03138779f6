//! A chat within a server of one's own: its state, its middleware and its login are axum's.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRef, Request};
use axum::http::{StatusCode, header::COOKIE};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use chat_core::protocol::Credentials;
use chat_core::{Connect, Hub, OpenChat, UserId};
use chat_tokio_adapter::axum::{route, upgrade};
use chat_tokio_adapter::{TokioRuntime, gate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// A state of the application's own, with the chat in it.
#[derive(Clone)]
struct AppState {
    hub: Hub,
    name: &'static str,
}

impl FromRef<AppState> for Hub {
    fn from_ref(state: &AppState) -> Self {
        state.hub.clone()
    }
}

/// Lets in who shows the cookie `user`, and says who it is.
async fn login(mut request: Request, next: Next) -> Response {
    let cookie = request.headers().get(COOKIE).and_then(|cookie| cookie.to_str().ok());
    let user = cookie.and_then(|cookie| cookie.strip_prefix("user=")).map(str::parse);
    let Some(Ok(user)) = user else { return StatusCode::UNAUTHORIZED.into_response() };
    request.extensions_mut().insert(Credentials::Now(Connect::named(Some(user))));
    next.run(request).await
}

async fn served() -> (Hub, SocketAddr) {
    let hub = Hub::builder(OpenChat::default()).build(TokioRuntime::current());
    let name = async |axum::extract::State(state): axum::extract::State<AppState>| state.name;
    let app = Router::new()
        .route("/ws", any(upgrade))
        .route("/gate", route(gate(hub.clone())))
        .layer(from_fn(login))
        .route("/", get(name))
        .with_state(AppState { hub: hub.clone(), name: "my app" });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    (hub, address)
}

/// The status of the answer to a handshake, and its socket.
async fn open(address: SocketAddr, path: &str, headers: &str) -> (String, TcpStream) {
    let mut socket = TcpStream::connect(address).await.expect("it listens");
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    socket.write_all(request.as_bytes()).await.expect("it is there");
    let mut status = [0; 12];
    socket.read_exact(&mut status).await.expect("an answer");
    (String::from_utf8_lossy(&status[9..]).into_owned(), socket)
}

async fn has_session(hub: &Hub, user: &str) {
    let user: UserId = user.parse().expect("a name");
    let there = async {
        while hub.sessions_of(&user).len() != 1 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), there).await.expect("a session of that user");
}

#[tokio::test]
async fn a_login_of_the_applications_middleware_reaches_the_session_beside_a_state_of_its_own() {
    let (hub, address) = served().await;
    let (status, _ann) = open(address, "/ws?name=eve", "cookie: user=ann\r\n").await;
    assert_eq!(status, "101");
    has_session(&hub, "ann").await;
    let (status, _bob) = open(address, "/gate", "cookie: user=bob\r\n").await;
    assert_eq!(status, "101");
    has_session(&hub, "bob").await;
    assert_eq!(open(address, "/ws", "").await.0, "401");
    assert_eq!(open(address, "/", "").await.0, "200", "the rest of the application is as it was");
    assert_eq!(hub.stats().sessions, 2);
}
