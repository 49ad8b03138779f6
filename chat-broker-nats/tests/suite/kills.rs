//! Tests that what was acknowledged is heard or told to be lost, through kills, stops and cuts.
//!
//! Each node here does what a hub does: it takes in what it hears, and after a deaf time it asks where each
//! channel stands and reads what it missed.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_core::broker::{Broker, BrokerError, BrokerFault, Heard, Join, Stand};
use chat_core::{ChannelId, Epoch, HistoryRequest, Offset};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::proxy::Proxy;
use crate::server::{Node, SOON, Server, channel, draft, kept, seeded};

const CHANNELS: usize = 40;
/// Is the time between two batches, and the size of each: 500 a second.
const TICK: (Duration, u64) = (Duration::from_millis(10), 5);

type Place = (ChannelId, u64, u64);

/// Holds what one node took in.
#[derive(Default)]
struct Taken {
    last: HashMap<ChannelId, Stand>,
    bodies: HashMap<Place, Arc<str>>,
    /// Holds the epochs that were told to have ended, and those whose entries were no longer kept.
    ended: HashSet<(ChannelId, u64)>,
    deaf: u32,
}

impl Taken {
    fn take_in(&mut self, on: &ChannelId, stand: Stand, body: &Arc<str>) {
        let place = (on.clone(), stand.epoch.0, stand.offset.0);
        let before = self.bodies.insert(place, body.clone());
        assert!(before.is_none_or(|before| before == *body), "{on} has two bodies at {stand:?}");
        let last = self.last[on];
        if stand.epoch == last.epoch {
            assert!(stand.offset <= last.offset.next(), "{on} has a gap: {last:?} and then {stand:?}");
        }
        // An epoch that ended may still be heard of just after the node was back.
        if stand.epoch == last.epoch && stand.offset > last.offset {
            self.last.insert(on.clone(), stand);
        }
        assert!(
            stand.epoch == last.epoch || self.ended.contains(&(on.clone(), stand.epoch.0)),
            "{on} begins another epoch without a deaf time"
        );
    }
}

/// Reads what a node missed of each channel.
async fn catch_up(node: &Node, taken: &mut Taken, channels: &[ChannelId]) -> Result<(), BrokerError> {
    let stands = node.broker.stands(channels.to_vec()).await?;
    for (on, stand) in channels.iter().zip(stands) {
        let last = taken.last[on];
        if stand.epoch != last.epoch {
            taken.ended.insert((on.clone(), last.epoch.0));
            taken.last.insert(on.clone(), Stand::new(stand.epoch, Offset(0)));
        }
        loop {
            let after = taken.last[on];
            let request = HistoryRequest::of(on.clone(), 1000).with_after(after.offset);
            let page = node.broker.read(request, 1 << 20).await?;
            if page.stand.epoch != after.epoch {
                return Err(BrokerError::new(BrokerFault::Unavailable, "it began anew once more"));
            }
            for entry in &page.entries {
                taken.take_in(on, Stand::new(after.epoch, entry.offset), &entry.body);
            }
            if !page.more {
                break;
            }
        }
    }
    Ok(())
}

/// Takes in what a node hears, until it has taken in the marks.
async fn listen(node: &Node, taken: &Mutex<Taken>, channels: &[ChannelId], marks: &Marks) {
    let mut is_behind = false;
    loop {
        let heard = timeout(Duration::from_millis(50), node.heard.recv()).await;
        let mut own = std::mem::take(&mut *taken.lock().expect("no panic"));
        match heard {
            Ok(heard) => match heard.expect("it runs") {
                // It is read, once that is possible.
                Heard::Published { .. } if is_behind => {}
                Heard::Published { channel: on, stand, body, .. } => own.take_in(&on, stand, &body),
                Heard::Deaf => {
                    own.deaf += 1;
                    is_behind = false;
                }
                Heard::Back => is_behind = true,
                other => panic!("{other:?}"),
            },
            Err(_) if marks.are_all_in(&own) => {
                *taken.lock().expect("no panic") = own;
                return;
            }
            Err(_) => {}
        }
        if is_behind {
            is_behind = catch_up(node, &mut own, channels).await.is_err();
        }
        *taken.lock().expect("no panic") = own;
    }
}

/// Holds the last publications, after which nothing is broken any more.
#[derive(Default)]
struct Marks(Mutex<Vec<Place>>);

impl Marks {
    fn are_all_in(&self, taken: &Taken) -> bool {
        let marks = self.0.lock().expect("no panic");
        !marks.is_empty() && marks.iter().all(|mark| taken.bodies.contains_key(mark))
    }
}

struct Publisher<'a> {
    node: &'a Node,
    channels: &'a [ChannelId],
    ends: &'a AtomicBool,
    said: &'a AtomicU64,
}

impl Publisher<'_> {
    /// Publishes until it is ended, and returns what was acknowledged.
    async fn publish(&self) -> Vec<(Place, String)> {
        let (mut acknowledged, mut random) = (Vec::new(), seeded());
        let mut ticks = interval(TICK.0);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while !self.ends.load(Ordering::Relaxed) {
            ticks.tick().await;
            for _ in 0..TICK.1 {
                let n = self.said.fetch_add(1, Ordering::Relaxed);
                let on = &self.channels[random.usize(..self.channels.len())];
                let body = n.to_string();
                if let Ok(placed) = self.node.place(draft(on.as_str(), &body)).await {
                    let stand = placed.stand;
                    acknowledged.push(((on.clone(), stand.epoch.0, stand.offset.0), body));
                }
            }
        }
        acknowledged
    }
}

