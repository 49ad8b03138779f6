//! A chat server. `async_std_server 127.0.0.1:9002`; with `--no-default-features --features smol`, on smol.

use std::future::pending;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use chat_async_std_adapter::{Async, Listen, gate, serve};
use chat_core::{Hub, OpenChat};

#[cfg(feature = "async-std")]
use chat_async_std_adapter::AsyncStdRuntime as Runtime;
#[cfg(not(feature = "async-std"))]
use chat_async_std_adapter::SmolRuntime as Runtime;

#[expect(clippy::print_stdout, reason = "it tells people where it is")]
fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9002".into());
    let hub = Hub::builder(OpenChat::default()).history(100, Duration::from_secs(300)).build(Runtime);
    let place: Listen = address.parse().map_err(io::Error::other)?;
    let listener = Async::new(TcpListener::bind(&*place.addresses()?)?)?;
    println!("listening on {}", listener.get_ref().local_addr()?);
    async_io::block_on(serve(listener, gate(hub), pending()));
    Ok(())
}
