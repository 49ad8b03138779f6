//! Serves Socket.IO with the rooms of socketioxide, behind axum as in its examples; with the address of a
//! Redis also as one of several nodes, over its adapter.

use std::io;

use axum::Router;
use axum::serve::ListenerExt;
use serde::Deserialize;
use socketioxide::SocketIo;
use socketioxide::adapter::Adapter;
use socketioxide::extract::{Data, SocketRef};
use socketioxide::layer::SocketIoLayer;
use socketioxide_redis::{RedisAdapter, RedisAdapterCtr};
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Publish {
    room: String,
    content: String,
}

pub(super) async fn serve(listener: TcpListener, redis: Option<&str>) -> io::Result<()> {
    let Some(redis) = redis else {
        let (layer, io) = SocketIo::new_layer();
        io.ns("/", connected);
        return listen(listener, layer).await;
    };
    let client = redis::Client::open(format!("{redis}?protocol=resp3")).map_err(io::Error::other)?;
    let adapter = RedisAdapterCtr::new_with_redis(&client).await.map_err(io::Error::other)?;
    let (layer, io) = SocketIo::builder().with_adapter::<RedisAdapter<_>>(adapter).build_layer();
    io.ns("/", connected).await.map_err(|error| io::Error::other(error.to_string()))?;
    listen(listener, layer).await
}

async fn connected<A: Adapter>(socket: SocketRef<A>) {
    socket.on("subscribe", async |socket: SocketRef<A>, Data::<String>(room)| {
        socket.join(room);
        // A client that disconnects is no error.
        let _ = socket.emit("ok", "");
    });
    socket.on("publish", async |socket: SocketRef<A>, Data::<Publish>(publish)| {
        let _ = socket.to(publish.room).emit("message", &publish.content).await;
    });
}

async fn listen<A: Adapter>(listener: TcpListener, layer: SocketIoLayer<A>) -> io::Result<()> {
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    axum::serve(listener, Router::new().layer(layer)).await
}
