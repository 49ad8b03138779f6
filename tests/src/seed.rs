//! Runs random tests that can be repeated.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use fastrand::Rng;

/// Plays with fresh seeds, or with the one in the environment's `SEED`, or with so many from the one in
/// `FIRST_SEED` on; a failure names its seed.
///
/// # Panics
/// Panics if the play does.
#[expect(clippy::print_stderr, reason = "the seed of a failure is what repeats it")]
pub fn each_seed(times: u64, play: impl Fn(u64, &mut Rng)) {
    let seeds: Vec<u64> = match (number("SEED"), number("FIRST_SEED")) {
        (Some(seed), _) => vec![seed],
        (None, Some(first)) => (first..).take(times as usize).collect(),
        (None, None) => (0..times).map(|_| fastrand::u64(..)).collect(),
    };
    for (n, seed) in seeds.into_iter().enumerate() {
        let played = catch_unwind(AssertUnwindSafe(|| play(seed, &mut Rng::with_seed(seed))));
        if let Err(panic) = played {
            eprintln!("repeat it with SEED={seed} (it was number {} of {times})", n + 1);
            resume_unwind(panic);
        }
    }
}

/// Returns whether the environment has `LONG`, which asks for many more plays.
pub fn is_long() -> bool {
    std::env::var_os("LONG").is_some()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}
