//! Measures what a broker costs: one server without it, one with it, and two servers that are one chat.

use crate::report::{Report, figure};
use crate::servers::{Programs, root};
use crate::started::{LOAD_CORE, Owned, free_port, held_to, listening, reported};
use crate::workload::Workload;
use clap::ValueEnum;
use std::io;
use std::process::{Command, Stdio};

/// Holds the options of `nodes`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Measures servers with the broker at this address, such as redis://127.0.0.1:6379. Its engine runs
    /// already, on any core. May be given several times.
    #[arg(long = "broker", required = true)]
    brokers: Vec<String>,
    /// Measures these too, over the same Redis.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<Peer>,
    /// Runs everything this many times, in turns.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Stops publishing in a run after this many seconds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

/// Lists the workloads: how late a message is heard, and how many messages a second go through.
const WORKLOADS: [Workload; 2] = [Workload::Quiet, Workload::W2];

/// Names another server that can be one of several nodes over Redis.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Peer {
    /// The rooms of socketioxide, with its Redis adapter.
    Socketioxide,
    /// npm's socket.io, with its Redis adapter: `npm ci` in chat-bench/peers.
    SocketIo,
}

/// Names what is measured.
struct Setting {
    /// Names the server; none for chat-server.
    peer: Option<Peer>,
    /// Holds the address of the broker; none if there is none.
    broker: Option<String>,
    nodes: usize,
}

impl Setting {
    fn name(&self) -> String {
        let engine = self.broker.as_deref().and_then(|broker| broker.split(':').next());
        let server = match self.peer {
            None => "chat-server",
            Some(Peer::Socketioxide) => "socketioxide",
            Some(Peer::SocketIo) => "npm socket.io",
        };
        match (engine, self.nodes) {
            (None, _) => format!("{server}, without a broker"),
            (Some(engine), 1) => format!("{server}, {engine}, one node"),
            (Some(engine), nodes) => format!("{server}, {engine}, {nodes} nodes"),
        }
    }

    /// Lists all that the options ask for.
    fn all(options: &Options) -> Vec<Self> {
        let alone = |peer| Self { peer, broker: None, nodes: 1 };
        let over =
            |peer, broker: &String| [1, 2].map(|nodes| Self { peer, broker: Some(broker.clone()), nodes });
        let mut all = vec![alone(None)];
        all.extend(options.brokers.iter().flat_map(|broker| over(None, broker)));
        let redis = options.brokers.iter().find(|broker| broker.starts_with("redis:"));
        for (peer, redis) in options.peers.iter().flat_map(|peer| redis.map(|redis| (Some(*peer), redis))) {
            all.push(alone(peer));
            all.extend(over(peer, redis));
        }
        all
    }

    /// Returns the command that serves at this port of the loopback.
    fn command(&self, programs: &Programs, port: u16) -> Command {
        let (listen, broker) = (format!("127.0.0.1:{port}"), self.broker.as_deref());
        let mut command = match self.peer {
            None => Command::new(programs.chat_server()),
            Some(Peer::Socketioxide) => Command::new(programs.own()),
            Some(Peer::SocketIo) => Command::new("node"),
        };
        match self.peer {
            None => {
                command.args(["--listen", &listen, "--workers", "1", "--request-rate", "0"]);
                command.args(broker.map_or(["--store", "none"], |broker| ["--broker", broker]));
            }
            Some(Peer::Socketioxide) => {
                command.args(["serve", "socketioxide", "--listen", &listen]);
                command.args(broker.into_iter().flat_map(|redis| ["--redis", redis]));
            }
            Some(Peer::SocketIo) => {
                command.arg(root().join("chat-bench/peers/socketio.mjs"));
                command.arg(port.to_string()).args(broker);
            }
        }
        command
    }

    /// Returns the target for the load.
    fn target(&self, ports: &[u16]) -> String {
        let hosts: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let hosts = hosts.join(",");
        match self.peer {
            None => format!("ws://{hosts}/ws"),
            Some(_) => format!("sio://{hosts}/socket.io/?EIO=4&transport=websocket"),
        }
    }
}

/// Measures everything in turns, and prints the medians.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let programs = Programs::find()?;
    let settings = Setting::all(options);
    println!(
        "| | heard after, median | 99 of 100 | publications a second | CPU s of the first node per million |"
    );
    println!("|---|---|---|---|---|");
    let mut reports: Vec<_> = settings.iter().map(|_| [const { Vec::new() }; 2]).collect();
    for _ in 0..options.rounds {
        for (setting, reports) in settings.iter().zip(&mut reports) {
            for (workload, reports) in WORKLOADS.into_iter().zip(reports) {
                reports.push(measure(options, &programs, setting, workload)?);
            }
        }
    }
    for (setting, [late, many]) in settings.iter().zip(reports) {
        let cells = [
            format!("{} ms", figure(median(&late, |report| report.p50_ms))),
            format!("{} ms", figure(median(&late, |report| report.p99_ms))),
            figure(median(&many, |report| report.deliveries_per_s / 10.0).round()),
            figure(median(&many, |report| report.cpu_s_per_million)),
        ];
        println!("| {} | {} |", setting.name(), cells.join(" | "));
    }
    Ok(())
}

fn measure(
    options: &Options,
    programs: &Programs,
    setting: &Setting,
    workload: Workload,
) -> io::Result<Report> {
    let ports = (0..setting.nodes).map(|_| free_port()).collect::<io::Result<Vec<_>>>()?;
    let started = ports.iter().map(|port| start(programs, setting, *port)).collect::<io::Result<Vec<_>>>()?;
    let mut load = Command::new(programs.own());
    load.args(["load", "--json", "--target", &setting.target(&ports)]);
    load.args(["--workload", &workload.name(), "--pid", &started[0].0.id().to_string()]);
    load.args(["--seconds", &options.seconds.to_string()]);
    let report = reported(held_to(LOAD_CORE, &load))?;
    let wrong = report.lost + report.doubled + report.out_of_order + report.strays + report.closed;
    match wrong {
        0 => Ok(report),
        _ => Err(io::Error::other(format!("{}, {}: {}", setting.name(), workload.name(), report.json()))),
    }
}

fn start(programs: &Programs, setting: &Setting, port: u16) -> io::Result<Owned> {
    let mut server = held_to("0", &setting.command(programs, port));
    let mut owned = Owned(server.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    listening(port, &mut owned)?;
    Ok(owned)
}

fn median(reports: &[Report], of: impl Fn(&Report) -> f64) -> f64 {
    let mut all: Vec<_> = reports.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}
