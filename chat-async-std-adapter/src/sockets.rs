//! Puts many sockets behind one source of the runtime's: an event costs the socket's task a call, and the
//! reactor none.
//!
//! async-io arms a source anew for every event, with a system call, and its own thread looks for events
//! whenever the tasks take longer than 50 µs: under load each event then costs two switches between threads.
//! A set of its own tells each event once, without being armed, and is looked at by a task: between two
//! rounds of the others, or when the reactor says that there is something.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use async_io::Async;
use futures::task::AtomicWaker;
use mio::unix::SourceFd;
use mio::{Events, Interest, Registry, Token};

use crate::socket::Source;

/// Limits the events that are looked at together.
const EVENTS: usize = 256;

/// Holds the sockets of one listener.
#[derive(Debug)]
pub(crate) struct Sockets {
    registry: Registry,
    all: Mutex<HashMap<Token, Arc<Readiness>>>,
    /// Holds the next token. None comes twice: an event that is under way when its socket is closed must not
    /// reach another.
    next: AtomicUsize,
    /// Wakes the task that looks at them when the last is gone.
    watch: Arc<AtomicWaker>,
}

impl Sockets {
    /// Makes a set, and the task to run for it.
    pub(crate) fn new() -> io::Result<(Arc<Self>, impl Future<Output = ()> + Send)> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let source = Async::new_nonblocking(registry.as_fd().try_clone_to_owned()?)?;
        let watch = Arc::new(AtomicWaker::new());
        let sockets = Arc::new(Self {
            registry,
            all: Mutex::default(),
            next: AtomicUsize::new(0),
            watch: watch.clone(),
        });
        let (events, those) = (Events::with_capacity(EVENTS), Arc::downgrade(&sockets));
        Ok((sockets, Watch { poll, source, events, sockets: those, watch }))
    }

    /// Takes in a socket.
    pub(crate) fn watch(self: &Arc<Self>, stream: TcpStream) -> io::Result<Watched> {
        stream.set_nonblocking(true)?;
        let readiness = Arc::new(Readiness::default());
        let token = Token(self.next.fetch_add(1, Ordering::Relaxed));
        locked(&self.all).insert(token, readiness.clone());
        let watched = Watched { stream, readiness, token, sockets: self.clone() };
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.registry.register(&mut SourceFd(&watched.stream.as_raw_fd()), token, interest)?;
        Ok(watched)
    }

    fn tell(&self, events: &Events) {
        let mut wakers = Vec::new();
        let all = locked(&self.all);
        for event in events {
            if let Some(readiness) = all.get(&event.token()) {
                let [read, write] = &mut *locked(&readiness.0);
                if event.is_readable() || event.is_read_closed() {
                    read.tell(event.is_read_closed(), &mut wakers);
                }
                if event.is_writable() || event.is_write_closed() {
                    write.tell(event.is_write_closed(), &mut wakers);
                }
            }
        }
        drop(all);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.watch.wake();
    }
}

/// Tells of events until the last socket is gone.
struct Watch {
    poll: mio::Poll,
    source: Async<OwnedFd>,
    events: Events,
    sockets: Weak<Sockets>,
    watch: Arc<AtomicWaker>,
}

impl Future for Watch {
    type Output = ();

    /// Comes again after events, once those who wait for them have had their turn, and waits only when there
    /// are none.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.watch.register(cx.waker());
        loop {
            let Some(sockets) = this.sockets.upgrade() else { return Poll::Ready(()) };
            // Interrupted by a signal: as if there were none.
            let _ = this.poll.poll(&mut this.events, Some(Duration::ZERO));
            if !this.events.is_empty() {
                sockets.tell(&this.events);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            drop(sockets);
            if ready!(this.source.poll_readable(cx)).is_err() {
                // Without the reactor's help it looks again and again, lest all its sockets be deaf.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }
}

/// Holds a socket of the set.
#[derive(Debug)]
pub(crate) struct Watched {
    stream: TcpStream,
    readiness: Arc<Readiness>,
    token: Token,
    sockets: Arc<Sockets>,
}

impl Source for Watched {
    fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        locked(&self.readiness.0)[0].poll(cx)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        locked(&self.readiness.0)[1].poll(cx)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // It is closed next, which takes it out of the set in any case.
        let _ = self.sockets.registry.deregister(&mut SourceFd(&self.stream.as_raw_fd()));
        locked(&self.sockets.all).remove(&self.token);
    }
}

/// Knows the events of a socket: of reading, and of writing.
#[derive(Debug, Default)]
struct Readiness(Mutex<[Direction; 2]>);

#[derive(Debug, Default)]
struct Direction {
    /// Tells that there was an event that nobody has asked for yet.
    told: bool,
    /// Tells that the end is reached: no event will come any more.
    over: bool,
    waker: Option<Waker>,
}

impl Direction {
    fn tell(&mut self, over: bool, wakers: &mut Vec<Waker>) {
        self.told = true;
        self.over |= over;
        wakers.extend(self.waker.take());
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.told) || self.over {
            return Poll::Ready(Ok(()));
        }
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener};
    use std::pin::pin;

    use async_io::Timer;
    use futures::future::{Either, FutureExt, join, poll_fn, select};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let client = TcpStream::connect(listener.local_addr().expect("a port")).expect("it listens");
        (client, listener.accept().expect("one came").0)
    }

