//! Measures fan-out without a socket: the cost of the core alone.

use crate::report::{Report, Run};
use crate::wire;
use crate::workload::Workload;
use chat_core::testkit::Audience;
use chat_core::{Hub, Limits, OpenChat, Payload, Rate};
use std::time::{Duration, Instant};

/// Holds the options of `in-process`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Runs this workload, process-1 or process-16.
    #[arg(long, default_value = "process-16")]
    workload: Workload,
    /// Publishes this many messages.
    #[arg(long)]
    messages: Option<u64>,
    /// Prints the report as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Publishes to 1,000 sinks that take everything. The history keeps 100 publications, and all bounds are on
/// except the publisher's rate.
pub(crate) fn run(options: &Options) -> Report {
    let (shape, messages) = (options.workload.shape(), options.messages);
    let limits = Limits::default().with_requests(Rate::UNBOUNDED);
    let hub = Hub::builder(OpenChat::default()).limits(limits).history(100, Duration::from_secs(300));
    let content = Payload::json(format!("\"{}\"", wire::content(0, 0)));
    let audience = Audience::new(hub, shape.subscribers, &content);
    let flushes = messages.unwrap_or_else(|| options.workload.messages()) / shape.in_flight as u64;
    let hear = |times: u64| (0..times).for_each(|_| audience.hear(shape.in_flight as u8));
    hear(flushes / 20);
    let (before, start) = (audience.hub().stats().deliveries, Instant::now());
    hear(flushes);
    let elapsed = start.elapsed();
    // The only thread never waits, so that all of the time is processor time.
    Report::of(&Run {
        cpu_nanos: elapsed.as_nanos() as u64,
        deliveries: audience.hub().stats().deliveries - before,
        seconds: elapsed.as_secs_f64(),
        ..Run::default()
    })
}
