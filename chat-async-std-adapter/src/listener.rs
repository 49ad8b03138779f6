//! Accepts connections, and lets each in on a task of its own.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use async_io::Async;
use chat_http::Gate;
use futures::future::{FutureExt, ready, select};

use crate::door::enter;
use crate::run::run_source;
use crate::socket::{Source, Tcp};
use crate::sockets::Sockets;

/// Pauses after what failed, such as without file descriptors left: doubled from the first to the last.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

/// So many are accepted before all others have a turn, though more are waiting.
const AT_ONCE: u64 = 64;

/// Serves WebSockets of this gate on every path, until `end` is ready. Sessions go on after that: see [`Hub::drain`](chat_core::Hub::drain).
///
/// A client has 10 s, 16 KiB, 8 KiB a line and 100 headers for its request; else it gets 408 or 431. The tasks are spawned on the hub's runtime: best is
/// to run this there too, in a task, since a thread that only accepts would have to wake another for each connection.
///
/// A listener on a loopback address is asked by its own names alone, unless the gate has [`hosts`](Gate::hosts).
pub async fn serve(listener: Async<TcpListener>, gate: Gate, end: impl Future<Output = ()>) {
    let gate = match listener.get_ref().local_addr() {
        Ok(address) => gate.listening(address),
        Err(_) => gate,
    };
    let accepting = async {
        let (sockets, watch) = until_done(&gate, || ready(Sockets::new())).await;
        gate.hub().runtime().spawn(Box::pin(watch));
        for accepted in 1_u64.. {
            let socket = until_done(&gate, || async {
                let (socket, _) = listener.read_with(TcpListener::accept).await?;
                sockets.watch(socket)
            });
            let let_in = let_in(gate.clone(), Arc::new(Tcp(socket.await)));
            gate.hub().runtime().spawn(Box::pin(let_in));
            if accepted.is_multiple_of(AT_ONCE) {
                gate.hub().runtime().give_way().await;
            }
        }
    };
    select(std::pin::pin!(accepting), std::pin::pin!(end)).await;
}

async fn let_in<S: Source>(gate: Gate, socket: Arc<Tcp<S>>) {
    if let Some((opening, early)) = enter(&gate, &socket).await {
        // A task of its own, with nothing in it of how it came about.
        let session = run_source(opening, socket, early);
        gate.hub().runtime().spawn(Box::pin(session.map(drop)));
    }
}

/// Tries until it succeeds; what fails is counted.
async fn until_done<T, F: Future<Output = io::Result<T>>>(gate: &Gate, attempt: impl Fn() -> F) -> T {
    let runtime = gate.hub().runtime();
    let mut pause = PAUSES[0];
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(_) => {
                gate.hub().count_failed_accept();
                runtime.sleep_until(runtime.now().instant + pause).await;
                pause = (pause * 2).min(PAUSES[1]);
            }
        }
    }
}
