//! Tests that the hubs of several nodes are one behind a broker: one order, one history, and nothing lost in
//! silence, in virtual time.

use std::time::Duration;

use chat_core::testkit::{Client, SimFaults, World};
use chat_core::{Close, Hub, Limits, Payload, Publish, Published, Refusal, Scope, SessionId, Subscribe};
use chat_tests::nodes::{Anyone, Nodes};

fn two() -> Nodes {
    Nodes::new(World::new(), 2)
}

impl Enter for Nodes {
    fn enter(&self, node: usize, name: &str) -> Client {
        self.world.open(&self.hubs[node], name)
    }
}

trait Enter {
    fn enter(&self, node: usize, name: &str) -> Client;
}

/// Returns the epoch in the answer to a subscribe that says `since any 0`.
fn epoch(answer: &str) -> &str {
    answer.rsplit(' ').next().unwrap_or_default()
}

#[test]
fn all_hear_one_order_whichever_node_they_are_on() {
    let nodes = two();
    let (ann, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "bob"));
    ann.say("subscribe room");
    bob.say("subscribe room");
    for n in 0..3 {
        ann.say(&format!("#1 publish room {n}"));
        bob.say(&format!("publish room {n}"));
    }
    let heard: Vec<_> = ann.heard().into_iter().filter(|line| line.starts_with("message")).collect();
    let must: Vec<_> = bob.heard().into_iter().filter(|line| line.starts_with("message")).collect();
    assert_eq!((heard.len(), &heard), (6, &must));
    assert_eq!(heard[0], "message room 1 ann 0");
    assert_eq!(heard[5], "message room 6 bob 2");
}

#[test]
fn a_publisher_is_told_the_place_that_the_broker_gave() {
    let nodes = two();
    let (ann, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "bob"));
    ann.say("#1 publish room 1");
    bob.say("#2 publish room 2");
    assert_eq!(
        (ann.heard(), bob.heard()),
        (vec!["#1 published room 1".into()], vec!["#2 published room 2".into()])
    );
}

#[test]
fn the_server_publishes_to_all_nodes() {
    let nodes = two();
    let bob = nodes.enter(1, "bob");
    bob.say("subscribe news");
    assert_eq!(nodes.hubs[0].publish("news", Payload::json("1")), Ok(Published::Deferred));
    nodes.world.settle();
    let publish = Publish::to("news".parse().expect("a name"), Payload::json("2"));
    let hub = nodes.hubs[0].clone();
    let published = nodes.world.run(async move { hub.publish_durable(publish).await }).expect("it is placed");
    assert_eq!((published.offset().map(|offset| offset.0), published.subscribers()), (Some(2), 0));
    let heard = ["subscribed news 0", "message news 1 server 1", "message news 2 server 2"];
    assert_eq!(bob.heard(), heard);
}

#[test]
fn who_comes_back_on_another_node_gets_what_was_missed() {
    let nodes = two();
    let (ann, bob) = (nodes.enter(0, "ann"), nodes.enter(0, "bob"));
    bob.say("subscribe room since any 0");
    let subscribed = bob.heard().remove(0);
    let epoch = epoch(&subscribed);
    ann.say("publish room 1");
    bob.cut();
    ann.say("publish room 2");
    ann.say("publish room 3");
    let bob = nodes.enter(1, "bob");
    bob.say(&format!("subscribe room since {epoch} 1"));
    let heard = [
        format!("subscribed room 3 recovered {epoch}"),
        "message room 2 ann 2".into(),
        "message room 3 ann 3".into(),
    ];
    assert_eq!(bob.heard(), heard);
}

#[test]
fn any_node_has_the_history_of_all() {
    let nodes = two();
    let (ann, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "bob"));
    ann.say("publish room 1");
    ann.say("publish room 2");
    bob.say("history room 10");
    bob.say("history nothing 10");
    assert_eq!(bob.heard(), ["history room 2 1:1 2:2", "error 102 there is no \"nothing\""]);
}

#[test]
fn under_one_key_a_message_is_placed_once_on_all_nodes_for_one_user() {
    let nodes = two();
    let (ann, anns, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "ann"), nodes.enter(1, "bob"));
    ann.say("#1 once room k 1");
    anns.say("#2 once room k 1");
    bob.say("#3 once room k 1");
    assert_eq!(ann.heard(), ["#1 published room 1"]);
    assert_eq!(anns.heard(), ["#2 published room 1 already"]);
    assert_eq!(bob.heard(), ["#3 published room 2"]);
}

