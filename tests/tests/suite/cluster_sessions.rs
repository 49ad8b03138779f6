//! Tests that the bound on a user's sessions counts those on other nodes, as far as it promises, in virtual
//! time.

use std::sync::Arc;
use std::time::Duration;

use chat_core::broker::Broker;
use chat_core::testkit::{Client, SimFaults, World};
use chat_core::{Close, Hub, Limits, OpenChat};
use chat_tests::nodes::Nodes;

const SECOND: Duration = Duration::from_secs(1);

fn nodes(many: usize, sessions: usize) -> Nodes {
    let limits = Limits::default().with_user_sessions(sessions);
    Nodes::of(World::new(), many, true, || Hub::builder(OpenChat::default()).limits(limits.clone()))
}

/// Opens a session, and lets the other nodes hear of it.
fn enter(nodes: &Nodes, node: usize, name: &str) -> Client {
    let client = nodes.world.open(&nodes.hubs[node], name);
    nodes.world.advance(SECOND / 5);
    client
}

fn is_refused(client: &Client) -> bool {
    client.close() == Some(Close::TOO_MANY_SESSIONS)
}

#[test]
fn a_user_has_no_more_sessions_on_all_nodes_than_may_be() {
    let nodes = nodes(3, 2);
    let (first, second) = (enter(&nodes, 0, "ann"), enter(&nodes, 1, "ann"));
    for node in 0..3 {
        assert!(is_refused(&enter(&nodes, node, "ann")), "node {node}");
    }
    let bob = enter(&nodes, 2, "bob");
    assert_eq!((first.close(), second.close(), bob.close()), (None, None, None));
    second.cut();
    nodes.world.advance(SECOND / 5);
    assert_eq!(enter(&nodes, 2, "ann").close(), None);
}

#[test]
fn sessions_that_open_on_two_nodes_at_one_moment_may_be_more_and_stay() {
    let nodes = nodes(2, 1);
    let both = [0, 1].map(|node| nodes.world.open(&nodes.hubs[node], "ann"));
    nodes.world.advance(SECOND);
    assert_eq!(both.each_ref().map(Client::close), [None, None]);
    assert!([0, 1].iter().all(|node| is_refused(&enter(&nodes, *node, "ann"))));
}

#[test]
fn under_a_large_bound_a_node_tells_of_a_user_from_an_eighth_of_it_on() {
    let nodes = nodes(2, 16);
    let _one = enter(&nodes, 1, "ann");
    let here: Vec<_> = (0..16).map(|_| enter(&nodes, 0, "ann")).collect();
    assert!(here.iter().all(|client| client.close().is_none()), "one session is not told of");
    assert!(is_refused(&enter(&nodes, 0, "ann")) && is_refused(&enter(&nodes, 1, "ann")));
}

#[test]
fn sessions_of_a_node_that_died_count_for_nine_seconds() {
    let nodes = nodes(2, 1);
    let _ann = enter(&nodes, 1, "ann");
    nodes.lines[1].cut_unnoticed();
    assert!(is_refused(&enter(&nodes, 0, "ann")));
    nodes.world.advance(SECOND * 10);
    assert_eq!(enter(&nodes, 0, "ann").close(), None);
}

#[test]
fn a_word_that_was_lost_is_made_up_for_with_the_next_round() {
    let nodes = nodes(2, 1);
    nodes.lines[0].set(SimFaults::default().with_lost_words(1000));
    let ann = enter(&nodes, 1, "ann");
    nodes.lines[0].set(SimFaults::default());
    nodes.world.advance(SECOND * 4);
    assert!(is_refused(&enter(&nodes, 0, "ann")));
    nodes.lines[0].set(SimFaults::default().with_lost_words(1000));
    ann.cut();
    nodes.world.advance(SECOND / 5);
    nodes.lines[0].set(SimFaults::default());
    nodes.world.advance(SECOND * 4);
    assert_eq!(enter(&nodes, 0, "ann").close(), None);
}

#[test]
fn a_count_that_nobody_can_read_is_counted_as_corrupt() {
    let nodes = nodes(1, 1);
    let stranger = Arc::new(nodes.broker.memory().node());
    for word in ["v 1\nnode 1\ndo tally\n\nx ann\n", "v 1\nnode 1\ndo tally\nslice x\n\n"] {
        let stranger = stranger.clone();
        nodes.world.run(async move { stranger.tell(None, word.into()).await }).expect("it is told");
    }
    nodes.world.settle();
    assert_eq!(nodes.hubs[0].stats().broker_corrupt, 2);
    assert_eq!(enter(&nodes, 0, "ann").close(), None);
}
