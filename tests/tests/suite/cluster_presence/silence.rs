//! Tests what becomes of the members of nodes that are silent, or whose words are lost.

use super::*;

#[test]
fn the_members_of_a_node_that_dies_leave_after_nine_seconds() {
    let nodes = nodes(2);
    let ann = observer(&nodes, 0, "ann");
    let _bob = joined(&nodes, 1, "bob");
    nodes.world.advance(SECOND);
    heard(&ann);
    nodes.lines[1].cut_unnoticed();
    nodes.world.advance(5 * SECOND);
    assert!(heard(&ann).is_empty(), "it may be heard again");
    nodes.world.advance(5 * SECOND);
    assert_eq!((heard(&ann), known(&nodes, 0)), (vec!["presence room -bob".into()], (vec!["ann".into()], 1)));
}

#[test]
fn a_node_that_starts_again_is_another_and_what_it_was_is_forgotten() {
    let mut nodes = nodes(2);
    let ann = observer(&nodes, 0, "ann");
    let (_bob, _eve) = (joined(&nodes, 1, "bob"), joined(&nodes, 1, "eve"));
    nodes.world.advance(SECOND);
    heard(&ann);
    nodes.lines[1].cut_unnoticed();
    let again = nodes.add(knowing());
    let _bob = joined(&nodes, again, "bob");
    nodes.world.advance(SECOND);
    assert_eq!(known(&nodes, 0), (vec!["ann".into(), "bob".into(), "eve".into()], 4));
    nodes.world.advance(10 * SECOND);
    assert_eq!(heard(&ann), ["presence room -eve"], "bob was there all the time");
    for node in [0, again] {
        assert_eq!(known(&nodes, node), (vec!["ann".into(), "bob".into()], 2));
    }
}

#[test]
fn a_node_that_is_drained_is_gone_from_all_channels_at_once() {
    let nodes = nodes(2);
    let ann = observer(&nodes, 0, "ann");
    let _bob = joined(&nodes, 1, "bob");
    nodes.world.advance(SECOND);
    heard(&ann);
    let hub = nodes.hubs[1].clone();
    nodes.world.run(async move { hub.drain(SECOND).await });
    nodes.lines[1].cut_unnoticed();
    nodes.world.advance(SECOND);
    assert_eq!(heard(&ann), ["presence room -bob"]);
}

#[test]
fn a_node_that_hears_nothing_for_long_takes_nobody_out_and_learns_afterwards_who_left() {
    let nodes = nodes(3);
    let ann = observer(&nodes, 0, "ann");
    let (bob, _eve) = (joined(&nodes, 1, "bob"), joined(&nodes, 2, "eve"));
    nodes.world.advance(SECOND);
    heard(&ann);
    nodes.lines[0].cut();
    nodes.world.advance(60 * SECOND);
    assert_eq!(known(&nodes, 1).0, ["bob", "eve"], "the others hear nothing of it");
    bob.cut();
    let _dan = joined(&nodes, 2, "dan");
    nodes.world.advance(30 * SECOND);
    assert_eq!((heard(&ann), known(&nodes, 0).1), (vec![], 3));
    nodes.lines[0].mend();
    nodes.world.advance(3 * SECOND);
    assert_eq!(heard(&ann), ["presence room +dan"], "the node that bob was on may still answer");
    nodes.world.advance(8 * SECOND);
    assert_eq!(heard(&ann), ["presence room -bob"]);
    for node in [0, 2] {
        assert_eq!(known(&nodes, node), (vec!["ann".into(), "dan".into(), "eve".into()], 3), "{node}");
    }
}

#[test]
fn a_node_that_died_while_this_one_heard_nothing_is_out_nine_seconds_after_it_hears_again() {
    let nodes = nodes(2);
    let ann = observer(&nodes, 0, "ann");
    let _bob = joined(&nodes, 1, "bob");
    nodes.world.advance(SECOND);
    heard(&ann);
    nodes.lines[0].cut();
    nodes.lines[1].cut_unnoticed();
    nodes.world.advance(60 * SECOND);
    nodes.lines[0].mend();
    nodes.world.advance(8 * SECOND);
    assert!(heard(&ann).is_empty());
    nodes.world.advance(2 * SECOND);
    assert_eq!(heard(&ann), ["presence room -bob"]);
}

#[test]
fn the_loss_of_a_last_word_is_noticed_when_its_number_is_repeated() {
    for joins in [true, false] {
        let nodes = nodes(2);
        let ann = observer(&nodes, 0, "ann");
        let bob = joined(&nodes, 1, "bob");
        nodes.world.advance(SECOND * 2);
        heard(&ann);
        nodes.lines[0].set(SimFaults::default().with_lost_words(1000));
        let eve = enter(&nodes, 1, "eve");
        if joins {
            eve.say("subscribe room");
        } else {
            bob.cut();
        }
        nodes.world.advance(SECOND / 2);
        nodes.lines[0].set(SimFaults::default());
        nodes.world.advance(SECOND * 3);
        assert_eq!(heard(&ann), [if joins { "presence room +eve" } else { "presence room -bob" }]);
    }
}

#[test]
fn a_gap_in_the_numbers_is_filled_by_the_whole() {
    let nodes = nodes(2);
    let ann = observer(&nodes, 0, "ann");
    nodes.lines[0].set(SimFaults::default().with_lost_words(1000));
    let _bob = joined(&nodes, 1, "bob");
    nodes.world.advance(SECOND / 2);
    nodes.lines[0].set(SimFaults::default());
    let _eve = joined(&nodes, 1, "eve");
    nodes.world.advance(SECOND / 2);
    assert_eq!(heard(&ann), ["presence room +bob +eve"]);
}

#[test]
fn the_end_of_a_channel_on_a_node_is_noticed_though_no_word_of_it_comes() {
    let nodes = nodes(2);
    let ann = observer(&nodes, 0, "ann");
    let bob = joined(&nodes, 1, "bob");
    nodes.world.advance(SECOND);
    heard(&ann);
    nodes.lines[0].set(SimFaults::default().with_lost_words(1000));
    bob.say("unsubscribe room");
    nodes.world.advance(SECOND * 6);
    nodes.lines[0].set(SimFaults::default());
    assert_eq!(nodes.hubs[1].stats().channels, 0);
    nodes.world.advance(SECOND * 50);
    assert_eq!(heard(&ann), ["presence room -bob"]);
}
