//! Runs one workload, from its first connection to its report.

use crate::beside;
use crate::load::Load;
use crate::options::Options;
use crate::process;
use crate::report::{Report, Run};
use crate::storm;
use crate::workload::Workload;
use mio::Events;
use std::io;
use std::time::{Duration, Instant};

/// Waits this long for further copies after the last message.
const AFTERMATH: Duration = Duration::from_millis(200);
/// Leaves idle connections alone for this long before the memory is read.
const REST: Duration = Duration::from_secs(2);

/// Runs one workload to its end.
pub(crate) fn run(options: &Options) -> io::Result<Report> {
    let (before, start) = (process::resident_kib(options.pid)?, Instant::now());
    let mut load = Load::open(options)?;
    let mut events = Events::with_capacity(1024);
    load.join(&mut events)?;
    let setup_seconds = start.elapsed().as_secs_f64();
    let _beside = match options.workload {
        Workload::QuietBesideHot => Some(beside::start(options)?),
        Workload::Hot => {
            beside::announce();
            None
        }
        _ => None,
    };
    if options.workload == Workload::Storm {
        let run = storm::run(&mut load, &mut events, options)?;
        return Ok(load.report(Run { setup_seconds, ..run }));
    }
    if options.workload.is_idle() {
        load.rest(&mut events, REST)?;
        let kib = process::resident_kib(options.pid)?.saturating_sub(before);
        let kib_per_connection = kib as f64 / load.connections.len() as f64;
        return Ok(load.report(Run { kib_per_connection, setup_seconds, ..Run::default() }));
    }
    let before = process::resident_kib(options.pid)?;
    let run = load.measure(&mut events, options)?;
    load.rest(&mut events, AFTERMATH)?;
    let grown_kib = process::resident_kib(options.pid)?.saturating_sub(before) as f64;
    Ok(load.report(Run { setup_seconds, grown_kib, ..run }))
}
