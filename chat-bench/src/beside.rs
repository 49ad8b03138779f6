//! A hot channel beside the one that is measured: a load of its own, so that the one does not wait for the
//! other in the load.

use crate::options::Options;
use crate::workload::Workload;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The line that the load beside prints once all its subscribers are in.
const READY: &str = "ready";
/// Longer than anything that it stands beside.
const SECONDS: &str = "600";

/// A load that ends with its owner.
pub(crate) struct Beside(Child);

impl Drop for Beside {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it, and waits until all its subscribers are in. Whatever else wants to run on its core goes first.
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

/// Says that all subscribers are in.
pub(crate) fn announce() {
    println!("{READY}");
}