    /// A client, its socket, and what is to be run for that one alone.
    fn one() -> (TcpStream, Watched, impl Future<Output = ()>) {
        let (sockets, watch) = Sockets::new().expect("a set");
        let (client, stream) = pair();
        (client, sockets.watch(stream).expect("room"), watch)
    }

    /// Runs both to their ends, which are not far.
    fn together(watch: impl Future<Output = ()>, what: impl Future<Output = ()>) {
        let both = pin!(join(watch, what));
        let ended = async_io::block_on(select(both, Timer::after(Duration::from_secs(10))));
        assert!(matches!(ended, Either::Left(_)), "nothing is told any more");
    }

    async fn readable(socket: &Watched) {
        poll_fn(|cx| socket.poll_readable(cx)).await.expect("no error");
    }

    #[test]
    fn a_set_ends_with_its_last_socket() {
        let (_client, watched, watch) = one();
        together(watch, async move { drop(watched) });
    }

    #[test]
    fn an_event_is_told_once_and_the_end_for_ever() {
        let (mut client, watched, watch) = one();
        together(watch, async move {
            client.write_all(b"one").expect("room");
            readable(&watched).await;
            assert!(readable(&watched).now_or_never().is_none(), "told twice");
            client.write_all(b"two").expect("room");
            readable(&watched).await;
            // A last word and the end come as one event: whoever read the word must still hear of the end.
            client.write_all(b"three").expect("room");
            client.shutdown(Shutdown::Write).expect("it is open");
            readable(&watched).await;
            let mut words = [0; 64];
            let n = watched.stream().read(&mut words).expect("words");
            assert_eq!(&words[..n], b"onetwothree");
            readable(&watched).await;
            assert_eq!(watched.stream().read(&mut words).expect("the end"), 0);
        });
    }

    #[test]
    fn the_end_of_a_socket_is_not_told_to_the_one_that_comes_after_it() {
        let mut poll = mio::Poll::new().expect("a set");
        let registry = poll.registry().try_clone().expect("a descriptor");
        let sockets = Arc::new(Sockets {
            registry,
            all: Mutex::default(),
            next: AtomicUsize::new(0),
            watch: Arc::default(),
        });
        let ((gone, first), (_client, second)) = (pair(), pair());
        let first = sockets.watch(first).expect("room");
        drop(gone);
        first.stream().shutdown(Shutdown::Write).expect("it is open");
        let mut events = Events::with_capacity(EVENTS);
        poll.poll(&mut events, Some(Duration::from_secs(10))).expect("events");
        assert!(events.iter().any(|event| event.is_read_closed()), "its end is under way");
        drop(first);
        let second = sockets.watch(second).expect("room");
        sockets.tell(&events);
        assert!(readable(&second).now_or_never().is_none(), "it heard of another's end");
    }

    #[test]
    fn what_was_full_is_told_to_have_room_again() {
        let (mut client, watched, watch) = one();
        together(watch, async move {
            let writable = || poll_fn(|cx| watched.poll_writable(cx));
            writable().await.expect("an empty one has room");
            let mut written = 0;
            while let Ok(n) = watched.stream().write(&[7; 65536]) {
                written += n;
            }
            assert!(writable().now_or_never().is_none(), "it is full");
            std::thread::spawn(move || client.read_exact(&mut vec![0; written]).map(|()| client));
            writable().await.expect("it was read");
            assert!(watched.stream().write(b"more").is_ok());
        });
    }
}