#[test]
fn who_wants_not_to_hear_itself_hears_a_session_of_another_node_that_has_its_number_there() {
    let nodes = two();
    let (ann, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "bob"));
    ann.say("subscribe room quietly");
    ann.say("publish room 1");
    bob.say("publish room 2");
    assert_eq!(ann.heard(), ["subscribed room 0", "message room 2 bob 2"]);
    let ids: Vec<SessionId> =
        nodes.hubs.iter().flat_map(|hub| hub.sessions(None, 9).entries).map(|it| it.session).collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
}

#[test]
fn an_author_edits_from_any_node_and_nobody_else_does() {
    let nodes = two();
    let (ann, anns, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "ann"), nodes.enter(1, "bob"));
    ann.say("publish room 1");
    bob.say("#1 edit room 1 2");
    anns.say("#2 edit room 1 2");
    assert_eq!(anns.heard(), ["#2 published room 2"]);
    assert!(bob.heard()[0].starts_with("#1 error 103"));
}

#[test]
fn what_is_done_to_a_user_is_done_on_all_nodes() {
    let nodes = two();
    let (ann, anns, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "ann"), nodes.enter(1, "bob"));
    let (user, news) = ("ann".parse().expect("a name"), "news".parse().expect("a name"));
    assert_eq!(nodes.hubs[0].subscribe_user(&user, &Subscribe::to(news)), 1, "counted here");
    nodes.world.settle();
    let news = "news".parse().expect("a name");
    nodes.hubs[1].send_to_user(&user, &Payload::json("1"));
    nodes.world.settle();
    nodes.hubs[0].unsubscribe_user(&user, &news, &Refusal::permission_denied("out"));
    nodes.world.settle();
    nodes.hubs[0].disconnect_user(&user, &Close::EXPIRED);
    nodes.world.settle();
    let told = ["subscribed news 0", "direct 1", "unsubscribed news 103 out", "close 3005 expired"];
    assert_eq!(
        (ann.heard(), anns.heard()),
        (told.map(str::to_owned).to_vec(), told.map(str::to_owned).to_vec())
    );
    assert_eq!((bob.heard(), bob.close()), (vec![], None));
}

#[test]
fn a_channel_of_one_node_is_that_nodes_own() {
    let own = || Hub::builder(Anyone).channel(|channel| channel.with_scope(Scope::Node));
    let nodes = Nodes::of(World::new(), 2, true, own);
    let (ann, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "bob"));
    ann.say("subscribe room");
    bob.say("subscribe room");
    ann.say("publish room 1");
    assert_eq!(ann.heard(), ["subscribed room 0", "message room 1 ann 1"]);
    assert_eq!(bob.heard(), ["subscribed room 0"]);
}

#[test]
fn a_node_that_was_cut_off_reads_what_it_missed_and_its_clients_notice_nothing() {
    let nodes = two();
    let (ann, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "bob"));
    bob.say("subscribe room");
    ann.say("publish room 1");
    nodes.lines[1].cut();
    nodes.world.settle();
    nodes.world.advance(Duration::from_secs(2));
    let deaf = [0, 1].map(|node| nodes.hubs[node].deaf_for());
    assert_eq!(deaf, [None, Some(Duration::from_secs(2))]);
    ann.say("publish room 2");
    ann.say("publish room 3");
    assert_eq!(bob.heard(), ["subscribed room 0", "message room 1 ann 1"]);
    nodes.lines[1].mend();
    ann.say("publish room 4");
    assert_eq!(bob.heard(), ["message room 2 ann 2", "message room 3 ann 3", "message room 4 ann 4"]);
    assert_eq!(nodes.hubs[1].deaf_for(), None);
}

#[test]
fn who_publishes_while_the_broker_is_away_is_refused_and_under_its_key_it_happens_once() {
    let nodes = two();
    let (ann, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "bob"));
    bob.say("subscribe room");
    nodes.lines[0].cut();
    ann.say("#1 once room k 1");
    nodes.lines[0].mend();
    nodes.lines[0].lose_answers(1);
    ann.say("#2 once room k 1");
    ann.say("#3 once room k 1");
    let told = ann.heard();
    assert!(told[0].starts_with("#1 error 100") && told[1].starts_with("#2 error 100"), "{told:?}");
    assert_eq!(told[2], "#3 published room 1 already");
    assert_eq!(bob.heard(), ["subscribed room 0", "message room 1 ann 1"]);
}

