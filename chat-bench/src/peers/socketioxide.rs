//! Serves Socket.IO with the rooms of socketioxide, behind axum as in its examples.

use std::io;

use axum::Router;
use axum::serve::ListenerExt;
use serde::Deserialize;
use socketioxide::SocketIo;
use socketioxide::extract::{Data, SocketRef};
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Publish {
    room: String,
    content: String,
}

pub(super) async fn serve(listener: TcpListener) -> io::Result<()> {
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", async |socket: SocketRef| {
        socket.on("subscribe", async |socket: SocketRef, Data::<String>(room)| {
            socket.join(room);
            // A client that disconnects is no error.
            let _ = socket.emit("ok", "");
        });
        socket.on("publish", async |socket: SocketRef, Data::<Publish>(publish)| {
            let _ = socket.to(publish.room).emit("message", &publish.content).await;
        });
    });
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    axum::serve(listener, Router::new().layer(layer)).await
}
