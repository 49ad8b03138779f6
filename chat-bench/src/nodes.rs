//! Measures what a broker costs: one server without it, one with it, and two servers that are one chat.

use crate::report::{Report, figure};
use crate::servers::Programs;
use crate::started::{LOAD_CORE, Owned, free_port, held_to, listening, reported};
use crate::workload::Workload;
use std::io;
use std::process::{Command, Stdio};

/// Holds the options of `nodes`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Measures servers with the broker at this address, such as redis://127.0.0.1:6379. Its engine runs
    /// already, on any core. May be given several times.
    #[arg(long = "broker", required = true)]
    brokers: Vec<String>,
    /// Runs everything this many times, in turns.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Stops publishing in a run after this many seconds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

/// Lists the workloads: how late a message is heard, and how many messages a second go through.
const WORKLOADS: [Workload; 2] = [Workload::Quiet, Workload::W2];

/// Names what is measured.
struct Setting {
    /// Holds the address of the broker; none if there is none.
    broker: Option<String>,
    nodes: usize,
}

impl Setting {
    fn name(&self) -> String {
        let engine = self.broker.as_deref().and_then(|broker| broker.split(':').next());
        match (engine, self.nodes) {
            (None, _) => "without a broker".into(),
            (Some(engine), 1) => format!("{engine}, one node"),
            (Some(engine), nodes) => format!("{engine}, {nodes} nodes"),
        }
    }
}

/// Measures everything in turns, and prints the medians.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let programs = Programs::find()?;
    let mut settings = vec![Setting { broker: None, nodes: 1 }];
    for broker in &options.brokers {
        settings.extend([1, 2].map(|nodes| Setting { broker: Some(broker.clone()), nodes }));
    }
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
    let addresses: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let mut load = Command::new(programs.own());
    load.args(["load", "--json", "--target", &format!("ws://{}/ws", addresses.join(","))]);
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
    let mut command = Command::new(programs.chat_server());
    command.args(["--listen", &format!("127.0.0.1:{port}"), "--workers", "1", "--request-rate", "0"]);
    match &setting.broker {
        Some(broker) => command.args(["--broker", broker]),
        None => command.args(["--store", "none"]),
    };
    let mut server = held_to("0", &command);
    let mut owned = Owned(server.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    listening(port, &mut owned)?;
    Ok(owned)
}

fn median(reports: &[Report], of: impl Fn(&Report) -> f64) -> f64 {
    let mut all: Vec<_> = reports.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}
