//! Serves the bare wire with tokio-tungstenite and a sender for each subscriber: one task reads, another
//! feeds all queued messages and flushes once.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::bare::{Role, role, said};

type Rooms = Arc<Mutex<HashMap<usize, Vec<UnboundedSender<Utf8Bytes>>>>>;

pub(super) async fn serve(listener: TcpListener) -> io::Result<()> {
    let rooms = Rooms::default();
    loop {
        let (socket, _) = listener.accept().await?;
        let rooms = rooms.clone();
        tokio::spawn(async move {
            // A client that disconnects is no error.
            let _ = client(socket, rooms).await;
        });
    }
}

async fn client(socket: TcpStream, rooms: Rooms) -> Option<()> {
    socket.set_nodelay(true).ok()?;
    let mut socket = accept_async(socket).await.ok()?;
    match role(socket.next().await?.ok()?.to_text().ok()?)? {
        Role::Subscriber(channel) => {
            let (sender, receiver) = unbounded_channel();
            socket.send(Message::text("ok")).await.ok()?;
            rooms.lock().unwrap_or_else(PoisonError::into_inner).entry(channel).or_default().push(sender);
            subscriber(socket, receiver).await
        }
        Role::Publisher => {
            while let Some(Ok(message)) = socket.next().await {
                let Some((channel, content)) = said(message.to_text().ok()?) else { continue };
                publish(&rooms, channel, &content.into());
            }
            None
        }
    }
}

fn publish(rooms: &Rooms, channel: usize, content: &Utf8Bytes) {
    let mut rooms = rooms.lock().unwrap_or_else(PoisonError::into_inner);
    rooms.entry(channel).or_default().retain(|subscriber| subscriber.send(content.clone()).is_ok());
}

async fn subscriber(
    socket: WebSocketStream<TcpStream>,
    mut messages: UnboundedReceiver<Utf8Bytes>,
) -> Option<()> {
    let (mut sender, mut receiver) = socket.split();
    let mut sending = tokio::spawn(async move {
        while let Some(message) = messages.recv().await {
            sender.feed(Message::Text(message)).await.ok()?;
            while let Ok(message) = messages.try_recv() {
                sender.feed(Message::Text(message)).await.ok()?;
            }
            sender.flush().await.ok()?;
        }
        Some(())
    });
    let mut reading = tokio::spawn(async move { while let Some(Ok(_)) = receiver.next().await {} });
    tokio::select! {
        _ = &mut sending => reading.abort(),
        _ = &mut reading => sending.abort(),
    }
    None
}
