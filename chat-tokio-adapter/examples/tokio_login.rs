//! A chat behind a login, beside the other routes of an axum server: a signed cookie names the user, the
//! endpoint has rules of its own, and what is said is stored before its author
//! is answered. `tokio_login 127.0.0.1:9006 login.db`
//!
//! `curl -i -d 'name=ann&password=apple' http://127.0.0.1:9006/login` sets the cookie. A client that shows
//! it at `/ws` (the plain protocol) or at `/socket/websocket` (Phoenix's) is ann, whatever else it says.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{Form, FromRef, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::{Router, routing::post};
use axum_extra::extract::SignedCookieJar;
use axum_extra::extract::cookie::{Cookie, Key, SameSite};
use chat_core::{
    Connect, Endpoint, Hub, Identity, Refusal, SessionId, SessionInfo, Storage, Subscribe, SubscribeOptions,
};
use chat_protocol::phoenix::Phoenix;
use chat_store_sqlite::SqliteStore;
use chat_tokio_adapter::axum::route;
use chat_tokio_adapter::{Gate, Listen, RequestHead, TokioRuntime, gate};
use tokio::net::TcpListener;

/// Stands in for a table of users, whose passwords a real one keeps hashed.
const ACCOUNTS: [(&str, &str); 2] = [("ann", "apple"), ("bob", "banana")];

/// Holds the application's own state. Cookies are signed with its key: keep one in a file, so that a restart
/// logs nobody out.
#[derive(Clone)]
struct AppState {
    key: Key,
}

impl FromRef<AppState> for Key {
    fn from_ref(state: &AppState) -> Self {
        state.key.clone()
    }
}

#[derive(serde::Deserialize)]
struct Login {
    name: String,
    password: String,
}

/// Checks a password, and sets the cookie. Add `.secure(true)` to it behind TLS.
async fn login(jar: SignedCookieJar, Form(login): Form<Login>) -> Result<SignedCookieJar, StatusCode> {
    if !ACCOUNTS.contains(&(&login.name, &login.password)) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    Ok(jar.add(Cookie::build(("user", login.name)).path("/").http_only(true).same_site(SameSite::Lax)))
}

/// Names the user of a request, as the middleware knows it.
#[derive(Clone)]
struct User(String);

/// Finds out whose cookie a request shows; one that was not signed here is none.
async fn who(_: State<AppState>, jar: SignedCookieJar, mut request: Request, next: Next) -> Response {
    if let Some(cookie) = jar.get("user") {
        request.extensions_mut().insert(User(cookie.value().to_owned()));
    }
    next.run(request).await
}

struct Members;

impl Endpoint for Members {
    /// Admits the user whom the middleware found. Clients of Phoenix are refused with 403; those of the plain
    /// protocol, whose sockets are open by then, are closed with 3500.
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let user = RequestHead::of(&connect).and_then(|request| request.extension());
        let User(name) = user.ok_or_else(|| Refusal::unauthorized("log in first"))?;
        Ok(Identity::named(name.parse()?))
    }

    /// Leaves the channel `board` to ann.
    async fn subscribe(&self, who: &SessionInfo, request: Subscribe) -> Result<SubscribeOptions, Refusal> {
        if request.channel.as_str() == "board" && who.user.as_str() != "ann" {
            return Err(Refusal::permission_denied("the board is ann's"));
        }
        Ok(SubscribeOptions::of(&request))
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "it tells people where it is")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = |n, default: &str| std::env::args().nth(n).unwrap_or_else(|| default.into());
    let hub = Hub::builder(Members)
        .history(100, Duration::from_secs(300))
        .channel(|channel| channel.with_storage(Storage::Durable))
        .store(SqliteStore::open(argument(2, "login.db"))?)
        .build(TokioRuntime::current());
    let state = AppState { key: Key::generate() };
    let app = Router::new()
        .route("/ws", route(gate(hub.clone())))
        .route("/socket/websocket", route(Gate::new(hub.clone(), Phoenix::default())))
        .layer(from_fn_with_state(state.clone(), who))
        .route("/login", post(login))
        .with_state(state);
    let place: Listen = argument(1, "127.0.0.1:9006").parse()?;
    let listener = TcpListener::bind(&*place.addresses()?).await?;
    println!("listening on {}", listener.local_addr()?);
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        served = axum::serve(listener, service).into_future() => served?,
        // Every session hears of the end, and the store is closed in order: clients resume after the restart.
        _ = tokio::signal::ctrl_c() => drop(hub.drain(Duration::from_secs(10)).await),
    }
    Ok(())
}
