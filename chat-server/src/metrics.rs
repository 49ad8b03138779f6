//! Writes a hub's counters in the text format of Prometheus.

use std::fmt::{Display, Write};

use chat_core::Stats;

pub(crate) fn text(stats: &Stats) -> String {
    let mut out = String::new();
    let one =
        |out: &mut String, name, kind, help, value: u64| family(out, name, kind, help, [("", "", value)]);
    one(&mut out, "chat_sessions", "gauge", "Open sessions.", stats.sessions as u64);
    one(&mut out, "chat_channels", "gauge", "Channels in memory.", stats.channels as u64);
    one(&mut out, "chat_subscriptions", "gauge", "Open subscriptions.", stats.subscriptions);
    one(&mut out, "chat_outbox_bytes", "gauge", "Bytes queued in all outboxes.", stats.outbox_bytes as u64);
    one(
        &mut out,
        "chat_history_bytes",
        "gauge",
        "Bytes of all channels' histories in memory.",
        stats.history_bytes as u64,
    );
    one(&mut out, "chat_sessions_opened_total", "counter", "Sessions opened.", stats.opened);
    one(&mut out, "chat_publications_total", "counter", "Publications accepted.", stats.publications);
    one(
        &mut out,
        "chat_deliveries_total",
        "counter",
        "Publications queued for subscribers.",
        stats.deliveries,
    );
    one(
        &mut out,
        "chat_bad_requests_total",
        "counter",
        "Messages that could not be read as a request.",
        stats.bad_requests,
    );
    one(
        &mut out,
        "chat_turned_away_total",
        "counter",
        "Sessions refused because the server was full.",
        stats.turned_away,
    );
    one(&mut out, "chat_store_errors_total", "counter", "Failures of the store.", stats.store_errors);
    one(&mut out, "chat_unstored_total", "counter", "Publications not stored.", stats.unstored);
    let rejections = stats.rejections.iter().map(|(status, count)| ("status", status, *count));
    family(&mut out, "chat_rejections_total", "counter", "Handshakes refused, by HTTP status.", rejections);
    let refusals = stats.refusals.iter().map(|(code, count)| ("code", code, *count));
    family(&mut out, "chat_refusals_total", "counter", "Requests refused, by error code.", refusals);
    let dropped = stats.dropped.iter().map(|(reason, count)| ("reason", reason, *count));
    family(&mut out, "chat_dropped_total", "counter", "Publications dropped, by reason.", dropped);
    let closes = stats.closes.iter().map(|(code, count)| ("code", code, *count));
    family(&mut out, "chat_closes_total", "counter", "Sessions closed, by close code.", closes);
    let cut_short = stats.cut_short.iter().map(|(what, count)| ("what", what, *count));
    family(
        &mut out,
        "chat_cut_short_total",
        "counter",
        "Work cut short by a bound without a refusal.",
        cut_short,
    );
    out
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
        let text = text(&stats);
        assert!(text.contains("# TYPE chat_sessions gauge\nchat_sessions 2\n"));
        assert!(text.contains("chat_closes_total{code=\"3008\"} 1\n"));
    }
}
