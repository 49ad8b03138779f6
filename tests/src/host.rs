//! Serves a hub on real sockets, on each runtime.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Sender as Teller, channel};
use std::thread::{self, JoinHandle};

use async_channel::{Receiver, Sender};
use chat_async_std_adapter::{Async, AsyncStdRuntime, SmolRuntime};
use chat_core::{Hub, HubBuilder};
use chat_http::{HttpHub, HttpLimits, Listener, Network};
use chat_tokio_adapter::TokioRuntime;

use crate::local;
use crate::streams::{self, stopped, until_gone};
use crate::watchdog;

/// Names a runtime, and the adapter that binds the core to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Runs Tokio on several threads.
    TokioMulti,
    /// Runs Tokio on one thread.
    TokioCurrent,
    /// Runs the runtime of async-std.
    AsyncStd,
    /// Runs the runtime of smol.
    Smol,
    /// Runs Tokio, on sockets that axum's own extractor upgraded: a `Stream` and a `Sink` of messages.
    AxumSockets,
    /// Runs Tokio, on byte streams that the adapter does not know as TCP sockets, as with TLS.
    TokioStreams,
    /// Runs async-std, on such byte streams.
    AsyncStdStreams,
    /// Runs async-std, on sockets that are open already.
    AsyncStdSockets,
    /// Stands for Tokio's `LocalSet`, on a stream and a sink that are not `Send`.
    TokioLocal,
    /// Stands for smol's local executor, on the same.
    SmolLocal,
}

/// Holds a hub that listens until this is dropped.
#[derive(Debug)]
pub struct Served {
    /// Holds the address, which serves the plain protocol on every path.
    pub address: SocketAddr,
    /// Holds the hub that listens.
    pub hub: Hub,
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

/// Holds what a listener knows of its clients before they have a session.
struct Front {
    proxies: Vec<Network>,
    http: HttpLimits,
}

impl Host {
    /// Serves a hub.
    ///
    /// # Panics
    /// Panics if no port is free.
    pub fn serve(self, hub: HubBuilder) -> Served {
        self.serve_within(HttpLimits::default(), hub)
    }

    /// Serves a hub within these bounds of HTTP. For hosts that listen themselves.
    ///
    /// # Panics
    /// Panics if no port is free.
    pub fn serve_within(self, http: HttpLimits, hub: HubBuilder) -> Served {
        self.serve_behind(&[], http, hub)
    }

    /// Serves a hub within these bounds of HTTP, behind proxies in these networks, which speak the PROXY
    /// protocol. For hosts that listen themselves.
    ///
    /// # Panics
    /// Panics if no port is free, or if a text is no network.
    pub fn serve_behind(self, proxies: &[&str], http: HttpLimits, hub: HubBuilder) -> Served {
        watchdog::watch();
        let proxies = proxies.iter().map(|network| network.parse().expect("a network")).collect();
        let front = Front { proxies, http };
        let (tell, told) = channel();
        let (stop, stopped) = async_channel::bounded(1);
        let thread = thread::spawn(move || self.run(hub, front, &tell, stopped));
        let (address, hub) = told.recv().expect("it listens");
        Served { address, hub, stop, thread: Some(thread) }
    }

    fn run(self, hub: HubBuilder, front: Front, tell: &Teller<(SocketAddr, Hub)>, stop: Receiver<()>) {
        use tokio::runtime::Builder;
        match self {
            Self::TokioMulti => tokio(Builder::new_multi_thread(), hub, front, tell, stop),
            Self::TokioCurrent => tokio(Builder::new_current_thread(), hub, front, tell, stop),
            Self::AsyncStd => futures_io(hub.build(AsyncStdRuntime), front, tell, stop),
            Self::Smol => futures_io(hub.build(SmolRuntime), front, tell, stop),
            Self::AxumSockets => streams::axum_sockets(hub, tell, stop),
            Self::TokioStreams => streams::tokio_streams(hub, tell, stop),
            Self::AsyncStdStreams => {
                streams::async_std(hub.build(AsyncStdRuntime), chat_async_std_adapter::run_io, tell, stop);
            }
            Self::TokioLocal => local::tokio(hub, tell, stop),
            Self::SmolLocal => local::smol(hub, tell, stop),
            Self::AsyncStdSockets => {
                streams::async_std(hub.build(AsyncStdRuntime), chat_async_std_adapter::run_tcp, tell, stop);
            }
        }
    }
}

impl Served {
    /// Returns the URL for WebSocket clients.
    pub fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn tokio(
    mut runtime: tokio::runtime::Builder,
    hub: HubBuilder,
    front: Front,
    tell: &Teller<(SocketAddr, Hub)>,
    stop: Receiver<()>,
) {
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let hub = hub.build(TokioRuntime::current());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a port");
        let listener = Listener::from(listener).proxy_protocol(front.proxies);
        let gate = chat_tokio_adapter::gate(HttpHub::new(hub.clone(), front.http));
        let serving = chat_tokio_adapter::serve(listener, gate, stopped(stop));
        tell.send((address, hub.clone())).expect("somebody waits");
        until_gone(serving, hub).await;
    });
}

fn futures_io(hub: Hub, front: Front, tell: &Teller<(SocketAddr, Hub)>, stop: Receiver<()>) {
    let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).expect("a free port");
    let address = listener.get_ref().local_addr().expect("a port");
    let listener = Listener::from(listener).proxy_protocol(front.proxies);
    let gate = chat_async_std_adapter::gate(HttpHub::new(hub.clone(), front.http));
    let serving = chat_async_std_adapter::serve(listener, gate, stopped(stop));
    tell.send((address, hub.clone())).expect("somebody waits");
    async_io::block_on(until_gone(serving, hub));
}
