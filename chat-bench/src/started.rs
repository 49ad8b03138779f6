//! Starts servers and loads as processes that end with this one.

use crate::report::Report;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Bounds the time until a server listens.
const START: Duration = Duration::from_secs(10);
/// Names the core on which the load runs.
pub(crate) const LOAD_CORE: &str = "1";

/// Holds a process, which is killed when this is dropped.
pub(crate) struct Owned(pub(crate) Child);

impl Drop for Owned {
    fn drop(&mut self) {
        // An error means that the process has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns a port of the loopback that nobody listens at.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Pins a command to these cores; its process is killed when this one ends.
pub(crate) fn held_to(cores: &str, command: &Command) -> Command {
    let mut held = Command::new("setpriv");
    held.args(["--pdeathsig", "KILL", "taskset", "-c", cores]);
    held.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    held.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    held
}

/// Waits until the server accepts a connection.
pub(crate) fn listening(port: u16, server: &mut Owned) -> io::Result<()> {
    let (address, end) = (SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Instant::now() + START);
    while TcpStream::connect_timeout(&address, START).is_err() {
        if let Some(status) = server.0.try_wait()? {
            return Err(io::Error::other(format!("the server ended: {status}")));
        }
        if Instant::now() > end {
            return Err(io::Error::other("the server does not listen"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Runs a command that prints its report as a line of JSON.
pub(crate) fn reported(mut command: Command) -> io::Result<Report> {
    let output = command.output()?;
    if output.status.success() {
        return serde_json::from_slice(&output.stdout).map_err(io::Error::other);
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
