//! For axum: a handler, and sessions on sockets that axum's own extractor has upgraded.

use std::future::ready;
use std::sync::Arc;

use ::axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use ::axum::extract::{Request, State};
use bytes::Bytes;
use chat_core::{Answers, Close, Connection, Frame, Hello, Hub, Incoming, InputError, Kind, Protocol, Seat};
use futures::{SinkExt, StreamExt};
use http::Response;

use crate::upgrade::gate;

/// A handler for clients of the plain protocol: `any(upgrade)`, with the hub as state.
pub async fn upgrade(State(hub): State<Hub>, mut request: Request) -> Response<String> {
    crate::upgrade(&gate(hub), &mut request)
}

/// Runs a session on a socket that axum has upgraded. Its bounds on messages are axum's, to be set with `WebSocketUpgrade`.
///
/// Writes through axum's buffers: [`upgrade`] is faster and smaller.
pub async fn run(seat: Seat, protocol: Arc<dyn Protocol>, hello: Hello, socket: WebSocket) -> Close {
    let (sink, stream) = socket.split();
    let input = stream.filter_map(|message| ready(message.map_or(Some(Err(InputError::Lost)), incoming)));
    let sink = sink.with(|frame: Frame| ready(Ok::<_, ::axum::Error>(outgoing(frame))));
    Connection::over_sink(seat, protocol, hello, input, sink).answered(Answers::BOTH).await
}

/// axum answers pings by itself.
fn incoming(message: Message) -> Option<Result<Incoming, InputError>> {
    Some(Ok(match message {
        Message::Text(text) => Incoming::Text(text.as_str().to_owned()),
        Message::Binary(bytes) => Incoming::Binary(bytes.to_vec()),
        Message::Ping(_) => return None,
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
                .map(|close| CloseFrame { code: close.code, reason: close.reason.into_owned().into() }),
        ),
    }
}
