//! Loads a hot channel beside the one that is measured, in a process of its own, so that neither waits for
//! the other within the load.

use crate::options::Options;
use crate::workload::Workload;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Announces that all subscribers of the load beside have joined.
const READY: &str = "ready";
/// Exceeds the time of every load that it runs beside.
const SECONDS: &str = "600";

/// Holds the process of a load, which is killed when this is dropped.
pub(crate) struct Beside(Child);

impl Drop for Beside {
    fn drop(&mut self) {
        // An error means that the process has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the load, and waits until all its subscribers have joined. Every other process on its core runs
/// first.
pub(crate) fn start(options: &Options) -> io::Result<Beside> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "chrt", "--idle", "0"]).arg(std::env::current_exe()?);
    command.args(["load", "--target", &options.target.to_string(), "--workload", &Workload::Hot.name()]);
    command.args(["--pid", &options.pid.to_string(), "--seconds", SECONDS, "--timeout", SECONDS]);
    let mut child = Beside(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
    let mut line = String::new();
    if let Some(out) = child.0.stdout.take() {
        BufReader::new(out).read_line(&mut line)?;
    }
    if line.trim() == READY { Ok(child) } else { Err(io::Error::other("the load beside has ended")) }
}

/// Prints that all subscribers have joined.
pub(crate) fn announce() {
    println!("{READY}");
}
