//! The opening handshake on a socket, in bounded time and room.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

use chat_core::{ByteWriter, Peer};
use chat_http::{Gate, HeadLimits, Opening, OpeningRequest, Rejection, RequestReader, to_bytes, within};
use chat_websocket::PollRead;
use http::Method;

use crate::socket::{Source, Tcp, TcpReader};

/// Why nobody came in.
enum Failure {
    /// It is told so; of the answer to HEAD, the head.
    Refused(Rejection, Method),
    /// It is gone.
    Gone,
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(rejection, Method::GET)
    }
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Lets a client in: its place, and what it said already. One that may not come in is told why.
pub(crate) async fn enter<S: Source>(gate: &Gate, socket: &Arc<Tcp<S>>) -> Option<(Opening, Vec<u8>)> {
    let runtime = &**gate.hub().runtime();
    let entered = within(runtime, gate.hub().limits().handshake_timeout, admit(gate, socket)).await;
    match entered.unwrap_or_else(|| Err(reject(gate, Rejection::Timeout))) {
        Ok(entered) => Some(entered),
        Err(Failure::Gone) => None,
        Err(Failure::Refused(rejection, method)) => {
            let _ = within(runtime, rejection.linger(), refuse(socket, rejection, &method)).await;
            None
        }
    }
}

async fn admit<S: Source>(gate: &Gate, socket: &Arc<Tcp<S>>) -> Result<(Opening, Vec<u8>), Failure> {
    let OpeningRequest { mut head, rest } = read_request(gate, socket).await?;
    if let Ok(address) = socket.0.stream().peer_addr() {
        head.extensions_mut().insert(Peer::from(address.ip()));
    }
    let opened = gate.open(&head);
    let (response, opening) =
        opened.map_err(|rejection| Failure::Refused(rejection, head.method().clone()))?;
    write_all(socket, &to_bytes(&response.map(|()| ""))).await?;
    Ok((opening, rest))
}

/// Counts one that does not come as far as the gate.
fn reject(gate: &Gate, rejection: Rejection) -> Failure {
    gate.hub().count_rejection(rejection.status().as_u16());
    rejection.into()
}

async fn read_request<S: Source>(gate: &Gate, socket: &Arc<Tcp<S>>) -> Result<OpeningRequest, Failure> {
    let mut request = RequestReader::new(HeadLimits::from(gate.hub().limits()));
    let mut reader = TcpReader::new(socket.clone());
    let mut buffer = [0; 1024];
    loop {
        let n = read(&mut reader, &mut buffer).await?;
        if n == 0 {
            return Err(Failure::Gone);
        }
        let pushed = request.push(&buffer[..n]).map_err(|rejection| reject(gate, rejection));
        if let Some(request) = pushed? {
            return Ok(request);
        }
    }
}

/// Says why, then reads on for a moment: closing a socket with unread bytes would reset it, and the answer be lost.
async fn refuse<S: Source>(socket: &Arc<Tcp<S>>, rejection: Rejection, method: &Method) -> io::Result<()> {
    let response = rejection.response();
    let answer = to_bytes(&response);
    let said = if method == Method::HEAD { answer.len() - response.body().len() } else { answer.len() };
    write_all(socket, &answer[..said]).await?;
    poll_fn(|cx| socket.poll_close(cx)).await?;
    let mut reader = TcpReader::new(socket.clone());
    let mut scrap = [0; 1024];
    for _ in 0..256 {
        if read(&mut reader, &mut scrap).await? == 0 {
            break;
        }
    }
    Ok(())
}

async fn read<S: Source>(reader: &mut TcpReader<S>, buffer: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| reader.poll_read(cx, buffer)).await
}

async fn write_all<S: Source>(socket: &Tcp<S>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match poll_fn(|cx| socket.poll_write(cx, &[IoSlice::new(bytes)])).await {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
