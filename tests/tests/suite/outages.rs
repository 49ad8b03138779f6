//! Tests that servers with one broker lose no session, and nothing in silence, whatever befalls its engine.
//!
//! `LONG=1` plays every outage for as long, and as often, as docs/cluster.md tells.
#![allow(clippy::print_stdout, reason = "what each outage cost is the result of a long run")]

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use chat_postgres::testkit::Server;
use chat_tests::nats::Nats;
use chat_tests::outage::{Engine, Load, Proxy};
use chat_tests::redis::Redis;

/// Says how much is played.
struct Scale {
    channels: usize,
    each_second: u32,
    kills: u32,
    stops: u32,
    stopped: Duration,
}

fn scale() -> Scale {
    match std::env::var_os("LONG") {
        Some(_) => {
            Scale { channels: 1000, each_second: 500, kills: 10, stops: 5, stopped: Duration::from_secs(8) }
        }
        None => {
            Scale { channels: 100, each_second: 100, kills: 1, stops: 1, stopped: Duration::from_secs(1) }
        }
    }
}

/// Plays one outage so often, and tells how long all channels then took to be live again, at worst, and which
/// share of a core both servers together needed meanwhile, at worst.
fn play(load: &mut Load, what: &str, times: u32, mut outage: impl FnMut()) {
    let (mut slowest, mut busiest) = (Duration::ZERO, None);
    for _ in 0..times {
        let (begun, before) = (Instant::now(), processor_time(load));
        outage();
        let (used, lasted) = (processor_time(load) - before, begun.elapsed());
        // Of what lasts no longer than some ticks no share can be told.
        if lasted > Duration::from_millis(500) {
            busiest = busiest.max(Some((100.0 * used.as_secs_f64() / lasted.as_secs_f64()).round() as u64));
        }
        slowest = slowest.max(load.is_live_after());
        sleep(Duration::from_millis(500));
    }
    let busiest = busiest.map_or_else(String::new, |share| format!("; {share} % of a core meanwhile"));
    println!("{what}, {times} times: live after {slowest:.2?}{busiest}");
}

/// Returns the time that both servers have had of a core.
fn processor_time(load: &Load) -> Duration {
    let ticks = |id: u32| -> u64 {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs");
        let fields = stat.rsplit(')').next().expect("a name in brackets").split_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
    };
    // A tick is a hundredth of a second.
    Duration::from_millis(load.servers().iter().map(|server| ticks(server.id())).sum::<u64>() * 10)
}

fn survive(mut engine: impl Engine, kick: Option<fn(&dyn Engine)>) {
    let Scale { channels, each_second, kills, stops, stopped } = scale();
    let proxy = Proxy::to(engine.port());
    let mut load = Load::start(&engine.url_at(proxy.port()), channels, each_second);
    play(&mut load, "killed, and away for a second", kills, || {
        engine.kill();
        sleep(Duration::from_secs(1));
        engine.start_again();
    });
    play(&mut load, "stopped", stops, || {
        engine.stop(true);
        sleep(stopped);
        engine.stop(false);
    });
    play(&mut load, "back to an older copy", 1, || {
        engine.remember();
        sleep(Duration::from_millis(500));
        engine.forget();
    });
    if let Some(kick) = kick {
        play(&mut load, "its clients thrown out", kills, || kick(&engine));
    }
    play(&mut load, "its connections cut", kills, || proxy.cut());
    play(&mut load, "its connections cut within what is said", kills, || {
        proxy.halve(3);
        sleep(Duration::from_millis(200));
        proxy.halve(0);
    });
    play(&mut load, "out of reach", stops, || {
        proxy.swallow(true);
        sleep(stopped);
        proxy.swallow(false);
    });
    let toll = load.end();
    println!("{toll:?}");
    assert_eq!(toll.closed, 0, "no outage costs a session");
    assert!(toll.heard.iter().all(|heard| *heard > channels), "much was heard: {toll:?}");
}

#[test]
fn no_outage_of_redis_costs_a_session_or_loses_a_publication_in_silence() {
    survive(
        Redis::start(),
        Some(|redis| {
            let port = redis.port().to_string();
            let kick = ["-p", &port, "client", "kill", "type", "pubsub"];
            let kicked = std::process::Command::new("redis-cli").args(kick).status();
            assert!(kicked.expect("redis-cli runs").success());
        }),
    );
}

#[test]
fn no_outage_of_postgresql_costs_a_session_or_loses_a_publication_in_silence() {
    survive(
        Server::start(&[]),
        Some(|postgres| {
            let sql =
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chat'";
            let port = postgres.port().to_string();
            let kick = ["-h", "127.0.0.1", "-p", &port, "-U", "chat", "-qAt", "-c", sql, "postgres"];
            let kicked =
                std::process::Command::new("psql").args(kick).stdout(std::process::Stdio::null()).status();
            assert!(kicked.expect("psql runs").success());
        }),
    );
}

#[test]
fn no_outage_of_nats_costs_a_session_or_loses_a_publication_in_silence() {
    // It has no word by which clients are thrown out.
    survive(Nats::start(), None);
}
