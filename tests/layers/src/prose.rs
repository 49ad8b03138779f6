//! Measures how comments are written: how wide, with what first words, and how much they say.

use crate::source::Source;

/// The columns that a line of comment may take.
const COLUMNS: usize = 110;

/// Beginnings that leave out the subject or the verb of a doc.
const BEGINNINGS: [&str; 5] = ["What ", "Who ", "Whether ", "So many ", "It "];

/// A fault of a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Complaint {
    /// A line is wider than 110 columns.
    Wide,
    /// A doc begins with What, Who, Whether, So many or It.
    Beginning,
    /// A doc says two words or fewer.
    Short,
}

/// Returns each complaint about a file's comments, with its line, counted from 1.
pub fn complaints(source: &Source) -> Vec<(usize, Complaint)> {
    let wide = source
        .text
        .lines()
        .enumerate()
        .filter(|(_, line)| is_comment(line) && line.chars().count() > COLUMNS);
    let wide = wide.map(|(at, _)| (at + 1, Complaint::Wide));
    let docs = docs(&source.text).into_iter().filter_map(|(at, text)| Some((at, complaint(&text)?)));
    let mut all: Vec<_> = wide.chain(docs).collect();
    all.sort();
    all
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn complaint(doc: &str) -> Option<Complaint> {
    if BEGINNINGS.iter().any(|beginning| doc.starts_with(beginning)) {
        return Some(Complaint::Beginning);
    }
    (doc.split_whitespace().count() <= 2).then_some(Complaint::Short)
}

/// Returns each run of doc lines as one text, with the line that it begins on.
fn docs(text: &str) -> Vec<(usize, String)> {
    let mut all: Vec<(usize, String)> = Vec::new();
    let mut goes_on = None;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let kind =
            ["///", "//!"].into_iter().find(|kind| line.starts_with(kind) && !line.starts_with("////"));
        let Some(kind) = kind else {
            goes_on = None;
            continue;
        };
        let said = line[kind.len()..].trim();
        match all.last_mut() {
            Some((_, text)) if goes_on == Some(kind) => *text = format!("{text} {said}"),
            _ => all.push((at + 1, said.to_owned())),
        }
        goes_on = Some(kind);
    }
    all
}
