//! Stands between a node and its server, so that a test can cut them off.

use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Passes on what two sides say, until it cuts them off. It ends when it is dropped.
pub(crate) struct Proxy {
    port: u16,
    cut: Arc<Notify>,
    runs: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let (port, cut) = (listener.local_addr().expect("an address").port(), Arc::new(Notify::new()));
        let cuts = cut.clone();
        let runs = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(pass(near, server, cuts.clone()));
            }
        });
        Self { port, cut, runs }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections that there are. New ones are let through.
    pub(crate) fn cut(&self) {
        self.cut.notify_waiters();
    }
}

async fn pass(mut near: TcpStream, server: u16, cut: Arc<Notify>) {
    let cut = cut.notified();
    let Ok(mut far) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    tokio::select! {
        () = cut => {}
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.runs.abort();
        self.cut();
    }
}
