//! Defines the options of `load`.

use crate::connect::Target;
use crate::workload::Workload;

/// Holds the options of `load`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Loads this server: ws://127.0.0.1:PORT/ws, or centrifuge://, phoenix://, raw://, nats://, sio:// or
    /// floor:// for a server with that wire.
    #[arg(long)]
    pub(crate) target: Target,
    /// Runs this workload.
    #[arg(long)]
    pub(crate) workload: Workload,
    /// Publishes this many messages in all; each workload has its own default.
    #[arg(long)]
    pub(crate) messages: Option<u64>,
    /// Measures the process with this id, which is the server's.
    #[arg(long)]
    pub(crate) pid: u32,
    /// Stops publishing after this many seconds; slow servers get fewer messages.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
    /// Ends the run after this many seconds in any case.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
    /// Prints the report as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
