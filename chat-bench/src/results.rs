//! Keeps the results of all runs, a line of JSON each, in a file from which a comparison can continue.

use crate::report::Report;
use crate::servers::Server;
use crate::workload::Workload;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Holds the result of one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    workload: String,
    server: String,
    round: u32,
    #[serde(flatten)]
    report: Report,
}

/// Holds the results of all runs.
#[derive(Default)]
pub(crate) struct Results(Vec<Line>);

impl Results {
    /// Reads a file; a missing file has no runs.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        text.lines()
            .map(|line| serde_json::from_str(line).map_err(io::Error::other))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Adds a run, and returns its line.
    pub(crate) fn add(&mut self, workload: Workload, server: Server, round: u32, report: Report) -> String {
        let line = Line { workload: workload.name(), server: server.name(), round, report };
        let json = serde_json::to_string(&line).unwrap_or_default();
        self.0.push(line);
        json
    }

    /// Tells whether the results have this run.
    pub(crate) fn has(&self, workload: Workload, server: Server, round: u32) -> bool {
        self.of(workload, server).any(|line| line.round == round)
    }

    /// Returns how many rounds of a workload a server ran.
    pub(crate) fn rounds(&self, workload: Workload, server: Server) -> usize {
        self.of(workload, server).count()
    }

    /// Returns the median of a figure; none without a run.
    pub(crate) fn median(
        &self,
        workload: Workload,
        server: Server,
        figure: fn(&Report) -> f64,
    ) -> Option<f64> {
        median(self.of(workload, server).map(|line| figure(&line.report)).collect())
    }

    /// Returns the median of a figure's ratios to another server, over the rounds that both have.
    pub(crate) fn ratio(
        &self,
        workload: Workload,
        server: Server,
        to: Server,
        figure: fn(&Report) -> f64,
    ) -> Option<f64> {
        let ratios = self.of(workload, server).filter_map(|line| {
            let other = self.of(workload, to).find(|other| other.round == line.round)?;
            Some(figure(&line.report) / figure(&other.report))
        });
        // A figure of zero means that the run was too short for it.
        median(ratios.filter(|ratio| ratio.is_finite() && *ratio > 0.0).collect())
    }

    /// Returns the sum of a count over all rounds.
    pub(crate) fn sum(&self, workload: Workload, server: Server, count: fn(&Report) -> u64) -> u64 {
        self.of(workload, server).map(|line| count(&line.report)).sum()
    }

    /// Returns the servers that ran a workload, in their order.
    pub(crate) fn servers(&self, workload: Workload) -> Vec<Server> {
        let all = Server::value_variants().iter().copied();
        all.filter(|server| self.rounds(workload, *server) > 0).collect()
    }

    fn of(&self, workload: Workload, server: Server) -> impl Iterator<Item = &Line> {
        let (workload, server) = (workload.name(), server.name());
        self.0.iter().filter(move |line| line.workload == workload && line.server == server)
    }
}

/// Opens the file for appending; truncates it unless its lines are kept.
pub(crate) fn open(path: &Path, keep: bool) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(keep).write(true).truncate(!keep).open(path)
}

/// Appends a line, and flushes it.
pub(crate) fn append(file: &mut File, line: &str) -> io::Result<()> {
    file.write_all(format!("{line}\n").as_bytes())?;
    file.flush()
}

/// Returns the middle value, or the mean of the two middle ones.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        even if even % 2 == 0 => Some(f64::midpoint(values[middle - 1], values[middle])),
        _ => Some(values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(server: Server, figures: &[f64], into: &mut Results) {
        for (round, figure) in (1..).zip(figures) {
            let report = Report { cpu_s_per_million: *figure, ..Report::default() };
            into.add(Workload::W2, server, round, report);
        }
    }

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn ratios_are_taken_round_by_round_of_rounds_that_both_have() {
        let mut all = Results::default();
        results(Server::Floor, &[1.0, 2.0, 4.0], &mut all);
        results(Server::Tokio, &[2.0, 3.0, 8.0], &mut all);
        results(Server::Smol, &[3.0], &mut all);
        let ratio =
            |server| all.ratio(Workload::W2, server, Server::Floor, |report| report.cpu_s_per_million);
        assert_eq!(
            (ratio(Server::Tokio), ratio(Server::Smol), ratio(Server::Ws)),
            (Some(2.0), Some(3.0), None)
        );
    }

    #[test]
    fn what_was_added_is_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, mut all) = (folder.path().join("deep/runs.jsonl"), Results::default());
        let line = all.add(Workload::Idle, Server::Nats, 2, Report { lost: 7, ..Report::default() });
        append(&mut open(&path, false).expect("a file"), &line).expect("room");
        append(&mut open(&path, true).expect("a file"), &line).expect("room");
        let back = Results::read(&path).expect("lines");
        assert!(back.has(Workload::Idle, Server::Nats, 2) && !back.has(Workload::Idle, Server::Nats, 1));
        assert_eq!(back.sum(Workload::Idle, Server::Nats, |report| report.lost), 14);
    }
}
