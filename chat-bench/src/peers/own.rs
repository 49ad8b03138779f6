//! Serves this project as a library: the history keeps 100 publications, and all default bounds are on except
//! the publishers' rate.

use std::future::pending;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use chat_async_std_adapter::{Async, AsyncStdRuntime, SmolRuntime};
use chat_core::{Hub, HubBuilder, Limits, OpenChat, Rate};
use chat_tokio_adapter::TokioRuntime;

fn builder(shards: usize) -> HubBuilder {
    let limits = Limits::default().with_requests(Rate::UNBOUNDED);
    Hub::builder(OpenChat::default()).limits(limits).history(100, Duration::from_secs(300)).shards(shards)
}

pub(super) async fn tokio(listener: tokio::net::TcpListener, shards: usize) -> io::Result<()> {
    let hub = builder(shards).build(TokioRuntime::current());
    chat_tokio_adapter::serve(listener, chat_tokio_adapter::gate(hub), pending()).await;
    Ok(())
}

pub(super) fn async_std(listener: TcpListener, shards: usize) -> io::Result<()> {
    let serving = async_std::task::spawn(serve(listener, builder(shards).build(AsyncStdRuntime)));
    async_std::task::block_on(serving)
}

pub(super) fn smol(listener: TcpListener, shards: usize) -> io::Result<()> {
    smol::block_on(smol::spawn(serve(listener, builder(shards).build(SmolRuntime))))
}

/// Serves within a task, since a connection that another thread accepted would have to wake the runtime.
async fn serve(listener: TcpListener, hub: Hub) -> io::Result<()> {
    let listener = Async::new(listener)?;
    chat_async_std_adapter::serve(listener, chat_async_std_adapter::gate(hub), pending()).await;
    Ok(())
}
