//! Listens to channels as a client of the plain protocol does, and accounts for what is heard and told.

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

/// Names a place: the channel, its epoch, and the offset.
pub(super) type Place = (String, String, u64);

/// Holds what all listeners of one server know.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    heard: Mutex<HashMap<Place, u64>>,
    /// Holds where each channel stands, and from which offset on it was heard in that epoch.
    stands: Mutex<HashMap<String, Stand>>,
    /// Holds the highest number that was heard in each channel.
    newest: Mutex<HashMap<String, u64>>,
    /// Counts how often a listener was told that it is out of a channel.
    pub(super) told: AtomicU64,
    /// Counts the sessions that the server closed.
    pub(super) closed: AtomicU64,
    ends: AtomicBool,
}

#[derive(Clone, Debug)]
struct Stand {
    epoch: String,
    from: u64,
    last: u64,
}

impl Ledger {
    /// Returns what was heard at a place.
    pub(super) fn at(&self, place: &Place) -> Option<u64> {
        lock(&self.heard).get(place).copied()
    }

    /// Returns whether the listener must have heard what is at this place: its channel is still in that
    /// epoch, and was joined before.
    pub(super) fn owes(&self, (channel, epoch, offset): &Place) -> bool {
        lock(&self.stands).get(channel).is_some_and(|stand| stand.epoch == *epoch && stand.from < *offset)
    }

    /// Returns whether a number from this one on was heard in a channel.
    pub(super) fn is_beyond(&self, channel: &str, content: u64) -> bool {
        lock(&self.newest).get(channel).is_some_and(|newest| *newest >= content)
    }

    /// Checks that two servers gave every place the same content.
    pub(super) fn agrees(&self, other: &Self) {
        let other = lock(&other.heard);
        for (place, content) in &*lock(&self.heard) {
            assert!(other.get(place).is_none_or(|there| there == content), "{place:?} has two contents");
        }
    }

    pub(super) fn heard(&self) -> usize {
        lock(&self.heard).len()
    }

    pub(super) fn end(&self) {
        self.ends.store(true, Ordering::Relaxed);
    }

    fn takes(&self, channel: &str, offset: u64, content: u64) {
        let mut stands = lock(&self.stands);
        let stand = stands.get_mut(channel).expect("it is heard by those who joined");
        assert_eq!(offset, stand.last + 1, "{channel} has no gap that is not told");
        stand.last = offset;
        let mut newest = lock(&self.newest);
        let newest = newest.entry(channel.to_owned()).or_default();
        *newest = content.max(*newest);
        let place = (channel.to_owned(), stand.epoch.clone(), offset);
        let before = lock(&self.heard).insert(place.clone(), content);
        assert!(before.is_none_or(|before| before == content), "{place:?} has two contents");
    }

    fn joins(&self, channel: &str, epoch: &str, offset: u64) {
        let stand = Stand { epoch: epoch.to_owned(), from: offset, last: offset };
        lock(&self.stands).insert(channel.to_owned(), stand);
    }
}

/// Holds one connection, which listens to some channels.
struct Listener {
    socket: WebSocket<TcpStream>,
    ledger: Arc<Ledger>,
    /// Holds the channels that are to be joined, and when.
    to_join: BTreeMap<String, Instant>,
}

/// Sets the pause before a listener joins a channel again.
const PAUSE: Duration = Duration::from_millis(300);

/// Joins channels at a server, and listens in a thread of its own until the ledger is ended.
pub(super) fn listen(address: SocketAddr, name: &str, channels: &[String], ledger: &Arc<Ledger>) {
    let socket = TcpStream::connect(address).expect("it listens");
    let target = format!("ws://{address}/ws?name={name}");
    let (socket, _) = tungstenite::client(target, socket).expect("a handshake");
    socket.get_ref().set_read_timeout(Some(Duration::from_millis(50))).expect("a socket");
    let to_join = channels.iter().map(|channel| (channel.clone(), Instant::now())).collect();
    let mut listener = Listener { socket, ledger: ledger.clone(), to_join };
    thread::spawn(move || while listener.go_on() {});
}

impl Listener {
    fn go_on(&mut self) -> bool {
        self.join_due();
        match self.socket.read() {
            Ok(Message::Text(text)) => self.take(&serde_json::from_str(&text).expect("JSON")),
            Ok(_) => {}
            Err(tungstenite::Error::Io(error)) if is_late(&error) => {}
            Err(_) => {
                let open = !self.ledger.ends.load(Ordering::Relaxed);
                self.ledger.closed.fetch_add(open.into(), Ordering::Relaxed);
                return false;
            }
        }
        !self.ledger.ends.load(Ordering::Relaxed)
    }

    fn join_due(&mut self) {
        let now = Instant::now();
        let due: Vec<_> =
            self.to_join.iter().filter(|(_, at)| **at <= now).map(|(name, _)| name.clone()).collect();
        for channel in due {
            self.to_join.remove(&channel);
            let request = json!({ "type": "subscribe", "id": channel, "channelId": channel });
            self.socket.send(Message::text(request.to_string())).expect("it takes requests");
        }
    }

    fn take(&mut self, said: &Value) {
        let channel = said["channelId"].as_str().unwrap_or_default();
        match said["type"].as_str().expect("a type") {
            "subscribed" => {
                let offset = said["offset"].as_u64().expect("an offset");
                self.ledger.joins(channel, said["epoch"].as_str().expect("an epoch"), offset);
            }
            "message" => {
                let offset = said["offset"].as_u64().expect("an offset");
                self.ledger.takes(channel, offset, said["content"].as_u64().expect("a number"));
            }
            "unsubscribed" => {
                self.ledger.told.fetch_add(1, Ordering::Relaxed);
                self.again(channel);
            }
            "error" => self.again(said["id"].as_str().expect("a subscribe has its channel as its id")),
            "connected" | "ping" => {}
            other => panic!("{other}: {said}"),
        }
    }

    fn again(&mut self, channel: &str) {
        lock(&self.ledger.stands).remove(channel);
        self.to_join.insert(channel.to_owned(), Instant::now() + PAUSE);
    }
}

fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
