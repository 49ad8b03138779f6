//! Serves sessions beside the other routes of an axum server.
//!
//! [`upgrade`] is a handler for clients of the plain protocol, [`route`] a route for any [`Gate`], and
//! [`run`] runs a session on a socket that axum's own extractor has upgraded.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::Arc;

use ::axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use ::axum::extract::{ConnectInfo, Request, State};
use ::axum::routing::{MethodRouter, any};
use bytes::Bytes;
use chat_core::protocol::{Credentials, Protocol};
use chat_core::transport::{Answers, Connection, Frame, Incoming, InputError, Kind, Peer, Permit};
use chat_core::{Close, Hub};
use chat_http::{ClientAddress, Gate, RemoteAddress};
use futures::{SinkExt, StreamExt};
use http::Response;

use crate::upgrade::gate;

/// Opens a session for clients of the plain protocol. Needs the hub as the router's state, or a state of
/// your own from which axum can take it: implement [`FromRef`](::axum::extract::FromRef). [`route`] needs
/// neither.
///
/// With a state of your own that has no `FromRef`, the compiler says of `with_state` that the types are
/// mismatched (E0308: expected `Hub`, found `AppState`): the handler wants a [`Hub`], and nothing says how
/// to find one in the state. These five lines do:
///
/// ```
/// use axum::{Router, extract::FromRef, routing::any};
/// use chat_core::{Hub, OpenChat};
/// use chat_tokio_adapter::{TokioRuntime, axum::upgrade};
///
/// #[derive(Clone)]
/// struct AppState {
///     hub: Hub,
///     greeting: &'static str,
/// }
///
/// impl FromRef<AppState> for Hub {
///     fn from_ref(state: &AppState) -> Hub {
///         state.hub.clone()
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let hub = Hub::builder(OpenChat::default()).build(TokioRuntime::current());
/// let app: Router =
///     Router::new().route("/ws", any(upgrade)).with_state(AppState { hub, greeting: "hello" });
/// # }
/// ```
///
/// Serves within the default bounds of HTTP: [`route`] takes a gate with bounds of its own.
///
/// Reads what middleware leaves among the request's extensions: a [`Credentials`] says who the client is,
/// and a [`Peer`] where it comes from. All else reaches the endpoint with the
/// request, as a [`RequestHead`](chat_http::RequestHead): see [`route`]. The client's address is there if
/// the listener names it with axum's [`ConnectInfo`].
pub async fn upgrade(State(hub): State<Hub>, request: Request) -> Response<String> {
    open(&gate(hub), request).await
}

/// Makes a route that opens sessions behind a gate: with its protocol, its origins and its hosts. Fits a
/// router with any state.
///
/// The endpoint is given the request: its headers and cookies, its address, and what middleware has left
/// among its extensions.
///
/// ```
/// use axum::Router;
/// use chat_core::{Hub, OpenChat};
/// use chat_protocol::json::Json;
/// use chat_tokio_adapter::{Gate, Origins, TokioRuntime, axum::route};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::builder(OpenChat::default()).build(TokioRuntime::current());
/// let gate = Gate::new(hub, Json).origins(Origins::Only(vec!["https://chat.example".parse()?]));
/// let app: Router<&'static str> = Router::new().route("/ws", route(gate));
/// let app: Router = app.with_state("a state of your own");
/// # Ok(())
/// # }
/// ```
///
/// A login by middleware, which an [`Endpoint`](chat_core::Endpoint) reads:
///
/// ```
/// use axum::{Router, extract::Request, middleware::{Next, from_fn}, response::Response};
/// use chat_core::{Connect, Endpoint, Hub, Identity, Refusal, SessionId};
/// use chat_tokio_adapter::{RequestHead, TokioRuntime, axum::route, gate};
///
/// #[derive(Clone)]
/// struct User(String);
///
/// async fn login(mut request: Request, next: Next) -> Response {
///     request.extensions_mut().insert(User("whom the cookie names".into()));
///     next.run(request).await
/// }
///
/// struct Users;
/// impl Endpoint for Users {
///     async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
///         let user = RequestHead::of(&connect).and_then(|request| request.extension::<User>());
///         let User(name) = user.ok_or_else(|| Refusal::unauthorized("log in first"))?;
///         Ok(Identity::named(name.parse()?))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let hub = Hub::builder(Users).build(TokioRuntime::current());
/// let app: Router = Router::new().route("/ws", route(gate(hub))).layer(from_fn(login));
/// # }
/// ```
pub fn route<S>(gate: Gate) -> MethodRouter<S, Infallible>
where
    S: Clone + Send + Sync + 'static,
{
    any(async move |request: Request| open(&gate, request).await)
}

