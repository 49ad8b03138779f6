//! Runs a storm of resumes: all subscribers disconnect, miss messages, and reconnect at once to recover them.

use crate::load::Load;
use crate::options::Options;
use crate::process;
use crate::report::Run;
use mio::Events;
use std::io;
use std::time::{Duration, Instant};

/// Gives the server this long to notice the disconnects, and to take the messages that are missed.
const AWAY: Duration = Duration::from_secs(1);
/// Bounds the time of the recovery.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures from the first reconnect until every subscriber has all that it missed.
pub(crate) fn run(load: &mut Load, events: &mut Events, options: &Options) -> io::Result<Run> {
    let epoch = load.epoch.clone().ok_or_else(|| io::Error::other("the server names no epoch"))?;
    load.hang_up();
    let missed = options.messages.unwrap_or_else(|| options.workload.messages());
    // The publisher is now first, where its events are not handled; it receives nothing anyway.
    load.publish(missed)?;
    load.rest(events, AWAY)?;
    let (cpu, start) = (process::cpu_nanos(options.pid)?, Instant::now());
    load.come_back(&epoch)?;
    while load.board.complete < missed && start.elapsed() < PATIENCE {
        load.turn(events, Duration::from_millis(10))?;
    }
    Ok(Run {
        cpu_nanos: process::cpu_nanos(options.pid)?.saturating_sub(cpu),
        deliveries: load.board.deliveries,
        seconds: start.elapsed().as_secs_f64(),
        ..Run::default()
    })
}
