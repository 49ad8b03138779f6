//! Writes docs/performance.md: the results, the machine, and how to measure again.

use crate::chart;
use crate::report::{Report, figure};
use crate::results::Results;
use crate::servers::{Server, root};
use crate::table::{self, P99, cell, main_column};
use crate::workload::Workload;
use clap::ValueEnum;
use std::fs;
use std::io;
use std::process::Command;

/// Lists the workloads of the first table, and their names in it.
const FIRST: [(Workload, &str); 4] =
    [(Workload::W1x1, "W1-1"), (Workload::W1x16, "W1-16"), (Workload::W1x64, "W1-64"), (Workload::W2, "W2")];

const BEGINNING: &str = "# Performance

How much more this project takes than the least there can be, and how others do. Written by the bench; nothing here is typed by hand.

![Processor time per delivered message, as a multiple of the floor's](performance.svg)

";

const WORKLOADS: &str = "
W1-N: one channel, 1,000 subscribers, one publisher with N messages of 128 bytes in flight. W2: 1,000 channels of 10 subscribers, 64 publishers with one
message in flight each. The main figure is the server's processor time (user and system) per delivered message, read from the kernel's own account: it does not depend
on how fast the load is, and on loopback it holds the receiver's half of TCP. The floor is raw epoll without any protocol: it sends each message to
each socket (W1-1, W2), or joins up to 64 that came together (W1-16, W1-64). Servers are held to one core, the load to another, and all servers of a
workload take turns in each round. A machine drifts by more than the servers differ, so **only the ratios count**: each is to the floor of the same round, and
the median of the rounds is told. History (100), presence and all default bounds are on but the bound on the publishers' requests.

";

const TEN_THOUSAND: &str = "
## Ten thousand

Set-up is from the first connect until all subscriptions are answered, with one load on one core. The floor has no handshake.
";

const BESIDE: &str = "
## A quiet channel beside a hot one

A channel of ten hears 100 messages a second: alone, and while a channel of 10,000 in the same shard, on the same core, has 16 messages in flight. The load that
measures goes before all else on its core, the hot one's load behind all else: else the wait for that core, and not for the server, would be most of the p99.
";

const CLIENTS: &str = "
## The clients of others

W1-16 again, with 1,000 subscribers that are clients of Centrifuge (JSON) or of Phoenix (text), beside those of the plain protocol.

| subscribers | times the floor | times the plain protocol |
|---|---|---|
";

const STEADY: &str = "
## 500 messages a second, and readers that do not read

500 messages a second to 1,000 subscribers, whatever comes back; and 100 subscribers, ten of which never read, with 64 messages in flight.
";

const STORM: &str = "
## A storm of resumes

10,000 subscribers of one channel go, miss 100 messages, and connect again at once to get them: a million deliveries, each once and in order.
";

/// Writes the page, and the plot beside it.
pub(crate) fn write(results: &Results) -> io::Result<()> {
    let docs = root().join("docs");
    fs::write(docs.join("performance.md"), page(results))?;
    chart::draw(results, &docs.join("performance.svg"))
        .map_err(|error| io::Error::other(error.to_string()))?;
    println!("written: docs/performance.md, docs/performance.svg");
    Ok(())
}

fn page(results: &Results) -> String {
    let mut page = BEGINNING.to_owned();
    page += &where_and_how(results);
    page += WORKLOADS;
    page += &first_table(results);
    page += &large(results);
    page += &clients(results);
    page += &beside(results);
    page += &slow_and_open(results);
    page += &storm(results);
    page += &in_process(results);
    page += &faults(results);
    page
}

fn where_and_how(results: &Results) -> String {
    let date = chrono::Utc::now().format("%Y-%m-%d");
    let rounds = rounds(results);
    format!(
        "Measured on {date}, {rounds}, with `cargo run --release -p chat-bench -- compare`, on {}.\n",
        machine()
    )
}

/// Writes how many rounds there were; from the fewest to the most, if some workloads had more.
fn rounds(results: &Results) -> String {
    let counts = Workload::value_variants().iter().map(|workload| results.rounds(*workload, Server::Floor));
    let counts: Vec<_> = counts.filter(|count| *count > 0).collect();
    match (counts.iter().min(), counts.iter().max()) {
        (Some(least), Some(most)) if least < most => format!("{least} to {most} rounds"),
        (least, _) => format!("{} rounds", least.copied().unwrap_or_default()),
    }
}

/// Describes the processor, its cores, the memory, the kernel and the compiler.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let (processor, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let model = value(&processor, "model name").unwrap_or_else(|| "a processor without a name".into());
    let cores = processor.lines().filter(|line| line.starts_with("processor")).count();
    let kib: f64 =
        value(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or(0.0);
    let kernel = read("/proc/sys/kernel/osrelease");
    let version = Command::new("rustc").arg("--version").output();
    let compiler =
        version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let compiler = compiler.split(" (").next().unwrap_or_default().trim();
    format!("{cores} cores of {model}, {:.0} GiB, Linux {}, {compiler}", kib / 1_048_576.0, kernel.trim())
}

fn first_table(results: &Results) -> String {
    let mut text = "| times the floor | W1-1 | W1-16 | W1-64 | W2 | W2, p99 | KiB per idle connection, of 10,000 | of 1,000 |\n\
        |---|---|---|---|---|---|---|---|\n"
        .to_owned();
    text += "| *to reach on Tokio* | *1.12* | *1.20* | *1.6* | *1.15* | *1.5* | *4* | |\n";
    text += "| *to reach on smol* | *1.3* | *1.4* | *2* | *1.4* | *3* | *5* | |\n";
    for &server in Server::value_variants() {
        if results.rounds(Workload::W1x1, server) > 0 {
            text += &row(bold(server), first_cells(results, server));
        }
    }
    text += "\nThe floor itself: ";
    let own = FIRST.map(|(workload, name)| {
        let cpu = results.median(workload, Server::Floor, main_column(workload).1);
        format!("{name} {}", cell(cpu))
    });
    text += &format!("{} CPU seconds per million deliveries; ", own.join(", "));
    text += &format!("W2's p99 {} ms.\n", cell(results.median(Workload::W2, Server::Floor, P99.1)));
    text
}

fn first_cells(results: &Results, server: Server) -> Vec<Option<f64>> {
    let ratio = |workload, figure| results.ratio(workload, server, Server::Floor, figure);
    let mut cells: Vec<_> = FIRST.iter().map(|(it, _)| ratio(*it, main_column(*it).1)).collect();
    cells.push(ratio(Workload::W2, P99.1));
    for idle in [Workload::Idle, Workload::IdleFew] {
        cells.push(results.median(idle, server, main_column(idle).1));
    }
    cells
}

fn bold(server: Server) -> String {
    if server.is_own() { format!("**{}**", server.title()) } else { server.title().to_owned() }
}

fn row(name: String, cells: Vec<Option<f64>>) -> String {
    cells.into_iter().fold(format!("| {name} |"), |row, value| format!("{row} {} |", cell(value))) + "\n"
}

/// Writes a table of some figures of each server that ran a workload.
fn figures(
    results: &Results,
    workload: Workload,
    head: &str,
    cells: impl Fn(Server) -> Vec<Option<f64>>,
) -> String {
    let dashes = "|---".repeat(head.matches('|').count() - 1);
    let rows = results.servers(workload).into_iter().map(|server| row(bold(server), cells(server)));
    format!("\n{head}\n{dashes}|\n{}", rows.collect::<String>())
}

fn large(results: &Results) -> String {
    let set_up: fn(&Report) -> f64 = |report| report.setup_s;
    let (large, idle) = (Workload::Large, Workload::Idle);
    TEN_THOUSAND.to_owned()
        + &figures(
            results,
            idle,
            "| | set-up, s | times the floor | W1-16 to 10,000, times the floor |",
            |server| {
                let ratio = results.ratio(idle, server, Server::Floor, set_up);
                let wide = results.ratio(large, server, Server::Floor, main_column(large).1);
                vec![results.median(idle, server, set_up), ratio, wide]
            },
        )
}

fn clients(results: &Results) -> String {
    let (wide, cpu) = (Workload::W1x16, main_column(Workload::W1x16).1);
    let rows = [Server::Tokio, Server::Centrifuge, Server::Phoenix].map(|server| {
        let to = |other| results.ratio(wide, server, other, cpu);
        row(bold(server), vec![to(Server::Floor), to(Server::Tokio)])
    });
    CLIENTS.to_owned() + &rows.concat()
}

fn beside(results: &Results) -> String {
    let (quiet, hot) = (Workload::Quiet, Workload::QuietBesideHot);
    BESIDE.to_owned()
        + &figures(results, hot, "| quiet channel's p99 | ms alone | ms beside | ratio |", |server| {
            let (alone, beside) = (results.median(quiet, server, P99.1), results.median(hot, server, P99.1));
            vec![alone, beside, alone.zip(beside).map(|(alone, beside)| beside / alone)]
        })
}

fn slow_and_open(results: &Results) -> String {
    let (open, slow) = (Workload::Open, Workload::Slow);
    STEADY.to_owned()
        + &figures(
            results,
            open,
            "| | p50 ms at 500 a second | p99 ms | MiB grown for ten that never read |",
            |server| {
                let p50: fn(&Report) -> f64 = |report| report.p50_ms;
                vec![
                    results.median(open, server, p50),
                    results.median(open, server, P99.1),
                    results.median(slow, server, main_column(slow).1),
                ]
            },
        )
}

fn storm(results: &Results) -> String {
    let storm = Workload::Storm;
    STORM.to_owned()
        + &figures(results, storm, "| | s until all have all | CPU-s per million |", |server| {
            let cpu: fn(&Report) -> f64 = |report| report.cpu_s_per_million;
            vec![results.median(storm, server, main_column(storm).1), results.median(storm, server, cpu)]
        })
}

fn in_process(results: &Results) -> String {
    let nanos =
        |workload| results.median(workload, Server::Core, main_column(workload).1).map_or("–".into(), figure);
    format!(
        "\n## In process\n\nWithout a socket, to 1,000 sinks that take everything, a delivery takes {} ns with 16 messages in a flush, {} ns with one: publish, flush, \
         and all that is counted and kept.\n",
        nanos(Workload::Process16),
        nanos(Workload::Process1)
    )
}

/// Writes how many messages were lost, doubled or out of order.
fn faults(results: &Results) -> String {
    let mut text = "\n## Every message is accounted for\n\nEach subscriber's messages are numbered. In all runs together:\n\n".to_owned();
    let mut clean = true;
    for &workload in Workload::value_variants() {
        for server in results.servers(workload) {
            let faults = table::faults(results, workload, server);
            if !faults.is_empty() {
                clean = false;
                text += &format!("- {}, {}:{faults}\n", workload.name(), server.title());
            }
        }
    }
    text + if clean {
        "None was lost, doubled or out of order.\n"
    } else {
        "\nNo other was lost, doubled or out of order.\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_server_that_ran_and_names_the_machine() {
        let mut results = Results::default();
        for (server, cpu) in [(Server::Floor, 2.0), (Server::Tokio, 2.2)] {
            results.add(
                Workload::W1x1,
                server,
                1,
                Report { cpu_s_per_million: cpu, lost: 3, ..Report::default() },
            );
        }
        let page = page(&results);
        assert!(page.contains("| **chat-core, Tokio** | 1.10 | – |"), "{page}");
        assert!(page.contains("w1-1, the floor: raw epoll:  3 lost"));
        assert!(page.contains("cores of") && page.contains("W1-1 2, W1-16 –"));
    }
}
