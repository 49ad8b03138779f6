//! Tests slow readers over real sockets: the promises of each policy, its cost, and that healthy readers
//! notice nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use chat_core::{Hub, Limits, OpenChat, Payload};
use chat_tests::crowd::Member;
use chat_tests::host::{Host, Served};
use chat_tests::light::{Light, Said, number};
use chat_tests::program::Program;
use serde_json::json;

const HEALTHY: usize = 100;
const SLOW: usize = 10;
const MESSAGES: u64 = 3000;
const BYTES: usize = 4096;
/// Bounds how far the publisher runs ahead of the slowest healthy reader, well within the bound of its queue.
const AHEAD: u64 = 64;
const OUTBOX: usize = 1024 * 1024;

fn serve() -> Served {
    let patience = Duration::from_secs(600);
    let limits = Limits::default()
        .with_write_timeout(patience)
        .with_close_timeout(patience)
        .with_ping_interval(patience);
    let mut options = chat_core::ChannelOptions::default();
    options.history.entries = 2 * MESSAGES as usize;
    options.history.bytes = 1 << 26;
    options.history.age = patience;
    Host::TokioMulti.serve(Hub::builder(OpenChat::default()).limits(limits).channel(|_| options))
}

fn join(served: &Served, name: &str, policy: &str) -> Light {
    let mut client = Light::open(served.address, &format!("/?name={name}"));
    client.say(&format!(r#"{{"type":"subscribe","channelId":"room","overflow":"{policy}"}}"#));
    assert!(matches!(client.hear(), Said::Other(text) if text.contains("subscribed")));
    client
}

/// Publishes all, never far ahead of the healthy.
fn publish_all(served: &Served, progress: &[AtomicU64]) {
    let (_open, pause) = channel::<()>();
    let content = Payload::json(format!("\"{}\"", "x".repeat(BYTES)));
    for n in 1..=MESSAGES {
        served.hub.publish("room", content.clone()).expect("a name");
        while progress.iter().any(|heard| heard.load(Ordering::Relaxed) + AHEAD < n) {
            let _ = pause.recv_timeout(Duration::from_micros(200));
        }
    }
}

/// Lets the publisher go on when its reader is over, also by a failed assertion.
struct Over<'a>(&'a AtomicU64);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(MESSAGES, Ordering::Relaxed);
    }
}

fn hear_all(client: &mut Light, progress: &AtomicU64) {
    let _over = Over(progress);
    for offset in 1..=MESSAGES {
        assert_eq!(client.hear(), Said::Message(offset), "a healthy reader loses nothing");
        progress.store(offset, Ordering::Relaxed);
    }
}

/// Takes a KiB a second of each until nobody holds the other end.
fn trickle(clients: &mut [Light], over: &std::sync::mpsc::Receiver<()>) {
    while over.recv_timeout(Duration::from_secs(1)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        clients.iter_mut().for_each(|client| {
            client.fill(1024);
        });
    }
}

/// Returns the messages that a reader was told, up to the last of all or its end.
fn rest(client: &mut Light) -> Vec<Said> {
    let mut all = Vec::new();
    loop {
        let said = client.hear();
        let last = match said {
            Said::Message(offset) => offset == MESSAGES,
            Said::Gap(_, to) => to == MESSAGES,
            Said::Close(_) | Said::End => true,
            Said::Other(_) => continue,
        };
        all.push(said);
        if last {
            return all;
        }
    }
}

/// Checks that every offset comes once, as a message or within a gap.
fn tiles(told: &[Said]) {
    let mut next = 1;
    for said in told {
        match *said {
            Said::Message(offset) => {
                assert_eq!(offset, next);
                next = offset + 1;
            }
            Said::Gap(from, to) => {
                assert!(from == next && from <= to, "{said:?} where {next} is next");
                next = to + 1;
            }
            _ => return,
        }
    }
    assert_eq!(next, MESSAGES + 1);
}

fn losses(told: &[Said]) -> usize {
    told.iter().filter(|said| matches!(said, Said::Gap(..))).count()
}

/// Returns the messages told to those that never read and to those that read a little, until it was over.
fn play(policy: &str) -> (Vec<Vec<Said>>, Vec<Vec<Said>>) {
    let served = serve();
    let mut healthy: Vec<_> = (0..HEALTHY).map(|n| join(&served, &format!("h{n}"), "disconnect")).collect();
    let mut deaf: Vec<_> = (0..SLOW).map(|n| join(&served, &format!("d{n}"), policy)).collect();
    let mut slow: Vec<_> = (0..SLOW).map(|n| join(&served, &format!("s{n}"), policy)).collect();
    let progress: Vec<_> = (0..HEALTHY).map(|_| AtomicU64::new(0)).collect();
    thread::scope(|scope| {
        let (go_on, over) = channel();
        let slow = &mut slow;
        scope.spawn(move || trickle(slow, &over));
        for (client, progress) in healthy.iter_mut().zip(&progress) {
            scope.spawn(|| hear_all(client, progress));
        }
        publish_all(&served, &progress);
        drop(go_on);
    });
    let stats = served.hub.stats();
    assert!(stats.outbox_bytes <= 2 * SLOW * (OUTBOX + 2 * BYTES), "{stats:?}");
    let hear = |clients: &mut Vec<Light>| clients.iter_mut().map(rest).collect::<Vec<_>>();
    let told = (hear(&mut deaf), hear(&mut slow));
    told.0.iter().chain(&told.1).for_each(|told| tiles(told));
    told
}

