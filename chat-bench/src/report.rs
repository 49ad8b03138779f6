//! What a run came to.

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
}

/// The measured figures, and the account of all messages.
pub(crate) struct Report {
    /// The measured part.
    pub(crate) run: Run,
    /// The median delay in milliseconds.
    pub(crate) p50: f64,
    /// The delay in milliseconds that 99 of 100 stay below.
    pub(crate) p99: f64,
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
    fn fields(&self) -> [(&'static str, f64); 10] {
        let run = &self.run;
        let per = |sum: f64, count: f64| if count > 0.0 { sum / count } else { 0.0 };
        let deliveries = run.deliveries as f64;
        [
            ("cpu_s_per_million", per(run.cpu_nanos as f64 / 1e3, deliveries)),
            ("deliveries_per_s", per(deliveries, run.seconds).round()),
            ("p50_ms", self.p50),
            ("p99_ms", self.p99),
            ("kib_per_connection", run.kib_per_connection),
            ("lost", self.lost as f64),
            ("doubled", self.doubled as f64),
            ("out_of_order", self.out_of_order as f64),
            ("strays", self.strays as f64),
            ("closed", self.closed as f64),
        ]
    }

    /// Writes the report for people.
    pub(crate) fn text(&self) -> String {
        let lines = self.fields().map(|(name, value)| format!("{name:<20}{:>14}", figure(value)));
        lines.join("\n")
    }

    /// Writes the report as one line of JSON.
    pub(crate) fn json(&self) -> String {
        let fields = self.fields().map(|(name, value)| format!("\"{name}\":{value:.4}"));
        format!("{{{}}}", fields.join(","))
    }
}

/// Finds a number in the JSON of a report.
pub(crate) fn field(json: &str, name: &str) -> Option<f64> {
    let (_, rest) = json.split_once(&format!("\"{name}\":"))?;
    rest.split([',', '}']).next()?.parse().ok()
}

/// Writes a number with as many places as help.
pub(crate) fn figure(value: f64) -> String {
    if value == value.round() { format!("{value:.0}") } else { format!("{value:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_can_be_read_back() {
        let run = Run { cpu_nanos: 4_000_000, deliveries: 1_000, seconds: 0.5, kib_per_connection: 0.0 };
        let account = (3, 2, 1);
        let report = Report {
            run,
            p50: 1.25,
            p99: 2.5,
            lost: account.0,
            doubled: account.1,
            out_of_order: account.2,
            strays: 0,
            closed: 0,
        };
        let json = report.json();
        assert_eq!(field(&json, "cpu_s_per_million"), Some(4.0));
        assert_eq!(field(&json, "deliveries_per_s"), Some(2_000.0));
        assert_eq!((field(&json, "p50_ms"), field(&json, "lost")), (Some(1.25), Some(3.0)));
        assert_eq!((field(&json, "closed"), field(&json, "nothing")), (Some(0.0), None));
        assert!(report.text().contains("4\n"));
    }
}
