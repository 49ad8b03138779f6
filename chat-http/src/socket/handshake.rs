//! Reads and answers the opening handshake on a connection, in bounded time and room.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};

use chat_core::Hub;
use chat_core::runtime::Runtime;
use chat_core::transport::{ByteWriter, Peer};
use chat_websocket::PollRead;
use http::Method;

use super::listener::Remote;
use super::start::{Start, read, read_start};
use crate::admission::{Gate, Opening, Rejection, RemoteAddress};
use crate::head::{HeadLimits, OpeningRequest, RequestReader, to_bytes};
use crate::time::within;

/// Limits the reads after an answer: a client that keeps sending is dropped.
const LAST_READS: usize = 256;

/// Says why a connection comes to nothing.
enum Failure {
    /// The request is refused; the answer to HEAD has no body.
    Refused(Rejection, Method),
    /// The client is gone.
    Gone,
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Reads the first request of a connection and opens a session for it: returns what to [`run`](crate::run)
/// and the bytes that came after the request. The 101 is sent by then.
///
/// Answers a request that is refused, or not there in time, and returns none. For servers without an HTTP
/// library. `remote` is where the connection comes from, or what a [`Listener`](super::Listener) says of it.
///
/// ```
/// use std::net::SocketAddr;
/// use std::sync::Arc;
///
/// use chat_core::transport::ByteWriter;
/// use chat_http::{Gate, PollRead, handshake, run};
///
/// /// Serves one connection, on the sockets of whatever runtime.
/// async fn serve_one<R, W>(gate: Gate, remote: SocketAddr, mut reader: R, writer: Arc<W>)
/// where
///     R: PollRead + Send + Unpin + 'static,
///     W: ByteWriter,
/// {
///     if let Some((opening, early)) = handshake(&gate, Some(remote), &mut reader, &*writer).await {
///         run(opening, reader, writer, early).await;
///     }
/// }
/// ```
pub async fn handshake<R, W>(
    gate: &Gate,
    remote: impl Into<Remote>,
    reader: &mut R,
    writer: &W,
) -> Option<(Opening, Vec<u8>)>
where
    R: PollRead,
    W: ByteWriter,
{
    let (runtime, limits) = (&**gate.hub().runtime(), gate.http().limits());
    let opened = open(gate, remote.into(), limits.into(), reader, writer);
    let opened = within(runtime, limits.handshake_timeout, opened);
    match opened.await.unwrap_or_else(|| Err(refused(gate.hub(), Rejection::Timeout))) {
        Ok(opened) => Some(opened),
        Err(Failure::Gone) => None,
        Err(Failure::Refused(rejection, method)) => {
            refuse(runtime, reader, writer, rejection, &method).await;
            None
        }
    }
}

async fn open<R, W>(
    gate: &Gate,
    remote: Remote,
    limits: HeadLimits,
    reader: &mut R,
    writer: &W,
) -> Result<(Opening, Vec<u8>), Failure>
where
    R: PollRead,
    W: ByteWriter,
{
    let Start { remote, head: bytes } = match read_start(remote, reader, limits).await {
        Ok(start) => start,
        Err(None) => return Err(Failure::Gone),
        Err(Some(rejection)) => return Err(refused(gate.hub(), rejection)),
    };
    let request =
        RequestReader::new(limits).push(&bytes).map_err(|rejection| refused(gate.hub(), rejection))?;
    let OpeningRequest { mut head, rest } = request.expect("the head is whole");
    if let Some(remote) = remote {
        head.extensions_mut().insert(Peer::from(remote.ip()));
        head.extensions_mut().insert(RemoteAddress(remote));
    }
    let opened = gate.open(&head);
    let refuse = |rejection| Failure::Refused(rejection, head.method().clone());
    let (response, mut opening) = opened.map_err(refuse)?;
    opening.ask().await.map_err(refuse)?;
    write_all(writer, &to_bytes(&response.map(|()| ""))).await?;
    Ok((opening, rest))
}

/// Counts a request that does not come as far as the gate.
fn refused(hub: &Hub, rejection: Rejection) -> Failure {
    hub.acceptor().count_rejection(rejection.status().as_u16());
    Failure::Refused(rejection, Method::GET)
}

/// Answers with a rejection and ends the stream, then reads on for as long as the rejection
/// [says](Rejection::linger): closing a socket with unread bytes would reset it, and lose the answer. An
/// answer to HEAD has no body.
pub async fn refuse<R, W>(
    runtime: &dyn Runtime,
    reader: &mut R,
    writer: &W,
    rejection: Rejection,
    method: &Method,
) where
    R: PollRead,
    W: ByteWriter,
{
    if rejection == Rejection::ProxyHeader {
        return;
    }
    // A client that is gone already needs no answer.
    let _ = within(runtime, rejection.linger(), answer(reader, writer, rejection, method)).await;
}

async fn answer<R, W>(reader: &mut R, writer: &W, rejection: Rejection, method: &Method) -> io::Result<()>
where
    R: PollRead,
    W: ByteWriter,
{
    let response = rejection.response();
    let mut bytes = to_bytes(&response);
    if method == Method::HEAD {
        bytes.truncate(bytes.len() - response.body().len());
    }
    write_all(writer, &bytes).await?;
    poll_fn(|cx| writer.poll_close(cx)).await?;
    let mut scrap = Vec::with_capacity(1024);
    for _ in 0..LAST_READS {
        scrap.clear();
        if read(reader, &mut scrap).await? == 0 {
            break;
        }
    }
    Ok(())
}

async fn write_all<W: ByteWriter>(writer: &W, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match poll_fn(|cx| writer.poll_write(cx, &[IoSlice::new(bytes)])).await {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex, MutexGuard};
    use std::task::{Context, Poll};
    use std::time::Duration;

    use chat_core::OpenChat;
    use chat_core::testkit::World;
    use chat_protocol::json::Json;

    use super::*;

    const REQUEST: &str = "/ws?name=ann HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    /// A connection whose client has sent all that it will.
    #[derive(Clone, Default)]
    struct Wire(Arc<Mutex<State>>);

    #[derive(Default)]
    struct State {
        sent: VecDeque<u8>,
        gone: bool,
        answered: Vec<u8>,
        ended: bool,
    }

    impl Wire {
        fn state(&self) -> MutexGuard<'_, State> {
            self.0.lock().expect("nobody panics")
        }
    }