#[test]
fn who_asked_for_no_other_way_is_closed_as_slow_with_what_came_before() {
    let (deaf, slow) = play("disconnect");
    for told in deaf.iter().chain(&slow) {
        assert_eq!(told.last(), Some(&Said::Close(3008)));
        assert_eq!(losses(told), 0);
    }
}

#[test]
fn drop_oldest_keeps_the_newest_and_tells_what_went() {
    let (deaf, slow) = play("drop oldest");
    for told in deaf.iter().chain(&slow) {
        assert_eq!(told.last(), Some(&Said::Message(MESSAGES)));
    }
    for told in &deaf {
        // An eighth of the room is made at once. What was told before the last loss had gone into the
        // kernel's buffers.
        let lost = told.iter().rposition(|said| matches!(said, Said::Gap(..))).expect("it lost something");
        let waited = (told.len() - lost - 1) * (BYTES + 200);
        assert!(waited > OUTBOX / 4 * 3 && waited < OUTBOX / 20 * 21, "{waited} bytes waited");
    }
}

#[test]
fn drop_newest_keeps_the_oldest_and_tells_what_never_came() {
    let (deaf, _) = play("drop newest");
    for told in &deaf {
        assert!(matches!(told.last(), Some(Said::Gap(_, MESSAGES))));
    }
}

#[test]
fn only_the_newest_ever_waits_for_who_wants_the_latest() {
    let (deaf, slow) = play("latest");
    for told in deaf.iter().chain(&slow) {
        assert_eq!(told.last(), Some(&Said::Message(MESSAGES)));
    }
    for told in &deaf {
        assert!(matches!(told[told.len() - 2], Said::Gap(..)), "one message stands behind the loss");
    }
}

#[test]
fn who_resyncs_has_the_same_sequence_as_the_healthy_once_it_reads() {
    let (deaf, slow) = play("resync");
    for told in deaf.iter().chain(&slow) {
        assert_eq!(
            (losses(told), told.len() as u64, told.last()),
            (0, MESSAGES, Some(&Said::Message(MESSAGES)))
        );
    }
}

fn resident(id: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{id}/statm")).expect("it runs");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("pages") * 4096
}

#[test]
fn a_thousand_stalled_sessions_cost_no_more_than_all_may_and_newcomers_are_served() {
    const CAP: u64 = 64 << 20;
    let server = Program::server(&[
        "--total-outbox-bytes",
        "67108864",
        "--write-seconds",
        "600",
        "--close-seconds",
        "600",
        "--open-publish",
        "--ping-seconds",
        "3600",
        "--request-rate",
        "0",
        "--history-entries",
        "0",
    ]);
    let stalled: Vec<_> = (0..1000)
        .map(|n| {
            let mut client = Light::open(server.address, &format!("/ws?name=s{n}"));
            client.say(&format!(r#"{{"type":"subscribe","channelId":"c{n}"}}"#));
            assert!(matches!(client.hear(), Said::Other(text) if number(&text, "offset") == Some(0)));
            client
        })
        .collect();
    let before = resident(server.id());
    let mut speaker = Member::connect_to(server.address, "/ws?name=speaker");
    let content = "x".repeat(60_000);
    let (mut most, mut waited) = (0, 0);
    for round in 0..100 {
        for n in 0..1000 {
            speaker.say(&json!({"type":"publish","channelId":format!("c{n}"),"content":content,"id":n}));
            if n % 16 == 15 || n == 999 {
                (0..=n % 16).for_each(|_| assert_eq!(speaker.hear()["type"], "published"));
            }
        }
        most = most.max(resident(server.id()));
        waited = waited.max(server.measure("chat_outbox_bytes"));
        if server.measure(r#"chat_dropped_total{reason="slow"}"#) > 0 {
            break;
        }
        assert!(round < 99, "the cap is never reached");
    }
    let grown = most.saturating_sub(before);
    assert!(waited <= CAP + CAP / 50, "{waited} bytes wait");
    assert!(waited > CAP / 2, "only {waited} bytes waited");
    assert!(grown <= CAP / 5 * 6, "{grown} bytes more");
    let mut newcomer = Member::connect_to(server.address, "/ws?name=new");
    newcomer.subscribe("fresh");
    for n in 0..10 {
        newcomer.say(&json!({"type":"publish","channelId":"fresh","content":n}));
        assert_eq!(newcomer.hear()["content"], n);
    }
    drop(stalled);
}
