//! Measures a chat server from outside: CPU time per delivery, latency and memory, compared with a floor
//! without any protocol.
#![allow(clippy::print_stdout, reason = "a command-line tool")]

mod account;
mod beside;
mod board;
mod chart;
mod compare;
mod connect;
mod floor;
mod in_process;
mod load;
mod loopback;
mod measure;
mod nodes;
mod options;
mod page;
mod peers;
mod process;
mod report;
mod results;
mod servers;
mod started;
mod storm;
mod table;
mod wire;
mod workload;

use chat_tokio_adapter::Listen;
use clap::{Parser, Subcommand, error::ErrorKind};
use loopback::loopback;
use std::io;

/// Measures the load, the memory and the floor of a chat server, on loopback.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the floor: epoll and sockets without any protocol.
    Floor {
        /// Listens at this loopback address.
        #[arg(long)]
        listen: Listen,
        /// Sends at most this many messages that were read together in one send.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
        join: u16,
    },
    /// Loads one server and accounts for every message.
    Load(options::Options),
    /// Serves a peer, or this project on another runtime.
    Serve(peers::Options),
    /// Measures fan-out without a socket.
    InProcess(in_process::Options),
    /// Compares all servers with the floor, in turns, and writes docs/performance.md.
    Compare(compare::Options),
    /// Measures what a broker costs, with one node and with two.
    Nodes(nodes::Options),
    /// Writes docs/performance.md from the results of past runs.
    Report(compare::Kept),
}

fn main() {
    if let Err(error) = run(Cli::parse().command) {
        clap::Error::raw(ErrorKind::Io, format!("{error}\n")).exit();
    }
}

fn run(command: Command) -> io::Result<()> {
    process::allow_descriptors()?;
    match command {
        Command::Floor { listen, join } => floor::serve(loopback(&listen)?, usize::from(join)),
        Command::Load(options) => {
            show(&measure::run(&options)?, options.json);
            Ok(())
        }
        Command::Serve(options) => peers::serve(loopback(&options.listen)?, &options),
        Command::InProcess(options) => {
            show(&in_process::run(&options), options.json);
            Ok(())
        }
        Command::Compare(options) => compare::run(&options),
        Command::Nodes(options) => nodes::run(&options),
        Command::Report(kept) => compare::report(&kept),
    }
}

fn show(report: &report::Report, json: bool) {
    println!("{}", if json { report.json() } else { report.text() });
}