/// Breaks something for a while.
async fn break_something(server: &mut Server, proxy: &Proxy, what: usize) {
    match what % 5 {
        0 => {
            server.kill();
            sleep(Duration::from_millis(300)).await;
            server.start_again();
        }
        2 => {
            server.end();
            server.start_again();
        }
        // What is acknowledged while one node is deaf, that one never hears.
        4 => {
            proxy.cut();
            sleep(Duration::from_millis(15)).await;
            server.kill();
            server.start_again();
        }
        _ => proxy.cut(),
    }
}

async fn joined(node: &Node, channels: &[ChannelId]) -> Mutex<Taken> {
    let joins = channels.iter().map(|on| Join::new(on.clone(), kept())).collect();
    let joined = node.broker.join(joins).await.expect("they are joined");
    let last = channels.iter().cloned().zip(joined.iter().map(|joined| joined.stand)).collect();
    Mutex::new(Taken { last, ..Taken::default() })
}

/// Checks what one node took in against what was acknowledged; returns how much of it was lost and told.
fn check(taken: &Taken, acknowledged: &[(Place, String)]) -> usize {
    let mut told = 0;
    for (place, body) in acknowledged {
        match taken.bodies.get(place) {
            Some(heard) => assert_eq!(**heard, **body, "{place:?} has two bodies"),
            None => {
                // An epoch that began and ended while the node was deaf ended with the one before.
                let ended = taken.ended.iter().any(|(on, _)| *on == place.0);
                let goes_on = taken.last[&place.0].epoch.0 == place.1;
                assert!(ended && !goes_on, "{place:?} is lost in silence");
                told += 1;
            }
        }
    }
    told
}

async fn survive(seconds: u64, stops: bool, durable: &str) -> [usize; 2] {
    let mut server = Server::start("");
    let proxy = Proxy::to(server.port()).await;
    let url = |port: u16| server.url_at(port, &format!("a{durable}"));
    let nodes = [Node::on(&url(proxy.port())).await, Node::on(&url(server.port())).await];
    let channels: Vec<_> = (0..CHANNELS).map(|n| channel(&format!("room{n}"))).collect();
    let taken = [joined(&nodes[0], &channels).await, joined(&nodes[1], &channels).await];
    let (marks, ends, said) = (Marks::default(), AtomicBool::new(false), AtomicU64::new(0));
    let breaking = async {
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut broken = 0;
        while Instant::now() < end {
            sleep(Duration::from_millis(700)).await;
            if stops && broken % 6 == 5 {
                server.signal("STOP");
                sleep(Duration::from_secs(8)).await;
                server.signal("CONT");
            } else {
                break_something(&mut server, &proxy, broken).await;
            }
            broken += 1;
        }
        // What is published last must be heard, not read after a deaf time.
        sleep(Duration::from_secs(2)).await;
        ends.store(true, Ordering::Relaxed);
        broken
    };
    let publisher = |node| Publisher { node, channels: &channels, ends: &ends, said: &said };
    let (one, two) = (publisher(&nodes[0]), publisher(&nodes[1]));
    let publishing = async {
        let (one, two, broken) = tokio::join!(one.publish(), two.publish(), breaking);
        let mut all: Vec<_> = one.into_iter().chain(two).collect();
        let last = mark(&nodes[0], &channels).await;
        all.extend(last.iter().cloned());
        *marks.0.lock().expect("no panic") = last.into_iter().map(|(place, _)| place).collect();
        (all, broken)
    };
    let listening = futures::future::join(
        listen(&nodes[0], &taken[0], &channels, &marks),
        listen(&nodes[1], &taken[1], &channels, &marks),
    );
    let ((acknowledged, broken), _) = tokio::join!(publishing, async {
        timeout(SOON + Duration::from_secs(seconds), listening).await.expect("all marks are taken in")
    });
    report(&taken.map(|taken| taken.into_inner().expect("no panic")), &acknowledged, broken, &said)
}

/// Publishes once to each channel, until it is acknowledged.
async fn mark(node: &Node, channels: &[ChannelId]) -> Vec<(Place, String)> {
    let mut marks = Vec::new();
    for on in channels {
        let placed = loop {
            match node.publish(on.as_str(), "mark").await {
                Ok(placed) => break placed,
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        };
        marks.push(((on.clone(), placed.stand.epoch.0, placed.stand.offset.0), "mark".to_owned()));
    }
    marks
}

fn report(
    taken: &[Taken; 2],
    acknowledged: &[(Place, String)],
    broken: usize,
    said: &AtomicU64,
) -> [usize; 2] {
    let told = taken.each_ref().map(|taken| check(taken, acknowledged));
    for (place, body) in &taken[0].bodies {
        let other = taken[1].bodies.get(place);
        assert!(other.is_none_or(|other| other == body), "{place:?} has two bodies");
    }
    assert!(taken.iter().all(|taken| taken.bodies.keys().all(|(_, epoch, _)| Epoch(*epoch) != Epoch::NONE)));
    println!(
        "{broken} faults, {} said, {} acknowledged, deaf {:?} times, lost and told {told:?}",
        said.load(Ordering::Relaxed),
        acknowledged.len(),
        taken.each_ref().map(|taken| taken.deaf),
    );
    assert!(acknowledged.len() > 100 && taken.iter().all(|taken| taken.deaf > 0));
    told
}

fn seconds() -> u64 {
    if std::env::var_os("LONG").is_some() { 90 } else { 6 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_heard_or_told_to_be_lost_whatever_breaks() {
    survive(seconds(), std::env::var_os("LONG").is_some(), "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_durable_store_nothing_that_is_acknowledged_is_lost_whatever_breaks() {
    let lost = survive(seconds(), std::env::var_os("LONG").is_some(), "&durable=file").await;
    assert_eq!(lost, [0, 0]);
}
