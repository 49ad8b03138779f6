//! Servers beside the floor, in turns, so that the machine's drift meets all of them alike.

use crate::report::{field, figure};
use crate::workload::Workload;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(10);
/// The core of the servers, and of the load.
const CORES: [&str; 2] = ["0", "1"];

/// What to compare.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A server's command, with {port} where its port belongs; may be given several times.
    #[arg(long = "server", required = true)]
    servers: Vec<String>,
    /// The path of the servers' WebSocket endpoint.
    #[arg(long, default_value = "/ws")]
    path: String,
    /// How often each of them runs.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// What to ask of them.
    #[arg(long, value_delimiter = ',', default_value = "w1-1,w1-64,w2,idle")]
    workloads: Vec<Workload>,
    /// How many messages to publish in each run, in place of each workload's own number.
    #[arg(long)]
    messages: Option<u64>,
}

/// A process that ends with its owner.
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs all workloads, and prints one table.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let program = std::env::current_exe()?;
    println!("floor: this program");
    for (index, server) in options.servers.iter().enumerate() {
        println!("server {}: {server}", index + 1);
    }
    println!(
        "\n{:<7}{:<10}{:>11}{:>10}{:>12}{:>9}{:>9}  lost/doubled/out of order/stray/closed",
        "", "", "CPU-s/M", "ratio", "per s", "p50 ms", "p99 ms"
    );
    options.workloads.iter().try_for_each(|&workload| compare(options, &program, workload))
}

/// Runs one workload in all rounds, and prints its rows.
fn compare(options: &Options, program: &PathBuf, workload: Workload) -> io::Result<()> {
    let mut runs = vec![Vec::new(); options.servers.len() + 1];
    for _ in 0..options.rounds {
        for (index, reports) in runs.iter_mut().enumerate() {
            let server = index.checked_sub(1).map(|index| options.servers[index].as_str());
            match measure(options, program, workload, server) {
                Ok(report) => reports.push(report),
                Err(error) => println!("{:<7}{}: {error}", workload.name(), label(index)),
            }
        }
    }
    for (index, reports) in runs.iter().enumerate() {
        println!("{}", row(workload, &label(index), &runs[0], reports));
    }
    Ok(())
}

fn label(index: usize) -> String {
    if index == 0 { "floor".into() } else { format!("server {index}") }
}

/// Starts a server (the floor where there is no command), loads it, and ends it.
fn measure(
    options: &Options,
    program: &PathBuf,
    workload: Workload,
    server: Option<&str>,
) -> io::Result<String> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let mut command = pinned(CORES[0]);
    command.stdout(Stdio::null());
    let target = match server {
        None => {
            let (listen, join) = (format!("127.0.0.1:{port}"), workload.join().to_string());
            command.arg(program).args(["floor", "--listen", &listen, "--join", &join]);
            format!("floor://127.0.0.1:{port}")
        }
        Some(server) => {
            command.args(server.replace("{port}", &port.to_string()).split_whitespace());
            format!("ws://127.0.0.1:{port}{}", options.path)
        }
    };
    let mut owned = Owned(command.spawn()?);
    listening(port, &mut owned)?;
    load(options, program, workload, &target, owned.0.id())
}

/// Begins a command that is held to one core, and ends with this process however that ends.
fn pinned(core: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "taskset", "-c", core]).stdin(Stdio::null());
    command
}

/// Waits until a connection is taken.
fn listening(port: u16, server: &mut Owned) -> io::Result<()> {
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

fn load(
    options: &Options,
    program: &PathBuf,
    workload: Workload,
    target: &str,
    pid: u32,
) -> io::Result<String> {
    let mut command = pinned(CORES[1]);
    command.arg(program).args(["load", "--json", "--target", target]);
    command.args(["--workload", &workload.name(), "--pid", &pid.to_string()]);
    if let Some(messages) = options.messages {
        command.args(["--messages", &messages.to_string()]);
    }
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// Writes the medians of one server and workload, and the median of the rounds' ratios to the floor.
fn row(workload: Workload, label: &str, floor: &[String], reports: &[String]) -> String {
    if reports.is_empty() {
        return format!("{:<7}{label:<10}no run succeeded", workload.name());
    }
    let all = |name: &str| reports.iter().filter_map(|json| field(json, name)).collect::<Vec<_>>();
    let middle = |name: &str| figure(median(all(name)));
    let sum = |name: &str| figure(all(name).iter().sum());
    let main = if workload == Workload::Idle { "kib_per_connection" } else { "cpu_s_per_million" };
    let ratio =
        if workload == Workload::Idle { "KiB/conn".into() } else { figure(ratio(floor, reports, main)) };
    let account = ["lost", "doubled", "out_of_order", "strays", "closed"].map(sum).join("/");
    let [rate, p50, p99] = ["deliveries_per_s", "p50_ms", "p99_ms"].map(middle);
    let name = workload.name();
    format!("{name:<7}{label:<10}{:>11}{ratio:>10}{rate:>12}{p50:>9}{p99:>9}  {account}", middle(main))
}

/// Tells the median of the rounds' ratios; if a run failed, the ratio of the medians.
fn ratio(floor: &[String], reports: &[String], name: &str) -> f64 {
    let all = |reports: &[String]| reports.iter().filter_map(|json| field(json, name)).collect::<Vec<_>>();
    let (floor, own) = (all(floor), all(reports));
    if floor.len() == own.len() {
        return median(own.iter().zip(&floor).map(|(own, floor)| own / floor).collect());
    }
    median(own) / median(floor)
}

/// Tells the middle value, or the mean of the two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        even if even % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let report = |value: f64| format!("{{\"x\":{value}}}");
        let (floor, own) = ([report(1.0), report(2.0), report(4.0)], [report(2.0), report(3.0), report(8.0)]);
        assert_eq!(ratio(&floor, &own, "x"), 2.0);
        assert_eq!(ratio(&floor, &own[..1], "x"), 1.0);
    }
}
