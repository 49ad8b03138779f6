//! Accepts connections, and opens each on a task of its own.

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;

use async_io::Async;
use chat_http::{Gate, Listener, Remote, accept_with, handshake};
use futures::future::{FutureExt, ready, select};

use crate::run::run_source;
use crate::socket::{Source, Tcp, TcpReader};
use crate::sockets::Sockets;

/// Limits how many connections are accepted before all other tasks have a turn.
const AT_ONCE: u64 = 64;

/// Serves WebSockets of this gate on every path, until `end` is ready. Sessions go on after that: end them
/// with [`Hub::drain`](chat_core::Hub::drain).
///
/// A client has 10 s, 48 KiB, 32 KiB a line and 100 headers for its request unless the gate's
/// [`HttpLimits`](chat_http::HttpLimits) say otherwise; else it gets 408 or 431. Tasks are spawned on the
/// hub's runtime: run this there too, in a task, since a thread that only accepts has to wake another for
/// each connection.
///
/// On a loopback address only the listener's own names are served, unless the gate has
/// [`hosts`](Gate::hosts).
///
/// Behind a proxy that speaks the PROXY protocol, serve a [`Listener`] that says so.
pub async fn serve(
    listener: impl Into<Listener<Async<TcpListener>>>,
    gate: Gate,
    end: impl Future<Output = ()>,
) {
    let listener = listener.into();
    let gate = match listener.socket().get_ref().local_addr() {
        Ok(address) => gate.listening(address),
        Err(_) => gate,
    };
    let accepting = async {
        let (sockets, watch) = accept_with(gate.hub(), || ready(Sockets::new())).await;
        gate.hub().runtime().spawn(Box::pin(watch));
        for count in 1_u64.. {
            let accepted = accept_with(gate.hub(), || async {
                let (socket, remote) = listener.socket().read_with(TcpListener::accept).await?;
                Ok((sockets.watch(socket)?, remote))
            });
            let (socket, remote) = accepted.await;
            let opening = open(gate.clone(), listener.remote(remote), Arc::new(Tcp(socket)));
            gate.hub().runtime().spawn(Box::pin(opening));
            if count.is_multiple_of(AT_ONCE) {
                gate.hub().runtime().yield_now().await;
            }
        }
    };
    select(std::pin::pin!(accepting), std::pin::pin!(end)).await;
}

async fn open<S: Source>(gate: Gate, remote: Remote, socket: Arc<Tcp<S>>) {
    let mut reader = TcpReader::new(socket.clone());
    if let Some((opening, early)) = handshake(&gate, remote, &mut reader, &*socket).await {
        // The session gets a task of its own, without the memory that the handshake took.
        let session = run_source(opening, socket, early);
        gate.hub().runtime().spawn(Box::pin(session.map(drop)));
    }
}
