//! Tests a server that is killed while it stores, and started again.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use chat_tests::light::{Light, Said, number, word};
use chat_tests::program::Program;

const PUBLISHERS: usize = 20;
/// Sets the publications of each client in a second; all together publish 500.
const A_SECOND: u32 = 25;

fn start(path: &str) -> Program {
    Program::server(&["--store", path, "--durable", "--open-publish", "--user-sessions", "1000"])
}

/// Publishes until the server is gone; what was answered, as offset and content.
fn publish(server: &Program, n: usize, answered: &Mutex<Vec<(u64, String)>>, count: &AtomicU64) {
    let mut client = Light::open(server.address, &format!("/ws?name=p{n}"));
    let (_open, pause) = channel::<()>();
    let begin = Instant::now();
    for round in 1_u32.. {
        let content = format!("{n}-{round}");
        client.say(&format!(r#"{{"type":"publish","id":1,"channelId":"room","content":"{content}"}}"#));
        let Said::Other(answer) = client.hear() else { return };
        assert!(answer.contains(r#""published""#), "{answer}");
        let offset = number(&answer, "offset").expect("an offset");
        answered.lock().expect("no panic").push((offset, content));
        count.fetch_add(1, Ordering::Relaxed);
        let next = begin + Duration::from_secs(1) * round / A_SECOND;
        let _ = pause.recv_timeout(next.saturating_duration_since(Instant::now()));
    }
}

/// Returns all messages of the server, as offset and content.
fn history(server: &Program) -> Vec<(u64, String)> {
    let mut client = chat_tests::crowd::Member::connect_to(server.address, "/ws?name=reader");
    client.subscribe("room");
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        client.say(&serde_json::json!({"type":"history","channelId":"room","after":after,"limit":300}));
        let page = client.hear();
        for message in page["messages"].as_array().expect("messages") {
            let offset = message["offset"].as_u64().expect("an offset");
            all.push((offset, message["content"].as_str().expect("a text").to_owned()));
            after = offset;
        }
        if page["more"] != true {
            return all;
        }
    }
}

#[test]
fn every_answered_publish_survives_a_kill_once_and_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db").to_str().expect("a path").to_owned();
    let (answered, count) = (Mutex::new(Vec::new()), AtomicU64::new(0));
    let mut rate = 0.0;
    for life in 1..=3_u64 {
        let server = start(&path);
        let begin = Instant::now();
        thread::scope(|scope| {
            let (server, answered, count) = (&server, &answered, &count);
            for n in 0..PUBLISHERS {
                scope.spawn(move || publish(server, n + 100 * life as usize, answered, count));
            }
            let (_open, pause) = channel::<()>();
            while count.load(Ordering::Relaxed) < 1000 * life {
                let _ = pause.recv_timeout(Duration::from_millis(1));
            }
            rate = 1000.0 / begin.elapsed().as_secs_f64();
            let kill = std::process::Command::new("kill").args(["-KILL", &server.id().to_string()]).status();
            assert!(kill.expect("kill runs").success());
        });
    }
    let server = start(&path);
    let stored = history(&server);
    assert!(stored.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order");
    let mut contents: Vec<_> = stored.iter().map(|(_, content)| content).collect();
    contents.sort_unstable();
    assert!(contents.windows(2).all(|pair| pair[0] != pair[1]), "once");
    let answered = answered.into_inner().expect("no panic");
    assert!(answered.len() >= 3000 && rate > 100.0, "{} at {rate} a second", answered.len());
    for one in &answered {
        assert!(stored.contains(one), "{one:?} was answered");
    }
}

#[test]
fn messages_outlive_a_stop_and_who_comes_back_recovers() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db").to_str().expect("a path").to_owned();
    let mut server = start(&path);
    let mut ann = Light::open(server.address, "/ws?name=ann");
    ann.say(r#"{"type":"subscribe","channelId":"room"}"#);
    let Said::Other(joined) = ann.hear() else { panic!("an answer") };
    let epoch = word(&joined, "epoch").expect("an epoch");
    for offset in 1..=3 {
        ann.say(r#"{"type":"publish","channelId":"room","content":1}"#);
        assert_eq!(ann.hear(), Said::Message(offset));
    }
    let stop = std::process::Command::new("kill").args(["-TERM", &server.id().to_string()]).status();
    assert!(stop.expect("kill runs").success());
    drop(ann);
    assert!(server.wait());
    let server = start(&path);
    let mut ann = Light::open(server.address, "/ws?name=ann");
    ann.say(&format!(
        r#"{{"type":"subscribe","channelId":"room","since":{{"epoch":"{epoch}","offset":1}}}}"#
    ));
    let Said::Other(joined) = ann.hear() else { panic!("an answer") };
    assert!(joined.contains(r#""recovered":true"#), "{joined}");
    assert_eq!((ann.hear(), ann.hear()), (Said::Message(2), Said::Message(3)));
    let second = std::process::Command::new(chat_tests::program::server())
        .args(["--listen", "127.0.0.1:0", "--store", &path])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("chat.db") && said.contains("locked"), "{said}");
}
