//! Runs random tests that can be repeated.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use fastrand::Rng;

/// Plays with fresh seeds, or with the one in the environment's `SEED`; a failure names its seed.
///
/// # Panics
/// Panics if the play does.
#[expect(clippy::print_stderr, reason = "the seed of a failure is what repeats it")]
pub fn each_seed(times: u64, play: impl Fn(u64, &mut Rng)) {
    let given = std::env::var("SEED").ok().map(|seed| seed.parse().expect("SEED is a number"));
    let seeds = given.map_or_else(|| (0..times).map(|_| fastrand::u64(..)).collect(), |seed| vec![seed]);
    for seed in seeds {
        let played = catch_unwind(AssertUnwindSafe(|| play(seed, &mut Rng::with_seed(seed))));
        if let Err(panic) = played {
            eprintln!("repeat it with SEED={seed}");
            resume_unwind(panic);
        }
    }
}
