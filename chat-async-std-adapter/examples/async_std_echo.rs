//! Sends every WebSocket message back. `async_std_echo 127.0.0.1:9001`; with `--no-default-features
//! --features smol`, on smol.

use std::future::pending;
use std::io;
use std::net::TcpListener;

use chat_async_std_adapter::{Async, Gate, HttpHub, HttpLimits, Listen, serve};
use chat_core::{Hub, Limits, Rate};
use chat_protocol::echo::{Echo, EchoEndpoint};

#[cfg(feature = "async-std")]
use chat_async_std_adapter::AsyncStdRuntime as Runtime;
#[cfg(not(feature = "async-std"))]
use chat_async_std_adapter::SmolRuntime as Runtime;

#[expect(clippy::print_stdout, reason = "it tells people where it is")]
fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let big = 16 * 1024 * 1024;
    let limits = Limits::default()
        .with_message_bytes(big)
        .with_outbox_bytes(4 * big)
        .with_requests(Rate::UNBOUNDED)
        .with_controls(Rate::UNBOUNDED);
    let hub = Hub::builder(EchoEndpoint).limits(limits).build(Runtime);
    let http = HttpHub::new(hub, HttpLimits::default().with_message_fragments(0));
    let place: Listen = address.parse().map_err(io::Error::other)?;
    let listener = Async::new(TcpListener::bind(&*place.addresses()?)?)?;
    println!("listening on {}", listener.get_ref().local_addr()?);
    async_io::block_on(serve(listener, Gate::new(http, Echo), pending()));
    Ok(())
}
