//! Compares servers with the floor, in turns, so that drift of the machine affects all of them alike.

use crate::page;
use crate::report::Report;
use crate::results::{self, Results};
use crate::servers::{Programs, Server, root};
use crate::started::{LOAD_CORE, Owned, free_port, held_to, listening, reported};
use crate::table;
use crate::workload::Workload;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Holds the options of `compare`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Compares these servers; all by default.
    #[arg(long, value_delimiter = ',')]
    servers: Vec<Server>,
    /// Runs these workloads; all by default.
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<Workload>,
    /// Runs each workload this many times on each server.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Stops publishing in a run after this many seconds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Begins no further run after this many minutes; `--keep` continues from there.
    #[arg(long, default_value_t = 40)]
    minutes: u64,
    /// Keeps existing results, and adds the runs that are missing.
    #[arg(long)]
    keep: bool,
    /// Also prints each run as a line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: Kept,
}

/// Holds the option that names the file of results.
#[derive(clap::Args)]
pub(crate) struct Kept {
    /// Keeps results in this file, a line of JSON for each run; target/chat-bench.jsonl by default.
    #[arg(long)]
    results: Option<PathBuf>,
}

impl Kept {
    fn path(&self) -> PathBuf {
        self.results.clone().unwrap_or_else(|| root().join("target/chat-bench.jsonl"))
    }
}

/// Plans one run.
#[derive(Clone, Copy)]
struct Plan {
    workload: Workload,
    round: u32,
    server: Server,
}

/// Writes docs/performance.md from existing results.
pub(crate) fn report(file: &Kept) -> io::Result<()> {
    page::write(&Results::read(&file.path())?)
}

/// Does all planned runs, and prints a table for each workload. Writes docs/performance.md if the servers and
/// workloads were not narrowed.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let (programs, path) = (Programs::find()?, options.file.path());
    let mut results = if options.keep { Results::read(&path)? } else { Results::default() };
    let mut file = results::open(&path, options.keep)?;
    let plans = plan(options, &programs, &results);
    let complete = measure_all(options, &programs, &plans, &mut results, &mut file)?;
    let workloads = chosen(&options.workloads);
    workloads.iter().for_each(|&workload| println!("{}", table::text(&results, workload)));
    let narrowed = !options.servers.is_empty() || !options.workloads.is_empty();
    if !complete {
        println!("The time is over; `compare --keep` goes on from here.");
    } else if narrowed {
        println!("`report` writes docs/performance.md from what is in {}.", path.display());
    } else {
        page::write(&results)?;
    }
    Ok(())
}

/// Plans all runs that have no result yet, in turns: each round of a workload runs on every server.
fn plan(options: &Options, programs: &Programs, results: &Results) -> Vec<Plan> {
    let servers = chosen(&options.servers).into_iter().filter(|server| match server.is_missing(programs) {
        Some(why) => {
            println!("{}: left out, {why}", server.title());
            false
        }
        None => true,
    });
    let servers: Vec<_> = servers.collect();
    let mut plans = Vec::new();
    for workload in chosen(&options.workloads) {
        for round in 1..=options.rounds {
            let asked = servers.iter().filter(|server| server.runs(workload));
            plans.extend(asked.map(|&server| Plan { workload, round, server }));
        }
    }
    plans.retain(|plan| !results.has(plan.workload, plan.server, plan.round));
    plans
}

fn chosen<T: ValueEnum>(wanted: &[T]) -> Vec<T> {
    if wanted.is_empty() { T::value_variants().to_vec() } else { wanted.to_vec() }
}

/// Does the runs; returns false if the time was over before the last.
fn measure_all(
    options: &Options,
    programs: &Programs,
    plans: &[Plan],
    results: &mut Results,
    file: &mut File,
) -> io::Result<bool> {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len}  {elapsed} of about {duration}  {msg}");
    let bar = ProgressBar::new(plans.len() as u64).with_style(style.map_err(io::Error::other)?);
    let end = Instant::now() + Duration::from_secs(options.minutes * 60);
    for plan in plans {
        if Instant::now() > end {
            bar.abandon();
            return Ok(false);
        }
        bar.set_message(format!("{} {}, round {}", plan.workload.name(), plan.server.title(), plan.round));
        match measure(options, programs, *plan) {
            Ok(report) => {
                let line = results.add(plan.workload, plan.server, plan.round, report);
                results::append(file, &line)?;
                if options.json {
                    bar.suspend(|| println!("{line}"));
                }
            }
            Err(error) => bar.suspend(|| {
                println!("{}, {}: {error}", plan.workload.name(), plan.server.title());
            }),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(true)
}

/// Starts a server, loads it, and stops it.
fn measure(options: &Options, programs: &Programs, plan: Plan) -> io::Result<Report> {
    if plan.workload.is_in_process() {
        let mut command = Command::new(programs.own());
        command.args(["in-process", "--json", "--workload", &plan.workload.name()]);
        return reported(held_to("0", &command));
    }
    let port = free_port()?;
    let mut server = held_to(plan.server.cores(), &plan.server.command(programs, plan.workload, port)?);
    let mut owned = Owned(server.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    listening(port, &mut owned)?;
    let mut load = Command::new(programs.own());
    load.args(["load", "--json", "--target", &plan.server.target(port)]);
    load.args(["--workload", &plan.workload.name(), "--pid", &owned.0.id().to_string()]);
    load.args(["--seconds", &options.seconds.to_string()]);
    let mut load = held_to(LOAD_CORE, &load);
    if plan.workload.shares_a_shard() {
        load = ahead_of_all(load);
    }
    reported(load)
}

/// Runs a command ahead of everything else on its core, kernel threads included, so that their time does not
/// count as the server's delay. Returns the command as it is if that is not permitted.
fn ahead_of_all(command: Command) -> Command {
    let allowed = Command::new("chrt").args(["--fifo", "1", "true"]).stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        return command;
    }
    let mut ahead = Command::new("chrt");
    ahead.args(["--fifo", "1"]).arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    ahead
}
