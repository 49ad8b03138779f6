//! Runs two servers, those who listen to them, and those who publish.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::listener::{Ledger, Place, listen};
use super::speaker::Speaker;
use crate::program::Program;

/// Bounds the channels of one listener; a session may be in 128.
const EACH: usize = 100;

/// Sets how many threads publish to each server.
const THREADS: u32 = 4;

/// Sets after which time a channel that is not live is published to again.
const AGAIN: Duration = Duration::from_millis(200);

/// Bounds the time until all channels are live again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Is a load on two servers that have one broker.
pub struct Load {
    servers: [Program; 2],
    ledgers: [Arc<Ledger>; 2],
    channels: Vec<String>,
    ends: Arc<AtomicBool>,
    numbers: Arc<AtomicU64>,
    speakers: Vec<JoinHandle<Vec<(Place, u64)>>>,
    acknowledged: Vec<(Place, u64)>,
}

/// Tells what an outage cost.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Toll {
    /// Counts the publications that were tried, and those that were acknowledged.
    pub said: (u64, u64),
    /// Counts what the listeners of each server heard.
    pub heard: [usize; 2],
    /// Counts how often listeners were told that they are out of a channel.
    pub told: u64,
    /// Counts the acknowledged publications that the listeners of a server did not hear, and were told so.
    pub missed: usize,
    /// Counts the sessions that were closed.
    pub closed: u64,
}

impl Load {
    /// Starts two servers over a broker, joins so many channels on both, and begins to publish so often a
    /// second on each.
    ///
    /// # Panics
    /// Panics, as all methods here do, if the servers do not behave as expected.
    pub fn start(broker: &str, channels: usize, each_second: u32) -> Self {
        let arguments = ["--broker", broker, "--api-key", "key", "--request-rate", "0"];
        let servers = [(); 2].map(|()| Program::server(&arguments));
        let channels: Vec<_> = (0..channels).map(|n| format!("room-{n}")).collect();
        let ledgers = [(); 2].map(|()| Arc::new(Ledger::default()));
        for (server, ledger) in servers.iter().zip(&ledgers) {
            for (n, some) in channels.chunks(EACH).enumerate() {
                listen(server.address, &format!("listener-{n}"), some, ledger);
            }
        }
        let (ends, numbers) = (Arc::default(), Arc::new(AtomicU64::new(1)));
        let mut load = Self {
            servers,
            ledgers,
            channels,
            ends,
            numbers,
            speakers: Vec::new(),
            acknowledged: Vec::new(),
        };
        load.is_live_after();
        load.speak(each_second);
        load
    }

    /// Returns the servers.
    pub fn servers(&self) -> &[Program; 2] {
        &self.servers
    }

    fn speak(&mut self, each_second: u32) {
        for address in self.addresses() {
            for _ in 0..THREADS {
                let (channels, ends, numbers) =
                    (self.channels.clone(), self.ends.clone(), self.numbers.clone());
                self.speakers.push(thread::spawn(move || {
                    let until = || ends.load(Ordering::Relaxed);
                    let number = || numbers.fetch_add(1, Ordering::Relaxed);
                    Speaker::to(address).speak(
                        &channels,
                        Duration::from_secs(1) * THREADS / each_second,
                        until,
                        number,
                    )
                }));
            }
        }
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        self.servers.each_ref().map(|server| server.address)
    }

    /// Publishes to every channel until that is acknowledged and heard by all listeners of both servers.
    /// Returns how long that took.
    pub fn is_live_after(&mut self) -> Duration {
        let begun = Instant::now();
        let first = self.numbers.fetch_add(1, Ordering::Relaxed);
        let mut behind = self.channels.clone();
        while !behind.is_empty() {
            assert!(begun.elapsed() < PATIENCE, "all channels are live again, and {behind:?} are not");
            let marks = self.mark(&behind, begun);
            self.acknowledged.extend(marks);
            // To mark them all may take longer than to hear them.
            let marked = Instant::now();
            // A listener that was out of its channel meanwhile hears the next mark.
            while !behind.is_empty() && marked.elapsed() < AGAIN {
                thread::sleep(Duration::from_millis(2));
                let is_behind =
                    |channel: &String| self.ledgers.iter().any(|ledger| !ledger.is_beyond(channel, first));
                behind.retain(is_behind);
            }
        }
        begun.elapsed()
    }

    fn mark(&self, channels: &[String], begun: Instant) -> Vec<(Place, u64)> {
        let (address, numbers) = (self.addresses()[0], &self.numbers);
        thread::scope(|scope| {
            let some = channels.chunks(channels.len().div_ceil(THREADS as usize * 2));
            let threads: Vec<_> =
                some.map(|some| scope.spawn(move || marks(address, some, numbers, begun))).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
        })
    }

    /// Ends the load, and accounts for every publication.
    pub fn end(mut self) -> Toll {
        self.ends.store(true, Ordering::Relaxed);
        let said = self.speakers.drain(..).flat_map(|speaker| speaker.join().expect("no panic"));
        self.acknowledged.extend(said);
        self.is_live_after();
        let [here, there] = &self.ledgers;
        here.agrees(there);
        let missed = self.ledgers.iter().map(|ledger| self.missed(ledger)).sum();
        self.ledgers.iter().for_each(|ledger| ledger.end());
        let count = |of: fn(&Ledger) -> &AtomicU64| {
            self.ledgers.iter().map(|one| of(one).load(Ordering::Relaxed)).sum()
        };
        Toll {
            said: (self.numbers.load(Ordering::Relaxed), self.acknowledged.len() as u64),
            heard: self.ledgers.each_ref().map(|ledger| ledger.heard()),
            told: count(|ledger| &ledger.told),
            missed,
            closed: count(|ledger| &ledger.closed),
        }
    }

    /// Checks that a server's listeners heard what was acknowledged, or were told; returns how much it was.
    fn missed(&self, ledger: &Ledger) -> usize {
        let unheard = self.acknowledged.iter().filter(|(place, content)| match ledger.at(place) {
            Some(heard) => {
                assert_eq!(heard, *content, "{place:?} has one content");
                false
            }
            None => {
                assert!(!ledger.owes(place), "{place:?} is lost in silence");
                true
            }
        });
        unheard.count()
    }
}

fn marks(address: SocketAddr, channels: &[String], numbers: &AtomicU64, begun: Instant) -> Vec<(Place, u64)> {
    let mut speaker = Speaker::to(address);
    let mut mark = |channel: &String| loop {
        let content = numbers.fetch_add(1, Ordering::Relaxed);
        if let Some(place) = speaker.publish(channel, content) {
            return (place, content);
        }
        assert!(begun.elapsed() < PATIENCE, "{channel} can be published to again");
        thread::sleep(Duration::from_millis(20));
    };
    channels.iter().map(&mut mark).collect()
}
