//! The opening handshake on a socket, in bounded time and room.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use async_io::Async;
use chat_core::Runtime;
use chat_websocket::{Gate, HeadLimits, Opening, OpeningRequest, Rejection, RequestReader, to_bytes};
use futures::future::{Either, select};
use futures::io::{AsyncReadExt, AsyncWriteExt};

/// How long one that is refused has to hear why.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Why nobody came in.
enum Failure {
    /// It is told so.
    Refused(Rejection),
    /// It is gone.
    Gone,
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(rejection)
    }
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Lets a client in: its place, and what it said already. One that may not come in is told why.
pub(crate) async fn enter(gate: &Gate, socket: &Async<TcpStream>) -> Option<(Opening, Vec<u8>)> {
    let runtime = gate.hub().runtime();
    let entered = within(runtime, gate.hub().limits().handshake_timeout, admit(gate, socket)).await;
    match entered.unwrap_or_else(|| Err(reject(gate, Rejection::Timeout))) {
        Ok(entered) => Some(entered),
        Err(Failure::Gone) => None,
        Err(Failure::Refused(rejection)) => {
            let _ = within(runtime, REFUSAL_TIMEOUT, refuse(socket, rejection)).await;
            None
        }
    }
}

async fn admit(gate: &Gate, mut socket: &Async<TcpStream>) -> Result<(Opening, Vec<u8>), Failure> {
    let OpeningRequest { head, rest } = read_request(gate, socket).await?;
    let (response, opening) = gate.open(&head)?;
    socket.write_all(&to_bytes(&response.map(|()| ""))).await?;
    Ok((opening, rest))
}

/// Counts one that does not come as far as the gate.
fn reject(gate: &Gate, rejection: Rejection) -> Failure {
    gate.hub().count_rejection(rejection.status().as_u16());
    Failure::Refused(rejection)
}

async fn read_request(gate: &Gate, mut socket: &Async<TcpStream>) -> Result<OpeningRequest, Failure> {
    let mut reader = RequestReader::new(HeadLimits::from(gate.hub().limits()));
    let mut buffer = [0; 1024];
    loop {
        let n = socket.read(&mut buffer).await?;
        if n == 0 {
            return Err(Failure::Gone);
        }
        let pushed = reader.push(&buffer[..n]).map_err(|rejection| reject(gate, rejection));
        if let Some(request) = pushed? {
            return Ok(request);
        }
    }
}

/// Says why, then reads on for a moment: closing a socket with unread bytes would reset it, and the answer be lost.
async fn refuse(mut socket: &Async<TcpStream>, rejection: Rejection) -> io::Result<()> {
    socket.write_all(&to_bytes(&rejection.response())).await?;
    socket.close().await?;
    let mut scrap = [0; 1024];
    for _ in 0..256 {
        if socket.read(&mut scrap).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// What a future gives, unless it takes too long.
async fn within<F: Future>(runtime: &Arc<dyn Runtime>, patience: Duration, future: F) -> Option<F::Output> {
    let sleep = runtime.sleep_until(runtime.now().instant + patience);
    match select(std::pin::pin!(future), sleep).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}
