//! Tests hubs whose broker is not there yet, or does not answer, in virtual time.

use std::time::Duration;

use chat_core::Hub;
use chat_core::testkit::{SimBroker, SimFaults, World};
use chat_tests::nodes::{Anyone, Nodes};

#[test]
fn who_comes_while_a_new_node_still_connects_waits_for_the_broker() {
    let world = World::new();
    let node = SimBroker::new(world.clone()).node();
    let line = node.line();
    line.cut();
    let hub = Hub::builder(Anyone).broker(node).build(world.clone());
    let (ann, bob) = (world.open(&hub, "ann"), world.open(&hub, "bob"));
    ann.say("subscribe room");
    bob.say("#1 publish room 1");
    world.advance(Duration::from_secs(2));
    assert!(ann.heard().is_empty() && bob.heard().is_empty(), "they wait");
    line.mend();
    world.advance(Duration::from_secs(1));
    assert_eq!((ann.heard().len(), bob.heard()), (2, vec!["#1 published room 1".to_owned()]));
    line.cut();
    bob.say("#2 publish room 2");
    assert!(bob.heard()[0].starts_with("#2 error 100 "), "nobody waits for a broker that was lost");
}

#[test]
fn a_broker_that_is_never_there_is_waited_for_no_longer_than_a_store() {
    let world = World::new();
    let node = SimBroker::new(world.clone()).node();
    node.line().cut();
    let hub = Hub::builder(Anyone).broker(node).build(world.clone());
    let ann = world.open(&hub, "ann");
    ann.say("#1 subscribe room");
    world.advance(Duration::from_secs(6));
    assert!(ann.heard()[0].starts_with("#1 error 100 "));
}

#[test]
fn a_broker_that_does_not_answer_in_time_is_asked_again_what_was_missed() {
    let nodes = Nodes::new(World::new(), 2);
    let (ann, bob) = (nodes.world.open(&nodes.hubs[0], "ann"), nodes.world.open(&nodes.hubs[1], "bob"));
    bob.say("subscribe room");
    bob.heard();
    nodes.lines[1].cut();
    ann.say("publish room 1");
    nodes.world.advance(Duration::from_secs(1));
    let never = Duration::from_secs(100_000);
    nodes.lines[1].set(SimFaults::default().with_slow_calls(1000).with_time(never));
    nodes.lines[1].mend();
    nodes.world.advance(Duration::from_secs(4));
    nodes.lines[1].set(SimFaults::default());
    assert!(bob.heard().is_empty());
    nodes.world.advance(Duration::from_secs(4));
    assert_eq!(bob.heard(), ["message room 1 ann 1"]);
}