    impl PollRead for Wire {
        fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            let mut state = self.state();
            if state.sent.is_empty() && !state.gone {
                return Poll::Pending;
            }
            // A few bytes at a time.
            let n = buffer.len().min(state.sent.len()).min(7);
            state.sent.drain(..n).zip(buffer).for_each(|(byte, place)| *place = byte);
            Poll::Ready(Ok(n))
        }
    }

    impl ByteWriter for Wire {
        fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
            self.state().answered.extend_from_slice(&bytes[0]);
            Ok(bytes[0].len())
        }

        fn poll_write(&self, _: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
            Poll::Ready(self.try_write(bytes))
        }

        fn poll_close(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.state().ended = true;
            Poll::Ready(Ok(()))
        }
    }

    /// Holds the outcome of a handshake: the bytes after the request if it holds, read or not; the answer,
    /// and its time.
    struct Outcome {
        rest: Option<Vec<u8>>,
        answer: String,
        ended: bool,
        took: Duration,
    }

    fn shake(sent: &[u8], gone: bool) -> Outcome {
        let world = World::new();
        let gate = Gate::new(Hub::builder(OpenChat::default()).build(world.clone()), Json);
        let wire = Wire::default();
        *wire.state() = State { sent: sent.iter().copied().collect(), gone, ..State::default() };
        let (mut reader, writer, begun) = (wire.clone(), wire.clone(), world.instant());
        let remote = "192.0.2.7:4711".parse().ok();
        let shaking =
            async move { handshake(&gate, remote, &mut reader, &writer).await.map(|(_, rest)| rest) };
        let unread = |mut rest: Vec<u8>| {
            rest.extend(&wire.state().sent);
            rest
        };
        let rest = world.run(shaking).map(unread);
        let answer = String::from_utf8_lossy(&wire.state().answered).into_owned();
        let ended = wire.state().ended;
        Outcome { rest, answer, ended, took: world.instant() - begun }
    }

    #[test]
    fn a_good_request_is_answered_at_once_and_what_came_after_it_is_kept() {
        let outcome = shake(format!("GET {REQUEST}first frame").as_bytes(), false);
        assert_eq!(outcome.rest.as_deref(), Some(&b"first frame"[..]));
        assert!(outcome.answer.starts_with("HTTP/1.1 101 "), "{}", outcome.answer);
        assert!(!outcome.ended && outcome.took.is_zero());
    }

    #[test]
    fn a_request_that_does_not_come_is_answered_in_time_and_its_client_waited_for_briefly() {
        let outcome = shake(b"GET /ws HT", false);
        assert!(outcome.answer.starts_with("HTTP/1.1 408 ") && outcome.rest.is_none());
        assert_eq!((outcome.ended, outcome.took), (true, Duration::from_millis(10_100)));
    }

    #[test]
    fn a_bad_request_is_answered_and_its_client_has_a_second_to_read_that() {
        let outcome = shake(b"SSH-2.0-x\r\n", false);
        assert!(outcome.answer.starts_with("HTTP/1.1 400 ") && outcome.rest.is_none());
        assert_eq!((outcome.ended, outcome.took), (true, Duration::from_secs(1)));
        let outcome = shake(b"SSH-2.0-x\r\n", true);
        assert!(outcome.answer.starts_with("HTTP/1.1 400 ") && outcome.took.is_zero(), "it has read all");
    }

    #[test]
    fn an_answer_to_head_has_no_body_and_one_to_nobody_none() {
        let outcome = shake(format!("HEAD {REQUEST}").as_bytes(), true);
        assert!(outcome.answer.starts_with("HTTP/1.1 426 ") && outcome.answer.ends_with("\r\n\r\n"));
        let outcome = shake(b"GET /ws HT", true);
        assert!(outcome.answer.is_empty() && outcome.rest.is_none() && outcome.took.is_zero());
    }
}
