//! Tests that a session's task is woken exactly for work that only the task can do.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use chat_core::testkit::{Marked, Script, Wire, WireInput, World};
use chat_core::transport::{ByteWriter, Connection, Incoming};
use chat_core::{Close, Hub, OpenChat, Payload, SessionId};

type Task = Arc<Mutex<Connection<WireInput>>>;

/// Counts how often the task was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Is a transport that runs a function while it is written to, as another thread may.
#[derive(Default)]
struct Meanwhile {
    full: bool,
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl ByteWriter for Meanwhile {
    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let act = self.act.lock().expect("no panic").take();
        act.into_iter().for_each(|act| act());
        if self.full {
            Err(ErrorKind::WouldBlock.into())
        } else {
            Ok(bytes.iter().map(|slice| slice.len()).sum())
        }
    }

    fn poll_write(&self, _: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.full { Poll::Pending } else { Poll::Ready(self.try_write(bytes)) }
    }

    fn poll_close(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Holds a session that has joined a room and is polled by hand.
struct Scene {
    hub: Hub,
    wire: Wire,
    task: Task,
    bell: Arc<Bell>,
    writer: Arc<Meanwhile>,
}

impl Scene {
    fn new(full: bool) -> Self {
        let hub = Hub::builder(OpenChat::default()).build(World::new());
        let (wire, writer) = (Wire::default(), Arc::new(Meanwhile { full, ..Meanwhile::default() }));
        let seat = hub.acceptor().permit().expect("the hub has room");
        let credentials = chat_core::protocol::Credentials::Now(chat_core::Connect::default());
        let connection = Connection::over_bytes(
            seat,
            Arc::new(Script),
            Arc::new(Marked),
            credentials,
            wire.input(),
            writer.clone(),
        );
        let scene = Self { hub, wire, task: Arc::new(Mutex::new(connection)), bell: Arc::default(), writer };
        scene.wire.put(Ok(Incoming::Text("subscribe room".to_owned())));
        assert!(scene.poll().is_pending());
        scene.bell.0.store(0, Ordering::Relaxed);
        scene
    }

    fn poll(&self) -> Poll<Close> {
        poll(&self.task, &self.bell)
    }

    fn publish(&self) {
        self.hub.publish("room", Payload::null()).expect("a name");
    }

    fn wakes(&self) -> usize {
        self.bell.0.swap(0, Ordering::Relaxed)
    }
}

fn poll(task: &Task, bell: &Arc<Bell>) -> Poll<Close> {
    let waker = Waker::from(bell.clone());
    let mut connection = task.lock().expect("no panic");
    Pin::new(&mut *connection).poll(&mut Context::from_waker(&waker))
}

#[test]
fn a_task_is_not_woken_for_what_others_write() {
    let scene = Scene::new(false);
    (0..10).for_each(|_| scene.publish());
    assert_eq!(scene.wakes(), 0);
}

#[test]
fn a_task_that_waits_for_its_transport_is_not_woken_for_more() {
    let scene = Scene::new(true);
    (0..10).for_each(|_| scene.publish());
    assert_eq!(scene.wakes(), 0, "it waits already, for the answer to its subscribe");
}

#[test]
fn a_task_that_must_end_is_woken_when_another_has_written_meanwhile() {
    let scene = Scene::new(false);
    let (task, bell, hub) = (scene.task.clone(), scene.bell.clone(), scene.hub.clone());
    *scene.writer.act.lock().expect("no panic") = Some(Box::new(move || {
        assert!(hub.disconnect(SessionId(1), Close::NORMAL));
        assert!(poll(&task, &bell).is_pending(), "it waits for the one who writes");
        bell.0.store(0, Ordering::Relaxed);
    }));
    scene.publish();
    assert_eq!(scene.wakes(), 1);
    scene.wire.put(Ok(Incoming::Close(Some(1000))));
    assert_eq!(scene.poll(), Poll::Ready(Close::NORMAL));
}
