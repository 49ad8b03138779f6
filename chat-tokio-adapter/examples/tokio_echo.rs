//! Sends every WebSocket message back. `tokio_echo 127.0.0.1:9001`

use std::future::pending;

use chat_core::{Hub, Limits, Rate};
use chat_protocol::echo::{Echo, EchoEndpoint};
use chat_tokio_adapter::{Gate, HttpHub, HttpLimits, Listen, TokioRuntime, serve};
use tokio::net::TcpListener;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "it tells people where it is")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let big = 16 * 1024 * 1024;
    let limits = Limits::default()
        .with_message_bytes(big)
        .with_outbox_bytes(4 * big)
        .with_requests(Rate::UNBOUNDED)
        .with_controls(Rate::UNBOUNDED);
    let hub = Hub::builder(EchoEndpoint).limits(limits).build(TokioRuntime::current());
    let http = HttpHub::new(hub, HttpLimits::default().with_message_fragments(0));
    let place: Listen = address.parse().map_err(std::io::Error::other)?;
    let listener = TcpListener::bind(&*place.addresses()?).await?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener, Gate::new(http, Echo), pending()).await;
    Ok(())
}
