//! The choices of one load, as the command line names them.

use crate::connect::Target;
use crate::workload::Workload;

/// The choices of one load.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The server: ws://127.0.0.1:PORT/ws, and raw://, nats://, sio:// and floor:// for servers that speak
    /// so.
    #[arg(long)]
    pub(crate) target: Target,
    /// The workload to run.
    #[arg(long)]
    pub(crate) workload: Workload,
    /// How many messages to publish in all; each workload has its own default.
    #[arg(long)]
    pub(crate) messages: Option<u64>,
    /// The server's process.
    #[arg(long)]
    pub(crate) pid: u32,
    /// After how many seconds nothing more is published; slow servers get fewer messages then.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
    /// After how many seconds the run ends in any case.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
    /// Prints one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
