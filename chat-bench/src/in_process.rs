//! Fan-out without a socket: what the core takes for itself.

use crate::report::{Report, Run};
use crate::wire;
use crate::workload::Workload;
use chat_core::testkit::Audience;
use chat_core::{Hub, Limits, OpenChat, Payload, Rate};
use std::time::{Duration, Instant};

/// The choices of a measurement in process.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// process-1 or process-16.
    #[arg(long, default_value = "process-16")]
    workload: Workload,
    /// How many messages to publish.
    #[arg(long)]
    messages: Option<u64>,
    /// Prints one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Publishes to 1,000 sinks that take everything; the history keeps 100, all bounds are on but the
/// publisher's rate.
pub(crate) fn run(options: &Options) -> Report {
    let (shape, messages) = (options.workload.shape(), options.messages);
    let limits = Limits { requests: Rate::UNBOUNDED, ..Limits::default() };
    let hub = Hub::builder(OpenChat::default()).limits(limits).history(100, Duration::from_secs(300));
    let content = Payload::json(format!("\"{}\"", wire::content(0, 0)));
    let audience = Audience::new(hub, shape.subscribers, &content);
    let flushes = messages.unwrap_or_else(|| options.workload.messages()) / shape.in_flight as u64;
    let hear = |times: u64| (0..times).for_each(|_| audience.hear(shape.in_flight as u8));
    hear(flushes / 20);
    let (before, start) = (audience.hub().stats().deliveries, Instant::now());
    hear(flushes);
    let elapsed = start.elapsed();
    // There is one thread, and it does not wait: all of the time is the processor's.
    Report::of(&Run {
        cpu_nanos: elapsed.as_nanos() as u64,
        deliveries: audience.hub().stats().deliveries - before,
        seconds: elapsed.as_secs_f64(),
        ..Run::default()
    })
}
