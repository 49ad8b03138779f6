//! Tests the plain protocol in memory, in virtual time, with both kinds of writers of the core.

use chat_core::testkit::{Way, World};
use chat_tests::cases::cases_for;
use chat_tests::memory::run;

fn failures(way: Way, world: impl Fn() -> World) -> Vec<String> {
    cases_for("memory").iter().filter_map(|case| run(case, world(), way).err()).collect()
}

#[test]
fn every_case_holds_over_a_sink_of_frames() {
    assert_eq!(failures(Way::Frames, World::new), [""; 0]);
}

#[test]
fn every_case_holds_over_bytes_that_the_publisher_writes() {
    assert_eq!(failures(Way::Bytes, World::new), [""; 0]);
}

#[test]
fn every_case_holds_whichever_task_runs_first() {
    for seed in 1..=8 {
        let way = if seed % 2 == 0 { Way::Frames } else { Way::Bytes };
        assert_eq!(failures(way, || World::seeded(seed)), [""; 0], "seed {seed}");
    }
}
