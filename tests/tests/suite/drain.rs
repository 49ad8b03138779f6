//! Tests a server that stops: all sessions receive what is queued, none delays the stop, and not all
//! reconnect at once.

use std::collections::BTreeMap;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use chat_core::protocol::Credentials;
use chat_core::runtime::Runtime;
use chat_core::testkit::{Client, World};
use chat_core::{Close, Connect, Hub, Limits, OpenChat, Payload};
use chat_protocol::json;
use chat_tests::crowd::{Member, at_once};
use chat_tests::program::Program;
use chat_tests::raw::{Raw, frame};
use chat_tests::scene::{Scene, each_way};
use serde_json::Value;

const SECOND: Duration = Duration::from_secs(1);

/// Returns how many sessions a drain has closed after each tenth of a second.
fn closed_over_time(scene: &Scene, clients: &[Client], patience: Duration, tenths: usize) -> Vec<usize> {
    let hub = scene.hub.clone();
    scene.world.spawn(Box::pin(async move {
        hub.drain(patience).await;
    }));
    let count = |_| {
        scene.world.advance(SECOND / 10);
        clients.iter().filter(|client| client.close().is_some()).count()
    };
    (0..tenths).map(count).collect()
}

#[test]
fn closes_are_spread_evenly_500_a_second() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let clients: Vec<_> = (0..1000).map(|n| scene.enter(&format!("u{n}"))).collect();
        let closed = closed_over_time(&scene, &clients, SECOND * 30, 20);
        for (tenth, closed) in closed.iter().enumerate() {
            let even = 50 * (tenth + 1);
            assert!(closed.abs_diff(even) <= 6, "{closed} after {} tenths", tenth + 1);
        }
    });
}

#[test]
fn closes_take_half_the_patience_at_most() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let clients: Vec<_> = (0..1000).map(|n| scene.enter(&format!("u{n}"))).collect();
        let closed = closed_over_time(&scene, &clients, SECOND, 5);
        assert!(closed[1].abs_diff(400) <= 30 && closed[4] == 1000, "{closed:?}");
    });
}

#[test]
fn a_stalled_reader_is_closed_first_and_let_go_after_5_seconds() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let mut clients: Vec<_> = (0..100).map(|n| scene.join(&format!("u{n}"), "room")).collect();
        clients[50].wire().stall();
        clients[0].say("publish room 1");
        let stalled = clients.remove(50);
        let hub = scene.hub.clone();
        let before = scene.world.instant();
        let left = scene.world.run(async move { hub.drain(SECOND * 30).await });
        let took = scene.world.instant() - before;
        assert_eq!((left, stalled.close()), (0, Some(Close::GOING_AWAY)));
        assert!(took <= SECOND * 5 + SECOND / 10, "{took:?}");
        for client in &clients {
            assert_eq!(client.heard(), ["message room 1 u0 1", "goodbye", "close 1001 going away"]);
        }
    });
}

#[test]
fn a_drain_that_is_not_waited_for_closes_who_is_left_at_once() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let clients: Vec<_> = (0..100).map(|n| scene.enter(&format!("u{n}"))).collect();
        let _ = futures::FutureExt::now_or_never(scene.hub.drain(SECOND * 30));
        assert!(clients.iter().all(|client| client.close() == Some(Close::GOING_AWAY)));
    });
}

#[test]
fn clients_are_told_to_come_back_at_different_times() {
    let world = World::seeded(7);
    let hub = Hub::builder(OpenChat::default()).limits(Limits::default()).build(world.clone());
    let connect = |n: usize| {
        let name = Some(format!("u{n}").parse().expect("a name"));
        let credentials = Credentials::Now(Connect::named(name));
        world.connect(&hub, std::sync::Arc::new(json::Json), credentials, chat_core::testkit::Way::Bytes)
    };
    let clients: Vec<_> = (0..200).map(connect).collect();
    let draining = hub.clone();
    world.run(async move { draining.drain(SECOND * 30).await });
    let mut times = BTreeMap::<u64, usize>::new();
    for client in &clients {
        let goodbye: Value = serde_json::from_str(&client.heard()[0]).expect("JSON");
        assert_eq!(goodbye["type"], "goodbye");
        let come_back = goodbye["comeBack"].as_u64().expect("milliseconds");
        assert!((500..5500).contains(&come_back));
        *times.entry(come_back / 1000).or_default() += 1;
    }
    assert!(times.len() >= 5 && times.values().all(|count| *count < 80), "{times:?}");
}

const LIVE: usize = 2000;
const DEAF: usize = 20;
const QUEUED: usize = 60;
const OUTBOX: usize = 1024 * 1024;

