//! Writes a hub's counters in the text format of Prometheus.

use std::fmt::{Display, Write};
use std::time::Duration;

use chat_core::Stats;

/// Writes every family of counters.
pub(crate) fn text(stats: &Stats, deaf: Option<Duration>) -> String {
    let mut out = String::new();
    for (name, help, value) in gauges(stats, deaf) {
        family(&mut out, name, "gauge", help, [("", "", value)]);
    }
    for (name, help, value) in counters(stats) {
        family(&mut out, name, "counter", help, [("", "", value)]);
    }
    labelled(&mut out, stats);
    out
}

/// Holds the name, the help and the value of a family without labels.
type Single = (&'static str, &'static str, u64);

fn gauges(stats: &Stats, deaf: Option<Duration>) -> [Single; 6] {
    [
        ("chat_sessions", "Open sessions.", stats.sessions as u64),
        ("chat_channels", "Channels in memory.", stats.channels as u64),
        ("chat_subscriptions", "Open subscriptions.", stats.subscriptions),
        ("chat_outbox_bytes", "Bytes queued in all outboxes.", stats.outbox_bytes as u64),
        ("chat_history_bytes", "Bytes of all channels' histories in memory.", stats.history_bytes as u64),
        ("chat_broker_deaf_seconds", "Time without the broker.", deaf.map_or(0, |deaf| deaf.as_secs())),
    ]
}

fn counters(stats: &Stats) -> [Single; 11] {
    [
        ("chat_sessions_opened_total", "Sessions opened.", stats.opened),
        ("chat_publications_total", "Publications accepted.", stats.publications),
        ("chat_deliveries_total", "Publications queued for subscribers.", stats.deliveries),
        ("chat_bad_requests_total", "Messages that could not be read as a request.", stats.bad_requests),
        ("chat_turned_away_total", "Sessions refused because the server was full.", stats.turned_away),
        ("chat_store_errors_total", "Failures of the store.", stats.store_errors),
        ("chat_unstored_total", "Publications not stored.", stats.unstored),
        ("chat_hook_panics_total", "Panics of hooks that are only told of events.", stats.hook_panics),
        ("chat_broker_errors_total", "Failures of the broker.", stats.broker_errors),
        ("chat_broker_corrupt_total", "Messages of the broker that no node wrote.", stats.broker_corrupt),
        ("chat_broker_resets_total", "Channels that lost their place.", stats.broker_resets),
    ]
}

fn labelled(out: &mut String, stats: &Stats) {
    let mut family = |name, help, samples: Vec<(&'static str, String, u64)>| {
        family(out, name, "counter", help, samples);
    };
    family("chat_rejections_total", "Handshakes refused, by HTTP status.", by("status", &stats.rejections));
    family("chat_refusals_total", "Requests refused, by error code.", by("code", &stats.refusals));
    family("chat_dropped_total", "Publications dropped, by reason.", by("reason", &stats.dropped));
    family("chat_closes_total", "Sessions closed, by close code.", by("code", &stats.closes));
    family(
        "chat_cut_short_total",
        "Work cut short by a bound without a refusal.",
        by("what", &stats.cut_short),
    );
}

/// Returns a sample for each counter, with its key as the value of the label.
fn by<'a, K: Display + 'a>(
    label: &'static str,
    counts: impl IntoIterator<Item = (&'a K, &'a u64)>,
) -> Vec<(&'static str, String, u64)> {
    counts.into_iter().map(|(key, count)| (label, key.to_string(), *count)).collect()
}

fn family<L: Display>(
    out: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    samples: impl IntoIterator<Item = (&'static str, L, u64)>,
) {
    let mut line = |text: std::fmt::Arguments<'_>| out.write_fmt(text).expect("a String takes it");
    line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    for (label, of, value) in samples {
        match label {
            "" => line(format_args!("{name} {value}\n")),
            label => line(format_args!("{name}{{{label}=\"{of}\"}} {value}\n")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_names_every_family_with_its_labels() {
        let mut stats = Stats::default();
        stats.sessions = 2;
        stats.closes.insert(3008, 1);
        let text = text(&stats, None);
        assert!(text.contains("# TYPE chat_sessions gauge\nchat_sessions 2\n"));
        assert!(text.contains("chat_closes_total{code=\"3008\"} 1\n"));
    }
}
