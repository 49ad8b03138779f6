//! Reports the figures of a run.

use serde::{Deserialize, Serialize};

/// Holds the figures of the measured part of a run.
#[derive(Default)]
pub(crate) struct Run {
    /// Holds the server's processor time.
    pub(crate) cpu_nanos: u64,
    /// Counts the messages that subscribers received.
    pub(crate) deliveries: u64,
    /// Holds the duration of the measured part.
    pub(crate) seconds: f64,
    /// Holds the server's memory for one idle connection.
    pub(crate) kib_per_connection: f64,
    /// Holds the time until all subscriptions were answered.
    pub(crate) setup_seconds: f64,
    /// Holds the growth of the server's memory while messages were published.
    pub(crate) grown_kib: f64,
}

/// Holds the measured figures, and the account of all messages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Report {
    /// Holds the processor seconds for a million deliveries.
    pub(crate) cpu_s_per_million: f64,
    /// Holds the deliveries in a second.
    pub(crate) deliveries_per_s: f64,
    /// Holds the median latency in milliseconds.
    pub(crate) p50_ms: f64,
    /// Holds the 99th percentile of the latency in milliseconds.
    pub(crate) p99_ms: f64,
    /// Holds the duration of the measured part.
    pub(crate) seconds: f64,
    /// Holds the server's memory for one idle connection.
    pub(crate) kib_per_connection: f64,
    /// Holds the time until all subscriptions were answered.
    pub(crate) setup_s: f64,
    /// Holds the growth of the server's memory while messages were published.
    pub(crate) grown_mib: f64,
    /// Counts messages that never came, over all subscribers.
    pub(crate) lost: u64,
    /// Counts further copies of messages.
    pub(crate) doubled: u64,
    /// Counts messages that came after a later one.
    pub(crate) out_of_order: u64,
    /// Counts errors, and messages that nobody published.
    pub(crate) strays: u64,
    /// Counts connections that the server closed.
    pub(crate) closed: u64,
}

impl Report {
    /// Returns a report of a run's figures, with an empty account.
    pub(crate) fn of(run: &Run) -> Self {
        let per = |sum: f64, count: f64| if count > 0.0 { sum / count } else { 0.0 };
        let deliveries = run.deliveries as f64;
        Self {
            cpu_s_per_million: per(run.cpu_nanos as f64 / 1e3, deliveries),
            deliveries_per_s: per(deliveries, run.seconds).round(),
            seconds: run.seconds,
            kib_per_connection: run.kib_per_connection,
            setup_s: run.setup_seconds,
            grown_mib: run.grown_kib / 1024.0,
            ..Self::default()
        }
    }

    /// Writes the report for people.
    pub(crate) fn text(&self) -> String {
        let json = self.json();
        let fields = json.trim_matches(['{', '}']).split(',').filter_map(|field| field.split_once(':'));
        let lines = fields.map(|(name, value)| {
            format!(
                "{:<20}{:>14}",
                name.trim_matches('"'),
                value.parse().map_or_else(|_| value.into(), figure)
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Writes the report as one line of JSON.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Writes a number with as many decimals as are useful.
pub(crate) fn figure(value: f64) -> String {
    match value {
        whole if whole == whole.round() => format!("{whole:.0}"),
        large if large >= 100.0 => format!("{large:.0}"),
        small if small < 1.0 => format!("{small:.3}"),
        other => format!("{other:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_can_be_read_back() {
        let run = Run { cpu_nanos: 4_000_000, deliveries: 1_000, seconds: 0.5, ..Run::default() };
        let report = Report { p50_ms: 1.25, lost: 3, ..Report::of(&run) };
        assert_eq!((report.cpu_s_per_million, report.deliveries_per_s), (4.0, 2_000.0));
        let back: Report = serde_json::from_str(&report.json()).expect("a report");
        assert_eq!(back, report);
        assert!(report.text().lines().any(|line| line.starts_with("p50_ms") && line.ends_with("1.25")));
    }

    #[test]
    fn figures_have_the_places_that_help() {
        assert_eq!([2.0, 0.0834, 1.017, 134.2].map(figure), ["2", "0.083", "1.02", "134"]);
    }
}
