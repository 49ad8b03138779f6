//! Serves the peers of the comparison, each as its own documentation suggests, and this project on runtimes
//! that chat-server does not use.

mod axum;
mod bare;
mod own;
mod socketioxide;
mod tungstenite;

use std::io;
use std::net::SocketAddr;

use chat_tokio_adapter::Listen;
use clap::ValueEnum;

/// Names a server that this program contains.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Peer {
    /// axum's WebSocket with a broadcast channel of Tokio's for each channel.
    Axum,
    /// tokio-tungstenite with a sender for each subscriber; its task feeds all queued messages and flushes
    /// once.
    Tungstenite,
    /// The rooms of socketioxide, and its Redis adapter.
    Socketioxide,
    /// This project on Tokio, as a library.
    Tokio,
    /// This project on async-std.
    AsyncStd,
    /// This project on smol.
    Smol,
}

/// Holds the options of `serve`.
#[derive(clap::Args)]
pub(crate) struct Options {
    peer: Peer,
    /// Listens at this loopback address.
    #[arg(long)]
    pub(crate) listen: Listen,
    /// Runs a Tokio runtime on this many threads; async-std and smol read theirs from the environment.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// Spreads this project's channels over this many locks.
    #[arg(long, default_value_t = 64)]
    shards: usize,
    /// Makes socketioxide one of several nodes over the Redis at this address.
    #[arg(long)]
    redis: Option<String>,
}

/// Serves until the process is killed.
pub(crate) fn serve(listen: SocketAddr, options: &Options) -> io::Result<()> {
    let listener = std::net::TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    match options.peer {
        Peer::AsyncStd => return own::async_std(listener, options.shards),
        Peer::Smol => return own::smol(listener, options.shards),
        _ => {}
    }
    runtime(options.threads)?.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        match options.peer {
            Peer::Axum => axum::serve(listener).await,
            Peer::Socketioxide => socketioxide::serve(listener, options.redis.as_deref()).await,
            Peer::Tungstenite => tungstenite::serve(listener).await,
            _ => own::tokio(listener, options.shards).await,
        }
    })
}

fn runtime(threads: u16) -> io::Result<tokio::runtime::Runtime> {
    match threads {
        1 => tokio::runtime::Builder::new_current_thread().enable_all().build(),
        many => tokio::runtime::Builder::new_multi_thread().worker_threads(many.into()).enable_all().build(),
    }
}
