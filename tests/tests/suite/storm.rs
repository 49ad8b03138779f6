//! Tests that a hundred clients that are cut off again and again over real sockets miss no message and
//! receive none twice.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use chat_core::{Hub, HubBuilder, Limits, OpenChat, Payload};
use chat_tests::host::{Host, Served};
use chat_tests::light::{Light, Said, number, word};
use chat_tests::seed::each_seed;
use fastrand::Rng;

const CLIENTS: usize = 100;
const CUTS: usize = 10;

/// Keeps so much history that a client recovers all messages, however long this machine delays its reconnect.
fn hub() -> HubBuilder {
    let limits = Limits::default().with_answer_entries(100_000);
    Hub::builder(OpenChat::default()).limits(limits).history(100_000, Duration::from_secs(600))
}

/// Holds the state of a client.
struct Reader {
    address: SocketAddr,
    name: String,
    epoch: String,
    last: u64,
}

impl Reader {
    fn connect(&mut self) -> (Light, String) {
        let mut client = Light::open(self.address, &format!("/?name={}", self.name));
        let since = match self.epoch.as_str() {
            "" => String::new(),
            epoch => format!(r#","since":{{"epoch":"{epoch}","offset":{}}}"#, self.last),
        };
        client.say(&format!(r#"{{"type":"subscribe","channelId":"room"{since}}}"#));
        let Said::Other(joined) = client.hear() else { panic!("the answer comes first") };
        (client, joined)
    }

    fn begin(address: SocketAddr, name: String) -> (Self, Light) {
        let mut reader = Self { address, name, epoch: String::new(), last: 0 };
        let (client, joined) = reader.connect();
        reader.epoch = word(&joined, "epoch").expect("an epoch");
        reader.last = number(&joined, "offset").expect("an offset");
        (reader, client)
    }

    /// Hears until it has this one.
    fn hear_to(&mut self, client: &mut Light, goal: u64) {
        while self.last < goal {
            match client.hear() {
                Said::Message(offset) => {
                    assert_eq!(offset, self.last + 1, "a gap or a repetition");
                    self.last = offset;
                }
                other => panic!("{} heard {other:?}", self.name),
            }
        }
    }
}

/// Is cut off ten times, then hears all there is. When it had that, after the last cut.
fn be_cut(served: &Served, n: usize, random: &mut Rng, ready: &Barrier, storm: &Storm) -> Duration {
    let (mut reader, mut client) = Reader::begin(served.address, format!("c{n}"));
    let cut_down = CutDown(storm);
    ready.wait();
    for _ in 0..CUTS {
        let more = random.u64(50..600);
        reader.hear_to(&mut client, reader.last + more);
        // The socket is dropped with what is unread in it: the server sees a reset.
        drop(client);
        let joined;
        (client, joined) = reader.connect();
        assert!(joined.contains(r#""recovered":true"#), "{joined}");
        let missed = number(&joined, "offset").expect("an offset") - reader.last;
        storm.missed.fetch_add(missed, Ordering::Relaxed);
    }
    let cut = Instant::now();
    let there = storm.published.load(Ordering::Relaxed);
    reader.hear_to(&mut client, there);
    let took = cut.elapsed();
    drop(cut_down);
    while storm.running() {
        let next = reader.last + 1;
        reader.hear_to(&mut client, next);
    }
    reader.hear_to(&mut client, storm.published.load(Ordering::Relaxed));
    took
}

#[derive(Default)]
struct Storm {
    published: AtomicU64,
    missed: AtomicU64,
    done: AtomicUsize,
}

/// Counts a client as finished when it has had its cuts or has failed, even if it panics.
struct CutDown<'a>(&'a Storm);

impl Drop for CutDown<'_> {
    fn drop(&mut self) {
        self.0.done.fetch_add(1, Ordering::Relaxed);
    }
}

impl Storm {
    fn running(&self) -> bool {
        self.done.load(Ordering::Relaxed) <= CLIENTS
    }

    /// Publishes a thousand messages a second, until every client has had its cuts.
    fn publish(&self, hub: &Hub) -> f64 {
        let (_open, pause) = channel::<()>();
        let begin = Instant::now();
        while self.done.load(Ordering::Relaxed) < CLIENTS {
            hub.publish("room", Payload::json("1")).expect("a name");
            let count = self.published.fetch_add(1, Ordering::Relaxed) + 1;
            let next = begin + Duration::from_micros(count * 1000);
            let _ = pause.recv_timeout(next.saturating_duration_since(Instant::now()));
        }
        let rate = self.published.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64();
        self.done.fetch_add(1, Ordering::Relaxed);
        // Who waits for one more gets it.
        self.published.fetch_add(1, Ordering::Relaxed);
        hub.publish("room", Payload::json("1")).expect("a name");
        rate
    }
}

fn rages_on(host: Host) {
    let served = host.serve(hub());
    each_seed(1, |seed, _| {
        let (ready, storm) = (Barrier::new(CLIENTS + 1), Storm::default());
        let (slowest, rate) = thread::scope(|scope| {
            let (served, ready, storm) = (&served, &ready, &storm);
            let clients: Vec<_> = (0..CLIENTS)
                .map(|n| {
                    let mut random = Rng::with_seed(seed ^ n as u64);
                    scope.spawn(move || be_cut(served, n, &mut random, ready, storm))
                })
                .collect();
            ready.wait();
            let rate = storm.publish(&served.hub);
            let took = clients.into_iter().map(|client| client.join().expect("it hears all"));
            (took.max().expect("there are clients"), rate)
        });
        assert!(slowest < Duration::from_secs(10), "{slowest:?} after its last cut at {rate} a second");
        assert!(storm.missed.load(Ordering::Relaxed) > 0, "nobody missed anything");
        assert!(rate > 100.0, "{rate} a second are no storm");
    });
}

#[test]
fn a_hundred_clients_are_cut_ten_times_and_miss_nothing() {
    [Host::TokioMulti, Host::AsyncStd, Host::Smol].into_iter().for_each(rages_on);
}

fn publish_some(hub: &Hub) {
    for _ in 0..11 {
        hub.publish("room", Payload::json("1")).expect("a name");
    }
}

#[test]
fn who_was_away_for_longer_than_the_window_is_told_so_every_time() {
    let served =
        Host::TokioMulti.serve(Hub::builder(OpenChat::default()).history(10, Duration::from_secs(600)));
    let (_stays, _open) = Reader::begin(served.address, "stays".into());
    for n in 0..50 {
        let (mut reader, client) = Reader::begin(served.address, format!("c{n}"));
        drop(client);
        publish_some(&served.hub);
        let (_client, joined) = reader.connect();
        assert!(joined.contains(r#""recovered":false,"why":"too old""#), "{joined}");
    }
}

#[test]
fn who_comes_back_to_a_server_that_was_restarted_is_told_so_every_time() {
    let first = Host::TokioMulti.serve(hub());
    let readers: Vec<_> = (0..20).map(|n| Reader::begin(first.address, format!("c{n}")).0).collect();
    publish_some(&first.hub);
    drop(first);
    let second = Host::TokioMulti.serve(hub());
    publish_some(&second.hub);
    for mut reader in readers {
        reader.address = second.address;
        let (_client, joined) = reader.connect();
        assert!(joined.contains(r#""recovered":false,"why":"epoch changed""#), "{joined}");
    }
}