/// Opens a session, whose endpoint is told the address that axum knows of the client.
async fn open(gate: &Gate, mut request: Request) -> Response<String> {
    let extensions = request.extensions_mut();
    let connected = extensions.get().map(|ConnectInfo(remote)| RemoteAddress(*remote));
    if let Some(remote) = connected.filter(|_| extensions.get::<RemoteAddress>().is_none()) {
        extensions.insert(remote);
        // Middleware that reads a proxy's header knows better than the socket.
        let client = extensions.get().map_or(remote.0.ip(), |ClientAddress(client)| *client);
        if extensions.get::<Peer>().is_none() {
            extensions.insert(Peer::from(client));
        }
    }
    crate::upgrade(gate, &mut request).await
}

/// Returns a session on a socket that axum has upgraded, to be awaited: it ends with the connection. Its
/// messages are bounded by axum, through `WebSocketUpgrade`.
///
/// Writes through axum's buffers: [`upgrade`] and [`route`] are faster and take less memory.
///
/// ```
/// use std::sync::Arc;
///
/// use axum::extract::{State, WebSocketUpgrade};
/// use axum::response::{IntoResponse, Response};
/// use chat_core::Hub;
/// use chat_core::protocol::Credentials;
/// use chat_protocol::json::Json;
/// use chat_tokio_adapter::RequestHead;
/// use http::{StatusCode, request::Parts};
///
/// async fn handler(State(hub): State<Hub>, parts: Parts, ws: WebSocketUpgrade) -> Response {
///     let Ok(permit) = hub.acceptor().permit() else {
///         return StatusCode::SERVICE_UNAVAILABLE.into_response();
///     };
///     let permit = permit.with(RequestHead::from(parts).into_extensions());
///     ws.on_upgrade(async move |socket| {
///         chat_tokio_adapter::axum::run(permit, Arc::new(Json), Credentials::default(), socket).await;
///     })
/// }
/// ```
pub fn run(
    permit: Permit,
    protocol: Arc<dyn Protocol>,
    credentials: Credentials,
    socket: WebSocket,
) -> impl Future<Output = Close> + Send {
    let (sink, stream) = socket.split();
    let input =
        stream.filter_map(|message| ready(message.map_or(Some(Err(InputError::Disconnected)), incoming)));
    let sink = sink.with(|frame: Frame| ready(Ok::<_, ::axum::Error>(outgoing(frame))));
    Connection::over_sink(permit, protocol, credentials, input, sink).answered(Answers::BOTH)
}

/// Reads a message. None is a ping, which axum answers by itself.
fn incoming(message: Message) -> Option<Result<Incoming, InputError>> {
    Some(Ok(match message {
        Message::Text(text) => Incoming::Text(text.as_str().to_owned()),
        Message::Binary(bytes) => Incoming::Binary(bytes.to_vec()),
        // It is answered already, and counts.
        Message::Ping(_) => Incoming::Pong,
        Message::Pong(_) => Incoming::Pong,
        Message::Close(close) => Incoming::Close(close.map(|close| close.code)),
    }))
}

/// Shares the frame's bytes; nothing is copied.
fn outgoing(frame: Frame) -> Message {
    match frame.kind() {
        Kind::Text => match Utf8Bytes::try_from(Bytes::from_owner(frame.clone())) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(Bytes::from_owner(frame)),
        },
        Kind::Binary => Message::Binary(Bytes::from_owner(frame)),
        Kind::Ping => Message::Ping(Bytes::from_owner(frame)),
        Kind::Pong => Message::Pong(Bytes::from_owner(frame)),
        Kind::Close => Message::Close(
            frame
                .close()
                .map(|close| CloseFrame { code: close.code(), reason: close.message.into_owned().into() }),
        ),
    }
}