/// Hears what is queued and the close after it, and answers that.
fn hear_out(raw: &mut Raw) -> (usize, Option<u16>) {
    let mut messages = 0;
    while let Some((first, payload)) = raw.frame() {
        if first == 0x88 {
            raw.send(&frame(0x88, &payload));
            return (messages, payload.first_chunk().map(|code| u16::from_be_bytes(*code)));
        }
        messages += usize::from(payload.starts_with(br#"{"type":"message""#));
    }
    (messages, None)
}

fn subscribe(raw: &mut Raw, channel: &str) {
    let request =
        serde_json::json!({"type":"subscribe","channelId":channel,"overflow":"drop oldest"}).to_string();
    raw.send(&frame(0x81, request.as_bytes()));
    assert!(raw.frame().expect("an answer").1.starts_with(br#"{"type":"subscribed""#));
}

/// Says so much to those who do not read that no kernel's buffer holds it, and it waits in the server.
fn flood(server: &Program) {
    let mut speaker = Member::connect_to(server.address, "/ws?name=flood");
    speaker.say(&serde_json::json!({"type":"subscribe","channelId":"flood","echo":false}));
    assert_eq!(speaker.hear()["type"], "subscribed");
    let content = "x".repeat(60_000);
    while server.measure("chat_outbox_bytes") < (DEAF * OUTBOX / 2) as u64 {
        speaker.say(&serde_json::json!({"type":"publish","id":1,"channelId":"flood","content":content}));
        assert_eq!(speaker.hear()["type"], "published");
    }
}

#[test]
fn a_server_that_is_told_to_stop_delivers_all_that_is_queued_to_2000_clients_within_its_deadline() {
    const DEADLINE: Duration = Duration::from_secs(20);
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("chat.db");
    let mut server = Program::server(&[
        "--store",
        store.to_str().expect("a path"),
        "--drain-seconds",
        "20",
        "--request-rate",
        "0",
    ]);
    let join = |n: usize| {
        let mut raw = Raw::open(server.address, &format!("/ws?name=u{n}"));
        subscribe(&mut raw, "room");
        raw
    };
    let mut deaf: Vec<_> = (0..DEAF).map(join).collect();
    let mut live: Vec<_> = (DEAF..DEAF + LIVE).map(join).collect();
    deaf.iter_mut().for_each(|raw| subscribe(raw, "flood"));
    flood(&server);
    let mut speaker = Member::connect_to(server.address, "/ws?name=speaker");
    speaker.subscribe("room");
    let content = "x".repeat(4000);
    for _ in 0..QUEUED {
        speaker.say(&serde_json::json!({"type":"publish","channelId":"room","content":content}));
    }
    // The last is published when the speaker hears it, and then nobody has read a word yet.
    (0..QUEUED).for_each(|_| assert_eq!(speaker.hear()["type"], "message"));
    let told = Instant::now();
    let id = server.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
    let parts: Vec<_> = live.chunks_mut(LIVE / 40).collect();
    let heard = thread::scope(|scope| {
        let all: Vec<_> = parts
            .into_iter()
            .map(|part| scope.spawn(|| part.iter_mut().map(hear_out).collect::<Vec<_>>()))
            .collect();
        all.into_iter().flat_map(|thread| thread.join().expect("it hears")).collect::<Vec<_>>()
    });
    assert!(server.wait(), "it ends well");
    let took = told.elapsed();
    assert!(
        heard.iter().all(|one| *one == (QUEUED, Some(1001))),
        "{:?}",
        heard.iter().find(|one| one.1 != Some(1001) || one.0 != QUEUED)
    );
    assert!(took < DEADLINE + SECOND / 2, "{took:?}");
    drop(deaf);
}

#[test]
fn a_second_signal_ends_it_while_closes_are_still_being_spread() {
    let mut server = Program::server(&["--drain-seconds", "3600"]);
    let address = server.address;
    let _crowd = at_once(200, |n| Raw::open(address, &format!("/ws?name=u{n}")));
    let id = server.id().to_string();
    for _ in 0..2 {
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
    }
    assert!(server.wait());
}

#[test]
fn a_drain_waits_for_nobody_who_is_gone_already() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let clients: Vec<_> = (0..1000).map(|n| scene.enter(&format!("u{n}"))).collect();
        let hub = scene.hub.clone();
        let (begun, world) = (scene.world.instant(), scene.world.clone());
        scene.world.spawn(Box::pin(async move { clients.iter().for_each(|client| client.wire().cut()) }));
        let left = world.run(async move { hub.drain(SECOND * 30).await });
        let took = scene.world.instant() - begun;
        assert_eq!((left, took < SECOND / 10), (0, true), "{took:?}");
    });
}

#[test]
fn an_end_has_one_deadline_whatever_the_peer_takes_now_and_then() {
    each_way(|way| {
        let scene =
            Scene::of(World::new(), way, Hub::builder(OpenChat::default()).history(1000, SECOND * 6000));
        let ann = scene.join("ann", "room");
        ann.wire().stall();
        for _ in 0..100 {
            scene.hub.publish("room", Payload::json(format!("\"{}\"", "x".repeat(2000)))).expect("a name");
        }
        scene.hub.disconnect_user(&"ann".parse().expect("a name"), &Close::new(4501, "banned"));
        for _ in 0..4 {
            ann.wire().give_room(1);
            scene.world.advance(SECOND * 4);
        }
        assert!(ann.close().is_some(), "all in all ten seconds to write, and five to close");
        assert_eq!(scene.hub.stats().sessions, 0);
    });
}