#[test]
fn who_subscribes_while_the_broker_is_away_is_refused_and_may_come_again() {
    let nodes = two();
    let ann = nodes.enter(0, "ann");
    nodes.lines[0].cut();
    ann.say("subscribe room");
    nodes.lines[0].mend();
    ann.say("subscribe room");
    assert_eq!(ann.heard(), ["error 100 the broker does not answer", "subscribed room 0"]);
}

#[test]
fn a_gap_in_what_is_heard_is_read_before_what_follows_it() {
    let keeps = || Hub::builder(Anyone).history(100, Duration::from_secs(60));
    let nodes = Nodes::of(World::new(), 2, false, keeps);
    let (ann, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "bob"));
    bob.say("subscribe room");
    nodes.lines[1].set(SimFaults::default().with_losses(1000));
    ann.say("publish room 1");
    ann.say("publish room 2");
    nodes.lines[1].set(SimFaults::default());
    assert_eq!(bob.heard(), ["subscribed room 0"]);
    ann.say("publish room 3");
    assert_eq!(bob.heard(), ["message room 1 ann 1", "message room 2 ann 2", "message room 3 ann 3"]);
}

#[test]
fn a_loss_that_nobody_noticed_is_found_within_forty_seconds() {
    let keeps = || Hub::builder(Anyone).history(100, Duration::from_secs(600));
    let nodes = Nodes::of(World::new(), 2, false, keeps);
    let (ann, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "bob"));
    bob.say("subscribe room");
    nodes.lines[1].set(SimFaults::default().with_losses(1000));
    ann.say("publish room 1");
    nodes.lines[1].set(SimFaults::default());
    nodes.world.advance(Duration::from_secs(41));
    let heard: Vec<_> = bob.heard().into_iter().filter(|line| line != "ping").collect();
    assert_eq!(heard, ["subscribed room 0", "message room 1 ann 1"]);
}

#[test]
fn a_comparison_that_fails_is_made_again_though_the_broker_says_no_more() {
    let nodes = two();
    let (ann, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "bob"));
    bob.say("subscribe room");
    nodes.lines[1].deafen();
    ann.say("publish room 1");
    nodes.lines[1].set(SimFaults::default().with_failures(1000));
    nodes.lines[1].mend();
    nodes.world.settle();
    nodes.lines[1].set(SimFaults::default());
    assert_eq!(bob.heard(), ["subscribed room 0"]);
    nodes.world.advance(Duration::from_secs(2));
    assert_eq!(bob.heard(), ["message room 1 ann 1"]);
}

#[test]
fn what_was_missed_while_a_channel_was_being_joined_is_read_once_it_is() {
    let nodes = two();
    let (ann, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "bob"));
    nodes.lines[1].set(SimFaults::default().with_slow_calls(1000).with_time(Duration::from_secs(1)));
    bob.say("subscribe room");
    while nodes.broker.memory().joined() == 0 {
        nodes.world.advance(Duration::from_millis(1));
    }
    nodes.lines[1].deafen();
    ann.say("publish room 1");
    nodes.lines[1].mend();
    assert_eq!(bob.heard(), [""; 0], "the answer is on its way");
    nodes.world.advance(Duration::from_secs(9));
    assert_eq!(bob.heard(), ["subscribed room 0", "message room 1 ann 1"]);
}

#[test]
fn where_what_was_missed_is_no_longer_kept_the_subscribers_are_told_and_come_back() {
    let keeps = || Hub::builder(Anyone).history(2, Duration::from_secs(60));
    let nodes = Nodes::of(World::new(), 2, true, keeps);
    let (ann, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "bob"));
    bob.say("subscribe room");
    nodes.lines[1].cut();
    for n in 1..=5 {
        ann.say(&format!("publish room {n}"));
    }
    nodes.lines[1].mend();
    nodes.world.settle();
    assert_eq!(bob.heard(), ["subscribed room 0", "unsubscribed room 112 the channel has lost its place"]);
    assert_eq!(nodes.hubs[1].stats().broker_resets, 1);
    bob.say("subscribe room latest");
    ann.say("publish room 6");
    assert_eq!(bob.heard(), ["subscribed room 5", "message room 5 ann 5", "message room 6 ann 6"]);
}

