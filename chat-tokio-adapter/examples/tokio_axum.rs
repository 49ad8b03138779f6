//! A chat beside the other routes of an axum server. `tokio_axum 127.0.0.1:9002`

use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};
use chat_core::{Hub, OpenChat};
use chat_tokio_adapter::{Listen, TokioRuntime, axum::upgrade};
use tokio::net::TcpListener;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "it tells people where it is")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9002".into());
    let hub = Hub::builder(OpenChat::default())
        .history(100, Duration::from_secs(300))
        .build(TokioRuntime::current());
    let app = Router::new()
        .route("/", get(|| async { "a chat is at /ws" }))
        .route("/ws", any(upgrade))
        .with_state(hub);
    let place: Listen = address.parse().map_err(std::io::Error::other)?;
    let listener = TcpListener::bind(&*place.addresses()?).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await
}
