//! Draws the plot: for each workload, the cost of each server as a multiple of the floor's.

use crate::results::Results;
use crate::servers::Server;
use crate::table::main_column;
use crate::workload::Workload;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;
use std::path::Path;

const SIZE: (u32, u32) = (1000, 560);
/// Lists the panels, which are drawn two by two.
const PANELS: [(Workload, &str); 4] = [
    (Workload::W1x1, "1,000 hear one channel, 1 message in flight"),
    (Workload::W1x16, "the same, 16 in flight"),
    (Workload::W1x64, "the same, 64 in flight"),
    (Workload::W2, "10,000 connections, 10 a channel"),
];
const OWN: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const PEER: RGBColor = RGBColor(0xb0, 0xb7, 0xbf);
const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const FAINT: RGBColor = RGBColor(0x88, 0x88, 0x88);
/// Sets the width of names, the greatest length of bars, and the height of rows.
const NAMES: i32 = 178;
const BARS: i32 = 240;
const ROW: i32 = 18;
/// Sets the multiple of the floor at which a bar has its greatest length.
const MOST: f64 = 100.0;

/// Draws the plot into a file.
pub(crate) fn draw(results: &Results, path: &Path) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    words(
        &root,
        "Processor time of the server per delivered message, as a multiple of the least there can be",
        17,
        INK,
        (20, 22),
    )?;
    let below = "1 is the floor: raw epoll, one send per socket, no protocol. Shorter is better; the scale is logarithmic.";
    words(&root, below, 13, FAINT, (20, 44))?;
    let (_, body) = root.split_vertically(62);
    for ((workload, title), area) in PANELS.iter().zip(body.split_evenly((2, 2))) {
        panel(results, *workload, title, &area)?;
    }
    root.present()?;
    Ok(())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn panel(results: &Results, workload: Workload, title: &str, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
    words(area, title, 14, INK, (20, 10))?;
    let servers = results.servers(workload).into_iter().filter(|server| *server != Server::Floor);
    let servers: Vec<_> = servers.collect();
    let (floor, bottom) = (NAMES + length(1.0), 26 + servers.len() as i32 * ROW);
    area.draw(&PathElement::new([(floor, 24), (floor, bottom)], FAINT))?;
    for (row, server) in (0..).zip(servers) {
        let Some(ratio) = results.ratio(workload, server, Server::Floor, main_column(workload).1) else {
            continue;
        };
        let (y, color) = (34 + row * ROW, if server.is_own() { OWN } else { PEER });
        let name = if server.is_own() { INK } else { FAINT };
        let end = NAMES + length(ratio);
        area.draw(&Rectangle::new([(NAMES, y - 6), (end, y + 6)], color.filled()))?;
        anchored(area, server.title(), 12, name, (NAMES - 6, y), HPos::Right)?;
        words(area, &multiple(ratio), 12, name, (end + 5, y))?;
    }
    Ok(())
}

/// Returns the length of a bar. The floor has a short bar too, so that a ratio near 1 is visible.
fn length(ratio: f64) -> i32 {
    let share = (ratio / 0.8).ln() / (MOST / 0.8).ln();
    (f64::from(BARS) * share.clamp(0.0, 1.0)) as i32
}

fn multiple(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.2}") } else { format!("{ratio:.0}") }
}

fn words(
    area: &Area<'_>,
    text: &str,
    size: i32,
    color: RGBColor,
    at: (i32, i32),
) -> Result<(), Box<dyn Error>> {
    anchored(area, text, size, color, at, HPos::Left)
}

fn anchored(
    area: &Area<'_>,
    text: &str,
    size: i32,
    color: RGBColor,
    at: (i32, i32),
    side: HPos,
) -> Result<(), Box<dyn Error>> {
    let style = ("sans-serif", size).into_font().color(&color).pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(text.to_owned(), at, style))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    #[test]
    fn bars_grow_with_the_ratio_and_end_with_the_scale() {
        assert!(length(1.0) > 0 && length(1.1) > length(1.0));
        assert_eq!((length(0.1), length(1e6)), (0, BARS));
    }

    #[test]
    fn a_bar_of_each_server_is_drawn() {
        let mut results = Results::default();
        for (server, cpu) in [(Server::Floor, 1.0), (Server::Tokio, 1.25), (Server::Ws, 80.0)] {
            results.add(Workload::W1x64, server, 1, Report { cpu_s_per_million: cpu, ..Report::default() });
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("plot.svg");
        draw(&results, &path).expect("a plot");
        let svg = std::fs::read_to_string(path).expect("a file");
        assert!(["chat-core, Tokio", "1.25", "npm ws", "80"].iter().all(|text| svg.contains(text)));
    }
}