#[test]
fn a_broker_that_forgot_begins_another_epoch_and_nothing_of_the_new_one_reaches_who_is_in_the_old() {
    let nodes = two();
    let (ann, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "bob"));
    bob.say("subscribe room since any 0");
    ann.say("publish room 1");
    ann.say("publish room 2");
    let before = bob.heard();
    nodes.broker.memory().forget();
    ann.say("#1 publish room 3");
    assert_eq!(ann.heard(), ["#1 published room 1"]);
    assert_eq!(bob.heard(), ["unsubscribed room 112 the channel has lost its place"]);
    bob.say(&format!("subscribe room since {} 2", epoch(&before[0])));
    let heard = bob.heard();
    assert!(heard[0].starts_with("subscribed room 1 not recovered: "), "{heard:?}");
    ann.say("publish room 4");
    assert_eq!(bob.heard(), ["message room 2 ann 4"]);
}

#[test]
fn who_is_behind_in_an_old_epoch_is_handed_nothing_of_the_new_one() {
    let few = Limits::default().with_outbox_frames(4);
    let keeps = || Hub::builder(Anyone).limits(few.clone()).history(100, Duration::from_secs(60));
    let nodes = Nodes::of(World::new(), 2, true, keeps);
    let ann = nodes.enter(0, "ann");
    // Those who are told first, so that bob is not told at once.
    let others: Vec<_> = (0..70).map(|n| nodes.enter(1, &format!("other{n}"))).collect();
    others.iter().for_each(|other| other.say("subscribe room"));
    let bob = nodes.enter(1, "bob");
    bob.say("subscribe room resync");
    bob.wire().stall();
    (1..=10).for_each(|n| ann.say(&format!("publish room {n}")));
    nodes.broker.memory().forget();
    (1..=20).for_each(|_| ann.say("publish room 0"));
    bob.wire().flow();
    nodes.world.advance(Duration::from_secs(1));
    let heard = bob.heard();
    assert_eq!(
        heard.last().map(String::as_str),
        Some("unsubscribed room 112 the channel has lost its place")
    );
    assert!(heard.iter().all(|line| !line.ends_with(" ann 0")), "{heard:?}");
}

#[test]
fn a_channel_is_left_three_seconds_after_its_last_subscriber_and_joined_anew() {
    let nodes = two();
    let (ann, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "bob"));
    bob.say("subscribe room");
    bob.say("unsubscribe room");
    assert_eq!(nodes.hubs[1].stats().channels, 1);
    nodes.world.advance(Duration::from_secs(5));
    assert_eq!((nodes.hubs[1].stats().channels, nodes.broker.memory().joined()), (0, 0));
    ann.say("publish room 1");
    bob.say("subscribe room since any 0");
    ann.say("publish room 2");
    let heard = bob.heard();
    assert!(heard[2].starts_with("subscribed room 1 recovered"), "{heard:?}");
    assert_eq!(heard[3..], ["message room 1 ann 1", "message room 2 ann 2"]);
}

#[test]
fn what_the_broker_carries_from_elsewhere_is_counted_and_harms_nobody() {
    let nodes = two();
    let (ann, bob) = (nodes.enter(0, "ann"), nodes.enter(1, "bob"));
    bob.say("subscribe room");
    ann.say("publish room 1");
    nodes.world.run(nodes.broker.memory().inject("room", "no envelope"));
    assert!(nodes.hubs[1].stats().broker_corrupt > 0);
    ann.say("publish room 3");
    let heard = bob.heard();
    assert_eq!(heard[..2], ["subscribed room 0", "message room 1 ann 1"]);
    assert!(
        heard[2].starts_with("unsubscribed room 112"),
        "a message that nobody can read is not passed over"
    );
}

#[test]
fn a_hub_that_is_dropped_ends_its_tasks_and_leaves_its_broker() {
    let nodes = two();
    let Nodes { world, broker, hubs, .. } = nodes;
    drop(hubs);
    world.settle();
    assert_eq!((world.tasks(), broker.memory().nodes()), (0, 0));
}

#[test]
fn what_is_too_much_for_the_broker_to_be_given_is_refused_and_counted() {
    let few = Limits::default().with_store_bytes(100);
    let nodes = Nodes::of(World::new(), 1, true, || Hub::builder(Anyone).limits(few.clone()));
    let ann = nodes.enter(0, "ann");
    ann.say(&format!("#1 publish room \"{}\"", "x".repeat(100)));
    assert_eq!(ann.heard(), ["#1 error 100 too much waits for the broker: try again later"]);
    let server = nodes.hubs[0].publish("room", Payload::json(format!("\"{}\"", "x".repeat(100))));
    assert_eq!(server, Ok(Published::Deferred));
    assert_eq!(nodes.hubs[0].stats().cut_short.get("broker"), Some(&2), "also where nobody is answered");
}
