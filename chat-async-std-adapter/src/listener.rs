//! Accepts connections, and lets each in on a task of its own.

use std::future::Future;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use async_io::Async;
use chat_websocket::Gate;
use futures::future::{FutureExt, select};

use crate::door::enter;
use crate::run::run_tcp;

/// Pauses after a failed accept, such as without file descriptors left: doubled from the first to the last.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

/// Serves WebSockets of this gate on every path, until `end` is ready. Sessions go on after that: see [`Hub::drain`](chat_core::Hub::drain).
///
/// A client has 10 s, 16 KiB, 8 KiB a line and 100 headers for its request; else it gets 408 or 431. The tasks are spawned on the hub's runtime.
pub async fn serve(listener: Async<TcpListener>, gate: Gate, end: impl Future<Output = ()>) {
    let accepting = async {
        loop {
            let (socket, gate) = (accept(&listener, &gate).await, gate.clone());
            let runtime = gate.hub().runtime().clone();
            runtime.spawn(Box::pin(async move {
                if let Some((opening, early)) = enter(&gate, &socket).await {
                    // A task of its own, with nothing in it of how it came about.
                    let session = run_tcp(opening, socket, early);
                    gate.hub().runtime().spawn(Box::pin(session.map(drop)));
                }
            }));
        }
    };
    select(std::pin::pin!(accepting), std::pin::pin!(end)).await;
}

async fn accept(listener: &Async<TcpListener>, gate: &Gate) -> Async<TcpStream> {
    let runtime = gate.hub().runtime();
    let mut pause = PAUSES[0];
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return socket,
            Err(_) => {
                gate.hub().count_failed_accept();
                runtime.sleep_until(runtime.now().instant + pause).await;
                pause = (pause * 2).min(PAUSES[1]);
            }
        }
    }
}
