//! Serves hubs on transports that are not `Send`, on executors of one thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use async_channel::Receiver;
use chat_async_std_adapter::{Async, SmolRuntime};
use chat_core::transport::{Answers, ByteWriter, Connection, Frame, Kind};
use chat_core::{Hub, HubBuilder};
use chat_http::{Gate, Opening, PollRead, handshake};
use chat_tokio_adapter::TokioRuntime;
use chat_websocket::Messages;
use futures::Sink;
use futures::future::{Either, LocalBoxFuture, select};

use crate::streams::{Tell, stopped, until_gone};

/// Serves a hub on Tokio's `LocalSet`.
pub(crate) fn tokio(hub: HubBuilder, tell: &Tell, stop: Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let hub = hub.build(TokioRuntime::current());
        let gate = chat_tokio_adapter::gate(hub.clone());
        serve(hub, gate, tell, stop, |session| drop(tokio::task::spawn_local(session))).await;
    });
}

/// Serves a hub on smol's local executor.
pub(crate) fn smol(hub: HubBuilder, tell: &Tell, stop: Receiver<()>) {
    let executor = Rc::new(smol::LocalExecutor::new());
    let hub = hub.build(SmolRuntime);
    let gate = chat_async_std_adapter::gate(hub.clone());
    let spawn = |session| executor.spawn(session).detach();
    async_io::block_on(executor.run(serve(hub, gate, tell, stop, spawn)));
}

async fn serve(
    hub: Hub,
    gate: Gate,
    tell: &Tell,
    stop: Receiver<()>,
    spawn: impl Fn(LocalBoxFuture<'static, ()>),
) {
    let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).expect("a free port");
    let address = listener.get_ref().local_addr().expect("a port");
    tell.send((address, hub.clone())).expect("somebody waits");
    let accepting = async {
        let mut stopped = Box::pin(stopped(stop));
        while let Either::Left((accepted, _)) = select(Box::pin(listener.accept()), &mut stopped).await {
            let (stream, remote) = accepted.expect("a socket");
            spawn(Box::pin(session(gate.clone(), stream, remote)));
        }
    };
    until_gone(accepting, hub).await;
}

async fn session(gate: Gate, stream: Async<TcpStream>, remote: SocketAddr) {
    let socket = Rc::new(Socket(stream));
    let mut reader = Reader(socket.clone());
    let Some((opening, early)) = handshake(&gate, Some(remote), &mut reader, &*socket).await else { return };
    let Opening { permit, protocol, credentials, limits, .. } = opening;
    let input = Messages::new(reader, limits, early).counted(permit.intake());
    let sink = Frames { socket, queue: RefCell::default() };
    Connection::over_sink(permit, protocol, credentials, input, sink).answered(Answers::BOTH).await;
}

struct Socket(Async<TcpStream>);

impl ByteWriter for Socket {
    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.get_ref().write_vectored(bytes)
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            match self.try_write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.0.poll_writable(cx))?,
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_close(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.get_ref().shutdown(Shutdown::Write))
    }
}

/// Reads a socket that is shared by `Rc`, so that it is not `Send`.
struct Reader(Rc<Socket>);

impl PollRead for Reader {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.0.0.get_ref().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.0.0.poll_readable(cx))?,
                read => return Poll::Ready(read),
            }
        }
    }
}

/// Writes frames to a socket that is shared by `Rc`.
struct Frames {
    socket: Rc<Socket>,
    queue: RefCell<VecDeque<u8>>,
}

impl Frames {
    fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut queue = self.queue.borrow_mut();
        while !queue.is_empty() {
            let (first, second) = queue.as_slices();
            let written = ready!(self.socket.poll_write(cx, &[IoSlice::new(first), IoSlice::new(second)]))?;
            queue.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl Sink<Frame> for Frames {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(cx)
    }

    fn start_send(self: Pin<&mut Self>, frame: Frame) -> io::Result<()> {
        let opcode = match frame.kind() {
            Kind::Text => 0x81,
            Kind::Binary => 0x82,
            Kind::Close => 0x88,
            Kind::Ping => 0x89,
            Kind::Pong => 0x8A,
        };
        let payload = frame.as_ref();
        let mut queue = self.queue.borrow_mut();
        queue.push_back(opcode);
        match payload.len() {
            short @ ..126 => queue.push_back(short as u8),
            medium @ ..65_536 => {
                queue.push_back(126);
                queue.extend((medium as u16).to_be_bytes());
            }
            long => {
                queue.push_back(127);
                queue.extend((long as u64).to_be_bytes());
            }
        }
        queue.extend(payload);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        self.socket.poll_close(cx)
    }
}
