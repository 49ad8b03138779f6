//! Stands between servers and an engine, and breaks their connections.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Passes connections on to a port of the loopback.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Mutex<Vec<TcpStream>>,
    /// Is true while what is said is swallowed.
    swallows: AtomicBool,
    /// Counts the next writes of which only the first half is passed on, before the connection is cut.
    halves: AtomicUsize,
}

impl Proxy {
    /// Listens on a free port.
    ///
    /// # Panics
    /// Panics if there is none.
    pub fn to(engine: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (port, state) = (listener.local_addr().expect("an address").port(), Arc::new(State::default()));
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if let Ok(server) = TcpStream::connect(("127.0.0.1", engine)) {
                    shared.join(client, server);
                }
            }
        });
        Self { port, state }
    }

    /// Returns the port on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        for stream in self.state.open().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Cuts so many connections in the middle of what is said next on them.
    pub fn halve(&self, many: usize) {
        self.state.halves.store(many, Ordering::Relaxed);
    }

    /// Swallows all that is said until it is told to stop, and then cuts all connections.
    pub fn swallow(&self, swallows: bool) {
        self.state.swallows.store(swallows, Ordering::Relaxed);
        if !swallows {
            self.cut();
        }
    }
}

impl State {
    fn open(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let clone = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
        self.open().extend([clone(&client), clone(&server)]);
        for (from, to) in [(clone(&client), clone(&server)), (server, client)] {
            let state = self.clone();
            thread::spawn(move || state.pass(from, to));
        }
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(bytes @ 1..) = from.read(&mut buffer) {
            if self.swallows.load(Ordering::Relaxed) {
                continue;
            }
            let halves =
                self.halves.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            let passed = if halves.is_ok() { bytes / 2 } else { bytes };
            if to.write_all(&buffer[..passed]).is_err() || passed < bytes {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
