//! The floors of chat-core: which rooms a room may name, and what stands only in its driver.

use crate::arrows::{Arrow, arrows};
use crate::source::Source;

/// Each room, lowest first, and the rooms that it may name besides itself.
/// The crate's root and the driver's `mod.rs` may name all of them.
const ROOMS: [(&str, &[&str]); 10] = [
    ("lock", &[]),
    ("model", &[]),
    ("machine", &["model"]),
    ("port", &["model"]),
    ("driver/ground", &["machine", "port", "model", "lock"]),
    ("driver/outbox", &["driver/ground", "machine", "port", "model", "lock"]),
    ("driver/hub", &["driver/outbox", "driver/ground", "machine", "port", "model", "lock"]),
    ("driver/session", &["driver/hub", "driver/outbox", "driver/ground", "machine", "port", "model", "lock"]),
    (
        "driver/connection",
        &[
            "driver/session",
            "driver/hub",
            "driver/outbox",
            "driver/ground",
            "machine",
            "port",
            "model",
            "lock",
        ],
    ),
    (
        "testkit",
        &[
            "driver",
            "driver/connection",
            "driver/session",
            "driver/hub",
            "driver/outbox",
            "port",
            "model",
            "lock",
        ],
    ),
];

/// Files that every room of the driver may use.
const GROUND: [&str; 4] = ["driver/trace.rs", "driver/padded.rs", "driver/caught.rs", "driver/duty.rs"];

/// Words that have no place below the driver.
const DRIVERS_OWN: [&str; 7] = ["async", ".await", "Mutex", "RwLock", "Condvar", "::now(", "std::thread"];

/// Returns every arrow that points up, every file in no room, and every word that only the driver may use.
pub fn floors(sources: &[Source]) -> Vec<String> {
    let homeless = sources.iter().filter(|source| room(&source.path).is_none());
    let homeless = homeless.map(|source| format!("{} stands in no room", source.path));
    let up = arrows(sources).into_iter().flat_map(|arrow| upward(&arrow));
    let mut all: Vec<_> = homeless.chain(up).chain(sources.iter().flat_map(misplaced)).collect();
    all.sort();
    all.dedup();
    all
}

/// Returns the room of a file; `root` and `driver` are the lists that head the crate and the driver.
fn room(path: &str) -> Option<&'static str> {
    match path {
        "lib.rs" => return Some("root"),
        "driver/mod.rs" => return Some("driver"),
        _ if GROUND.contains(&path) => return Some("driver/ground"),
        _ => {}
    }
    let stem = path.trim_end_matches(".rs");
    let within = |room: &str| stem == room || stem.starts_with(&format!("{room}/"));
    ROOMS.into_iter().map(|(room, _)| room).find(|room| within(room))
}

fn upward(arrow: &Arrow) -> Vec<String> {
    let Some(from) = room(&arrow.from) else { return Vec::new() };
    let Some((_, allowed)) = ROOMS.into_iter().find(|(name, _)| *name == from) else { return Vec::new() };
    let is_wrong = |to: &&String| room(to).is_some_and(|to| to != from && !allowed.contains(&to));
    let wrong = arrow.through.iter().chain([&arrow.to]).filter(is_wrong);
    wrong.map(|to| format!("{} names what stands in {to}", arrow.from)).collect()
}

fn misplaced(source: &Source) -> Vec<String> {
    if !matches!(room(&source.path), Some("model" | "machine" | "port")) || source.path.ends_with("tests.rs")
    {
        return Vec::new();
    }
    // The name of that crate has the word in it.
    let code = code_of(&source.text).replace("async_channel", "");
    let found = DRIVERS_OWN.iter().filter(|word| code.contains(*word));
    found.map(|word| format!("{} has {word}", source.path)).collect()
}

/// Returns a text without the tests at its end, and without comments.
fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}
