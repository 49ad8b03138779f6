//! Writes one workload's results as a table.

use crate::report::{Report, figure};
use crate::results::Results;
use crate::servers::Server;
use crate::workload::Workload;

/// Names a figure of a report.
pub(crate) type Column = (&'static str, fn(&Report) -> f64);

/// Holds the 99th percentile of the latency.
pub(crate) const P99: Column = ("p99 ms", |report| report.p99_ms);
/// Names a count of a report.
type Count = (&'static str, fn(&Report) -> u64);
const CPU: Column = ("CPU-s per million", |report| report.cpu_s_per_million);
const RATE: Column = ("per s", |report| report.deliveries_per_s);
const P50: Column = ("p50 ms", |report| report.p50_ms);
const SET_UP: Column = ("set-up s", |report| report.setup_s);

/// Returns the main figure of a workload.
pub(crate) fn main_column(workload: Workload) -> Column {
    match workload {
        Workload::Idle | Workload::IdleFew => ("KiB per connection", |report| report.kib_per_connection),
        Workload::Open | Workload::Quiet | Workload::QuietBesideHot => P99,
        Workload::Slow => ("MiB grown", |report| report.grown_mib),
        Workload::Storm => ("s until all are back", |report| report.seconds),
        Workload::Process1 | Workload::Process16 => {
            ("ns per delivery", |report| report.cpu_s_per_million * 1e3)
        }
        _ => CPU,
    }
}

/// Returns the other figures of a workload.
pub(crate) fn other_columns(workload: Workload) -> &'static [Column] {
    match workload {
        Workload::Idle | Workload::IdleFew => &[SET_UP],
        Workload::Quiet | Workload::QuietBesideHot => &[P50],
        Workload::Storm => &[CPU, RATE],
        Workload::Process1 | Workload::Process16 => &[RATE],
        Workload::Open | Workload::Slow => &[CPU, RATE],
        _ => &[RATE, P50, P99],
    }
}

/// Writes the medians of all servers that ran a workload, for a terminal.
pub(crate) fn text(results: &Results, workload: Workload) -> String {
    let (main, others) = (main_column(workload), other_columns(workload));
    let mut lines =
        vec![line(&workload.name(), [main.0, "ratio"].into_iter().chain(others.iter().map(|it| it.0)))];
    for server in results.servers(workload) {
        let ratio = results.ratio(workload, server, Server::Floor, main.1);
        let mut cells = vec![cell(results.median(workload, server, main.1)), cell(ratio)];
        cells.extend(others.iter().map(|column| cell(results.median(workload, server, column.1))));
        let faults = faults(results, workload, server);
        lines.push(format!("{}{faults}", line(server.title(), cells.iter().map(String::as_str))));
    }
    lines.join("\n") + "\n"
}

fn line<'a>(name: &str, cells: impl Iterator<Item = &'a str>) -> String {
    cells.fold(format!("{name:<28}"), |line, cell| format!("{line}{cell:>21}"))
}

/// Writes a figure that may be missing.
pub(crate) fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), figure)
}

/// Tells which of a server's messages did not come as they should, over all rounds; nothing if all did.
pub(crate) fn faults(results: &Results, workload: Workload, server: Server) -> String {
    let counts: [Count; 5] = [
        ("lost", |report| report.lost),
        ("doubled", |report| report.doubled),
        ("out of order", |report| report.out_of_order),
        ("stray", |report| report.strays),
        ("closed", |report| report.closed),
    ];
    let sums = counts.map(|(name, count)| (name, results.sum(workload, server, count)));
    let some = sums.iter().filter(|(_, sum)| *sum > 0).map(|(name, sum)| format!("  {sum} {name}"));
    some.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_for_each_server_that_ran_and_says_what_went_wrong() {
        let mut results = Results::default();
        let report = |cpu, lost| Report { cpu_s_per_million: cpu, lost, ..Report::default() };
        results.add(Workload::W1x1, Server::Floor, 1, report(4.0, 0));
        results.add(Workload::W1x1, Server::Axum, 1, report(6.0, 3));
        let text = text(&results, Workload::W1x1);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with("the floor") && !lines[1].contains("lost"));
        assert!(lines[2].contains("1.50") && lines[2].ends_with("3 lost"));
    }
}
