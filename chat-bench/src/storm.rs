//! A storm of resumes: all subscribers go, miss what is said, and come back for it at once.

use crate::load::Load;
use crate::options::Options;
use crate::process;
use crate::report::Run;
use mio::Events;
use std::io;
use std::time::{Duration, Instant};

/// How long the server has to notice that all are gone, and to take in what they miss.
const AWAY: Duration = Duration::from_secs(1);
/// The longest that coming back may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures from the first connect until all have what they missed.
pub(crate) fn run(load: &mut Load, events: &mut Events, options: &Options) -> io::Result<Run> {
    let epoch = load.epoch.clone().ok_or_else(|| io::Error::other("the server names no epoch"))?;
    load.hang_up();
    let missed = options.messages.unwrap_or_else(|| options.workload.messages());
    // The publisher has moved to the front, where the load does not listen for it; it hears nothing anyway.
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
