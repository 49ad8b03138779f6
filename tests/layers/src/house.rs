//! All that is wrong in the crates of a workspace, as `known.txt` lists it.

use crate::arrows::{arrows, graph};
use crate::circles::circles;
use crate::floors::floors;
use crate::prose::{Complaint, complaints};
use crate::sizes::{functions, lines};
use crate::slices::slices;
use crate::source::Crate;

/// The lines that a function may have.
const FUNCTION: usize = 60;

/// The lines that a file may have.
const FILE: usize = 450;

/// Returns every circle of files, slice of a type and arrow that points up, as `crate: what is wrong`.
pub fn violations(crates: &[Crate]) -> Vec<String> {
    let circles = |one: &Crate| circles(&graph(&arrows(&one.sources)));
    let circles = of_each(crates, |one| {
        circles(one)
            .into_iter()
            .map(|circle| format!("circle {}", Vec::from_iter(circle).join(" ")))
            .collect()
    });
    let slices = of_each(crates, |one| slices(&one.sources));
    let floors =
        of_each(crates, |one| if one.name == "chat-core" { floors(&one.sources) } else { Vec::new() });
    [circles, slices, floors].concat()
}

fn of_each(crates: &[Crate], ask: impl Fn(&Crate) -> Vec<String>) -> Vec<String> {
    let named = |one: &Crate| {
        ask(one).into_iter().map(|answer| format!("{}: {answer}", one.name)).collect::<Vec<_>>()
    };
    crates.iter().flat_map(named).collect()
}

/// Counts what of each crate is out of bounds, functions, files and comments, as `crate: what is counted`.
/// Zeros are left out.
pub fn counts(crates: &[Crate]) -> Vec<(String, usize)> {
    crates.iter().flat_map(counts_of).filter(|(_, count)| *count > 0).collect()
}

fn counts_of(one: &Crate) -> [(String, usize); 5] {
    let files = one.files();
    let complaints: Vec<_> = files.iter().flat_map(complaints).map(|(_, complaint)| complaint).collect();
    let of = |wanted| complaints.iter().filter(|complaint| **complaint == wanted).count();
    [
        (
            "functions over 60 lines",
            files.iter().flat_map(functions).filter(|one| one.lines > FUNCTION).count(),
        ),
        ("files over 450 lines", files.iter().filter(|file| lines(file) > FILE).count()),
        ("comment lines over 110 columns", of(Complaint::Wide)),
        ("docs that begin with What, Who, Whether, So many or It", of(Complaint::Beginning)),
        ("docs of two words or fewer", of(Complaint::Short)),
    ]
    .map(|(what, count)| (format!("{}: {what}", one.name), count))
}
