//! Serves the bare wire with axum and a broadcast channel, as axum's chat example does.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use axum::serve::ListenerExt;
use futures::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::broadcast::{self, Sender, error::RecvError};

use super::bare::{Role, role, said};

/// Bounds the messages that a slow subscriber may be behind.
const BEHIND: usize = 1024;

#[derive(Clone, Default)]
struct Rooms(Arc<Mutex<HashMap<usize, Sender<Utf8Bytes>>>>);

impl Rooms {
    fn room(&self, channel: usize) -> Sender<Utf8Bytes> {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.entry(channel).or_insert_with(|| broadcast::channel(BEHIND).0).clone()
    }
}

pub(super) async fn serve(listener: TcpListener) -> io::Result<()> {
    let app = Router::new().route("/ws", any(upgrade)).with_state(Rooms::default());
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    axum::serve(listener, app).await
}

async fn upgrade(State(rooms): State<Rooms>, ws: WebSocketUpgrade) -> Response {
    ws.on_upgrade(|socket| async move {
        // A client that disconnects is no error.
        let _ = client(socket, rooms).await;
    })
}

async fn client(mut socket: WebSocket, rooms: Rooms) -> Option<()> {
    match role(socket.recv().await?.ok()?.to_text().ok()?)? {
        Role::Subscriber(channel) => subscriber(socket, rooms.room(channel)).await,
        Role::Publisher => {
            while let Some(Ok(message)) = socket.recv().await {
                let Some((channel, content)) = said(message.to_text().ok()?) else { continue };
                // An error means that the room is empty.
                let _ = rooms.room(channel).send(content.into());
            }
            None
        }
    }
}

/// Serves a subscriber with two tasks, as in the example: the one that ends first ends the other.
async fn subscriber(socket: WebSocket, room: Sender<Utf8Bytes>) -> Option<()> {
    let mut messages = room.subscribe();
    let (mut sender, mut receiver) = socket.split();
    sender.send(Message::Text("ok".into())).await.ok()?;
    let mut sending = tokio::spawn(async move {
        loop {
            match messages.recv().await {
                Ok(text) => sender.send(Message::Text(text)).await.ok()?,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None::<()>,
            }
        }
    });
    let mut reading = tokio::spawn(async move { while let Some(Ok(_)) = receiver.next().await {} });
    tokio::select! {
        _ = &mut sending => reading.abort(),
        _ = &mut reading => sending.abort(),
    }
    None
}
