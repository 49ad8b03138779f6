//! Tests that several nodes lose nothing in silence, whatever goes wrong between them and the broker, in
//! virtual time, for clients of every protocol. A failure prints its seed.
//!
//! ```text
//!   truth   follows the broker itself
//!   ledger  keeps the books of what was published and answered
//!   member  plays one client, and checks what it hears
//!   watcher counts who comes and goes
//!   play    plays the nodes and what goes wrong
//! ```

mod ledger;
mod member;
mod play;
mod truth;
mod watcher;

use std::cell::Cell;

use chat_tests::seed::{each_seed, is_long};
use play::Play;

#[test]
fn nothing_is_lost_in_silence_whatever_goes_wrong_between_the_nodes_and_the_broker() {
    let sums = Cell::new((0, 0));
    each_seed(if is_long() { 20_000 } else { 2000 }, |seed, random| {
        let mut play = Play::new(seed, random);
        (0..60).for_each(|_| play.step());
        let (published, refused) = play.end();
        sums.set((sums.get().0 + published, sums.get().1 + refused));
    });
    let (published, refused) = sums.get();
    assert!(published > refused && refused > 0, "{published} published, {refused} refused");
}
