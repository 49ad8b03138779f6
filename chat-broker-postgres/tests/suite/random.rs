//! Tests at random that what transactions publish is heard if and only if they commit, once, and in the
//! order of the commits, also while connections are cut and the server is killed.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chat_core::ChannelId;
use chat_core::broker::{Heard, Stand};
use chat_postgres::testkit::Server;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;

use crate::node::{Node, channel, seeded};

const CHANNELS: usize = 12;
const CLIENTS: u64 = 4;

/// Tells what became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Committed,
    RolledBack,
    /// Is so if the connection was lost while it was committed.
    Unknown,
}

/// Is a transaction: the numbers that it published, when its commit was sent and answered, by a clock that
/// counts.
struct Done {
    fate: Fate,
    said: Vec<u64>,
    sent: u64,
    answered: u64,
}

struct World {
    server: tokio::sync::RwLock<Server>,
    channels: Vec<ChannelId>,
    clock: AtomicU64,
    number: AtomicU64,
    left: AtomicU64,
    done: Mutex<Vec<Done>>,
}

impl World {
    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    async fn client(&self) -> Client {
        loop {
            if let Ok(client) = self.server.read().await.client().await {
                return client;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Carries out transactions, one after another, until so many were.
    async fn work(&self, mut random: fastrand::Rng) {
        let mut client = self.client().await;
        while self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            let done = self.transaction(&client, &mut random).await;
            let is_lost = done.fate == Fate::Unknown || client.is_closed();
            self.done.lock().expect("no panic").push(done);
            if is_lost {
                client = self.client().await;
            }
        }
    }

    async fn transaction(&self, client: &Client, random: &mut fastrand::Rng) -> Done {
        let (mut said, mut steps) = (Vec::new(), vec!["BEGIN".to_owned()]);
        for _ in 0..random.usize(1..5) {
            let number = self.number.fetch_add(1, Ordering::SeqCst);
            let on = random.choice(&self.channels).expect("there are some");
            let publish =
                format!("SELECT a.chat_publish('{on}', '{number}', entries => 1000000, age => '1 day')");
            match random.u8(..8) {
                0 => steps.push(format!("SAVEPOINT s; {publish}; ROLLBACK TO s")),
                1 => {
                    steps.push(format!("SAVEPOINT s; {publish}; RELEASE s"));
                    said.push(number);
                }
                _ => {
                    steps.push(publish);
                    said.push(number);
                }
            }
        }
        let is_cut = random.u8(..40) == 0;
        if is_cut {
            steps.push("SELECT pg_terminate_backend(pg_backend_pid())".to_owned());
        }
        let commits = random.u8(..4) > 0;
        let began = client.batch_execute(&steps.join(";")).await;
        let sent = self.now();
        let ended = match began {
            Ok(()) => client.batch_execute(if commits { "COMMIT" } else { "ROLLBACK" }).await,
            Err(error) => Err(error),
        };
        let fate = match ended {
            Ok(()) if commits => Fate::Committed,
            // Refused as a whole, such as for want of an answer from the lane.
            Err(error) if error.as_db_error().is_some() && !is_cut && !client.is_closed() => Fate::RolledBack,
            Err(_) if commits && !is_cut => Fate::Unknown,
            _ => Fate::RolledBack,
        };
        Done { fate, said, sent, answered: self.now() }
    }

    /// Kills the server, and starts it again, each time that so many transactions are done.
    async fn kill(&self, each: u64) -> u32 {
        let (mut kills, mut next) = (0, self.left.load(Ordering::SeqCst).saturating_sub(each));
        loop {
            let left = self.left.load(Ordering::SeqCst);
            if left == 0 {
                return kills;
            }
            if left <= next {
                let mut server = self.server.write().await;
                server.kill();
                server.start_again();
                drop(server);
                kills += 1;
                next = next.saturating_sub(each);
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Takes in what a node hears, and checks that it comes without a gap, until it has heard the mark in each
/// channel.
async fn listen(node: &Node) -> HashMap<ChannelId, Vec<u64>> {
    let mut heard: HashMap<ChannelId, (Stand, Vec<u64>)> = HashMap::new();
    let (mut marks, mut deaf) = (0, 0);
    while marks < CHANNELS {
        match timeout(Duration::from_secs(60), node.heard.recv())
            .await
            .expect("something comes")
            .expect("it runs")
        {
            Heard::Published { channel, stand, body, .. } => {
                let (last, numbers) = heard
                    .entry(channel)
                    .or_insert((Stand::new(stand.epoch, chat_core::Offset(0)), Vec::new()));
                assert_eq!(
                    (stand.epoch, stand.offset),
                    (last.epoch, last.offset.next()),
                    "after {numbers:?}"
                );
                *last = stand;
                let content = body.split_once("\n\n").expect("a body of the server").1;
                match content.parse() {
                    Ok(number) => numbers.push(number),
                    Err(_) => marks += 1,
                }
            }
            Heard::Deaf => deaf += 1,
            Heard::Back => {}
            other => panic!("{other:?}"),
        }
    }
    println!("deaf {deaf} times");
    heard.into_iter().map(|(on, (_, numbers))| (on, numbers)).collect()
}

fn check(heard: &HashMap<ChannelId, Vec<u64>>, done: &[Done]) {
    let of: HashMap<u64, &Done> =
        done.iter().flat_map(|done| done.said.iter().map(move |said| (*said, done))).collect();
    let mut seen = HashMap::new();
    for (on, numbers) in heard {
        let mut latest_sent = 0;
        for number in numbers {
            assert!(seen.insert(*number, ()).is_none(), "{number} is heard twice");
            let done = of.get(number).unwrap_or_else(|| panic!("{number} was rolled back to a savepoint"));
            assert_ne!(done.fate, Fate::RolledBack, "{number} was rolled back");
            assert!(done.answered > latest_sent, "{on}: {number} was committed before one that is before it");
            latest_sent = latest_sent.max(done.sent);
        }
    }
    for done in done {
        let there = done.said.iter().filter(|said| seen.contains_key(said)).count();
        match done.fate {
            Fate::Committed => assert_eq!(there, done.said.len(), "{:?} were committed", done.said),
            Fate::RolledBack => assert_eq!(there, 0, "{:?} were rolled back", done.said),
            Fate::Unknown => {
                assert!(there == 0 || there == done.said.len(), "{:?} are half there", done.said);
            }
        }
    }
    let count = |fate| done.iter().filter(|done| done.fate == fate).count();
    let [committed, rolled_back, unknown] = [Fate::Committed, Fate::RolledBack, Fate::Unknown].map(count);
    println!("{committed} committed, {rolled_back} rolled back, {unknown} unknown");
    assert!(committed > done.len() / 2 && rolled_back > done.len() / 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_commits_is_heard_once_in_the_order_of_the_commits_and_what_does_not_is_never_heard() {
    let cases: u64 = if std::env::var_os("LONG").is_some() { 100_000 } else { 2_000 };
    let mut random = seeded();
    let server = Server::start(&[]);
    let node = Node::hearing(&server.url("a"), 64).await;
    let channels: Vec<_> = (0..CHANNELS).map(|n| channel(&format!("room{n}"))).collect();
    for on in &channels {
        node.join(on.as_str()).await.expect("it is joined");
    }
    let world = World {
        server: server.into(),
        channels,
        clock: AtomicU64::new(1),
        number: AtomicU64::new(0),
        left: AtomicU64::new(cases),
        done: Mutex::default(),
    };
    let workers: Vec<_> = (0..CLIENTS).map(|_| world.work(random.fork())).collect();
    let working = async {
        let (_, kills) = tokio::join!(futures::future::join_all(workers), world.kill(cases / 6));
        let client = world.client().await;
        for on in &world.channels {
            client
                .batch_execute(&format!("SELECT a.chat_publish('{on}', '\"mark\"')"))
                .await
                .expect("it is published");
        }
        kills
    };
    let (heard, kills) = tokio::join!(listen(&node), working);
    println!("{kills} kills");
    assert!(kills > 3);
    check(&heard, &world.done.into_inner().expect("no panic"));
}
