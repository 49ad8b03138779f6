//! The figures of one run.

use serde::{Deserialize, Serialize};

/// The figures of the measured part.
#[derive(Default)]
pub(crate) struct Run {
    /// The server's time on the processor.
    pub(crate) cpu_nanos: u64,
    /// How many messages subscribers got.
    pub(crate) deliveries: u64,
    /// How long that took.
    pub(crate) seconds: f64,
    /// How much memory of the server an idle connection took.
    pub(crate) kib_per_connection: f64,
    /// How long it took until all subscriptions were answered.
    pub(crate) setup_seconds: f64,
    /// How much the server's memory grew while messages went.
    pub(crate) grown_kib: f64,
}

/// The measured figures, and the account of all messages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Report {
    /// Seconds on the processor for a million deliveries.
    pub(crate) cpu_s_per_million: f64,
    /// Deliveries in a second.
    pub(crate) deliveries_per_s: f64,
    /// The time until a message has come, in milliseconds: half are below.
    pub(crate) p50_ms: f64,
    /// The milliseconds that 99 of 100 stay below.
    pub(crate) p99_ms: f64,
    /// How long the measured part took.
    pub(crate) seconds: f64,
    /// How much memory of the server an idle connection took.
    pub(crate) kib_per_connection: f64,
    /// How long it took until all subscriptions were answered.
    pub(crate) setup_s: f64,
    /// How much the server's memory grew while messages went.
    pub(crate) grown_mib: f64,
    /// Messages that never came, per subscriber.
    pub(crate) lost: u64,
    /// Messages that came again.
    pub(crate) doubled: u64,
    /// Messages that came after a follower.
    pub(crate) out_of_order: u64,
    /// Errors, and messages nobody published.
    pub(crate) strays: u64,
    /// Connections that the server closed.
    pub(crate) closed: u64,
}

impl Report {
    /// The figures of a run; the account is still to be told.
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

/// Writes a number with as many places as help.
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
