//! Tests that who is in a channel is known on all nodes, and that this converges whatever is lost, in virtual
//! time.

mod silence;

use std::sync::Arc;
use std::time::Duration;

use chat_core::broker::Broker;
use chat_core::protocol::{Credentials, Protocol};
use chat_core::testkit::{Client, SimFaults, Way, World};
use chat_core::{
    ChannelId, Endpoint, Hub, HubBuilder, Identity, OpenChat, Payload, Refusal, Scope, SessionInfo,
};
use chat_protocol::centrifuge::Centrifuge;
use chat_protocol::json::Json;
use chat_protocol::phoenix::Phoenix;
use chat_tests::nodes::{Anyone, Nodes};

const SECOND: Duration = Duration::from_secs(1);

fn knowing() -> HubBuilder {
    Hub::builder(OpenChat::default()).channel(|channel| channel.with_presence(true))
}

fn nodes(many: usize) -> Nodes {
    Nodes::of(World::new(), many, true, knowing)
}

fn enter(nodes: &Nodes, node: usize, name: &str) -> Client {
    nodes.world.open(&nodes.hubs[node], name)
}

/// Opens a session that is in the room and observes who else is, and lets the others hear of it.
fn observer(nodes: &Nodes, node: usize, name: &str) -> Client {
    let client = enter(nodes, node, name);
    client.say("subscribe room present");
    nodes.world.advance(SECOND);
    client.heard();
    client
}

fn joined(nodes: &Nodes, node: usize, name: &str) -> Client {
    let client = enter(nodes, node, name);
    client.say("subscribe room");
    client
}

fn heard(client: &Client) -> Vec<String> {
    client.heard().into_iter().filter(|line| line != "ping").collect()
}

fn room() -> ChannelId {
    "room".parse().expect("a name")
}

/// Returns who is in the room as a node knows it, as users and the number of their sessions.
fn known(nodes: &Nodes, node: usize) -> (Vec<String>, usize) {
    let page = nodes.hubs[node].presence(&room()).expect("it keeps presence");
    (page.present.iter().map(|present| present.user.to_string()).collect(), page.sessions)
}

#[test]
fn nodes_that_ask_one_after_the_other_who_is_there_are_all_answered() {
    let nodes = nodes(4);
    let ann = enter(&nodes, 0, "ann");
    ann.say("subscribe room");
    nodes.world.advance(SECOND * 5);
    for node in 1..4 {
        let (hub, room) = (nodes.hubs[node].clone(), "room".parse().expect("a name"));
        let page = nodes.world.run(async move { hub.try_presence(&room).await });
        let page = page.expect("it answers").expect("it keeps presence");
        assert_eq!(page.users, 1, "node {node}");
    }
}

#[test]
fn who_joins_on_one_node_is_seen_on_the_other_and_so_is_who_leaves() {
    let nodes = nodes(2);
    let ann = observer(&nodes, 0, "ann");
    let bob = joined(&nodes, 1, "bob");
    nodes.world.advance(SECOND);
    assert_eq!(heard(&ann), ["presence room +bob"]);
    bob.say("presence room");
    assert_eq!(heard(&bob), ["subscribed room 0", "present room ann,bob 2/2"]);
    let eve = enter(&nodes, 1, "eve");
    eve.say("subscribe room present");
    assert_eq!(heard(&eve), ["subscribed room 0 present ann,bob,eve"]);
    nodes.world.advance(SECOND);
    heard(&ann);
    bob.say("unsubscribe room");
    eve.cut();
    nodes.world.advance(SECOND);
    assert_eq!(heard(&ann), ["presence room -bob -eve"]);
    assert_eq!(known(&nodes, 1), (vec!["ann".into()], 1));
}

#[test]
fn who_is_the_first_on_a_node_is_answered_with_who_is_there_on_all() {
    let nodes = nodes(3);
    let (_bob, _eve) = (joined(&nodes, 1, "bob"), joined(&nodes, 2, "eve"));
    nodes.world.advance(SECOND);
    let ann = enter(&nodes, 0, "ann");
    ann.say("subscribe room present");
    nodes.world.advance(SECOND / 2);
    assert_eq!(heard(&ann)[0], "subscribed room 0 present ann,bob,eve");
    let alone = self::nodes(1);
    alone.world.advance(SECOND);
    let dan = enter(&alone, 0, "dan");
    dan.say("subscribe room present");
    assert_eq!(heard(&dan), ["subscribed room 0 present dan"], "nobody is waited for where nobody is");
}

#[test]
fn any_node_can_be_asked_who_is_there_and_leaves_the_channel_again() {
    let nodes = Nodes::of(World::new(), 2, true, || {
        Hub::builder(Anyone).channel(|channel| channel.with_presence(true))
    });
    let _bob = joined(&nodes, 1, "bob");
    nodes.world.advance(SECOND);
    let hub = nodes.hubs[0].clone();
    let page = nodes.world.run(async move { hub.try_presence(&room()).await });
    assert_eq!(page.map(|page| page.map(|page| (page.users, page.sessions))), Ok(Some((1, 1))));
    nodes.world.advance(SECOND * 6);
    assert_eq!(nodes.hubs[0].stats().channels, 0);
    let ann = enter(&nodes, 0, "ann");
    ann.say("presence room");
    nodes.world.advance(SECOND / 2);
    assert_eq!(heard(&ann), ["present room bob 1/1"]);
    nodes.world.advance(SECOND * 6);
    nodes.lines[0].cut();
    ann.say("presence room");
    nodes.world.advance(SECOND / 2);
    assert_eq!(heard(&ann), ["error 100 the broker does not answer"]);
    let hub = nodes.hubs[0].clone();
    let page = nodes.world.run(async move { hub.try_presence(&room()).await });
    assert_eq!(page.map_err(|refusal| refusal.code()), Err(100));
}

#[test]
fn a_user_on_two_nodes_comes_with_the_first_session_and_leaves_with_the_last() {
    let nodes = nodes(3);
    let ann = observer(&nodes, 0, "ann");
    let (phone, desk) = (joined(&nodes, 1, "bob"), joined(&nodes, 2, "bob"));
    nodes.world.advance(SECOND);
    assert_eq!(heard(&ann), ["presence room +bob"]);
    ann.say("presence room");
    assert_eq!(heard(&ann), ["present room ann,bob 2/3"]);
    phone.cut();
    nodes.world.advance(SECOND);
    assert!(heard(&ann).is_empty());
    desk.cut();
    nodes.world.advance(SECOND);
    assert_eq!(heard(&ann), ["presence room -bob"]);
}

#[test]
fn a_user_who_moves_to_another_node_within_a_moment_is_not_told_at_all() {
    let nodes = nodes(3);
    let ann = observer(&nodes, 0, "ann");
    let bob = joined(&nodes, 1, "bob");
    nodes.world.advance(SECOND);
    heard(&ann);
    bob.cut();
    let _bob = joined(&nodes, 2, "bob");
    nodes.world.advance(SECOND);
    assert!(heard(&ann).is_empty());
    assert_eq!(known(&nodes, 0), (vec!["ann".into(), "bob".into()], 2));
}

#[test]
fn a_channel_that_is_left_and_joined_again_has_the_members_that_are_there() {
    let nodes = nodes(2);
    let ann = observer(&nodes, 0, "ann");
    for _ in 0..3 {
        let bob = joined(&nodes, 1, "bob");
        nodes.world.advance(SECOND);
        assert_eq!((heard(&ann), known(&nodes, 1).1), (vec!["presence room +bob".into()], 2));
        bob.cut();
        nodes.world.advance(SECOND * 6);
        assert_eq!(heard(&ann), ["presence room -bob"]);
    }
}

#[test]
fn a_channel_of_one_node_has_its_own_members_alone() {
    let own = || knowing().channel(|channel| channel.with_scope(Scope::Node));
    let nodes = Nodes::of(World::new(), 2, true, own);
    let ann = observer(&nodes, 0, "ann");
    let _bob = joined(&nodes, 1, "bob");
    nodes.world.advance(SECOND * 40);
    assert!(heard(&ann).is_empty());
    assert_eq!((known(&nodes, 0).1, known(&nodes, 1).1), (1, 1));
}

/// Lets nobody see who is where, but for ann.
struct Discreet;

impl Endpoint for Discreet {
    async fn presence(&self, who: &SessionInfo, _: &ChannelId, _: bool) -> Result<(), Refusal> {
        let may = who.name.as_str() == "ann";
        may.then_some(()).ok_or_else(|| Refusal::permission_denied("ask ann"))
    }
}

#[test]
fn who_may_not_see_presence_sees_nobody_of_other_nodes_either() {
    let nodes = Nodes::of(World::new(), 2, true, || {
        Hub::builder(Discreet).channel(|channel| channel.with_presence(true))
    });
    let (ann, bob) = (enter(&nodes, 0, "ann"), enter(&nodes, 0, "bob"));
    ann.say("subscribe room present");
    bob.say("subscribe room present");
    bob.say("presence room");
    let _eve = joined(&nodes, 1, "eve");
    nodes.world.advance(SECOND);
    assert_eq!(heard(&bob), ["subscribed room 0", "error 103 ask ann"]);
    assert_eq!(heard(&ann).len(), 2);
}

#[test]
fn a_thousand_members_are_known_on_a_node_that_comes_later() {
    let mut nodes = nodes(1);
    let crowd: Vec<_> = (0..1200).map(|n| joined(&nodes, 0, &format!("u{n:04}"))).collect();
    nodes.world.advance(SECOND);
    let late = nodes.add(knowing());
    let ann = observer(&nodes, late, "ann");
    ann.say("presence room");
    let told = heard(&ann);
    assert!(told.last().is_some_and(|line| line.ends_with(" 1201/1201")), "{}", told.len());
    drop(crowd);
}

#[test]
fn a_user_is_shown_as_the_newest_of_its_sessions_on_all_nodes_alike() {
    struct Named;
    impl Endpoint for Named {
        async fn stream_opened(
            &self,
            _: chat_core::SessionId,
            connect: chat_core::Connect,
        ) -> Result<Identity, Refusal> {
            let name = connect.name.ok_or_else(|| Refusal::bad_request("a name"))?;
            let data = Payload::json(format!("\"{name}\""));
            Ok(Identity::named(name).with_user("one".parse().expect("a name")).with_data(data))
        }
    }
    let nodes = Nodes::of(World::new(), 2, true, || {
        Hub::builder(Named).channel(|channel| channel.with_presence(true))
    });
    let shown = |node: usize| {
        let page = nodes.hubs[node].presence(&room()).expect("it keeps presence");
        let one = page.present[0].clone();
        (page.present.len(), one.name.to_string(), one.data, one.sessions)
    };
    let _first = joined(&nodes, 0, "first");
    nodes.world.advance(SECOND);
    let second = joined(&nodes, 1, "second");
    nodes.world.advance(SECOND);
    assert_eq!((shown(0).1.as_str(), shown(0)), ("second", shown(1)));
    let _third = joined(&nodes, 0, "third");
    nodes.world.advance(SECOND);
    second.cut();
    nodes.world.advance(SECOND);
    assert_eq!((shown(1).1.as_str(), shown(0), shown(0).3.len()), ("third", shown(1), 2));
}

#[test]
fn in_every_protocol_the_members_of_all_nodes_are_told() {
    let asks: [(Arc<dyn Protocol>, &[&str]); 3] = [
        (Arc::new(Json), &[r#"{"type":"subscribe","id":1,"channelId":"room","presence":true}"#]),
        (
            Arc::new(Centrifuge::default()),
            &[
                r#"{"id":1,"connect":{}}"#,
                r#"{"id":2,"subscribe":{"channel":"room","join_leave":true}}"#,
                r#"{"id":3,"presence":{"channel":"room"}}"#,
                r#"{"id":4,"presence_stats":{"channel":"room"}}"#,
            ],
        ),
        (Arc::new(Phoenix::default()), &[r#"["1","1","room","phx_join",{}]"#]),
    ];
    for (protocol, asked) in asks {
        let nodes = nodes(2);
        let _bob = joined(&nodes, 1, "bob");
        let _ann = observer(&nodes, 0, "ann");
        let name = protocol.name();
        let eve = nodes.world.connect(&nodes.hubs[0], protocol, Credentials::Later, Way::Bytes);
        asked.iter().for_each(|line| eve.say(line));
        let told = eve.heard().join("\n");
        assert!(told.contains("bob") && told.contains("ann"), "{name}: {told}");
        let dan = joined(&nodes, 1, "dan");
        nodes.world.advance(SECOND);
        let told = eve.heard().join("\n");
        assert!(told.contains("dan"), "{name}: {told}");
        dan.cut();
        nodes.world.advance(SECOND);
        let told = eve.heard().join("\n");
        assert!(told.contains("dan"), "{name}: {told}");
    }
}

#[test]
fn a_word_that_nobody_has_said_is_counted_and_harms_nobody() {
    let nodes = nodes(2);
    let ann = observer(&nodes, 0, "ann");
    let stranger = Arc::new(nodes.broker.memory().node());
    let say = |word: &str| {
        let (stranger, word) = (stranger.clone(), word.into());
        nodes.world.run(async move { stranger.tell(Some(room()), word).await }).expect("it is told");
    };
    let words = ["", "v 1\n\n", "v 1\nnode 1\nlife 1\nnumber 1\ndo changed\n\n+1\t2\n"];
    words.into_iter().for_each(say);
    nodes.world.advance(SECOND);
    assert_eq!(nodes.hubs[0].stats().broker_corrupt, words.len() as u64);
    // One that looks like a node's is heard, and taken out since it is not heard again.
    let ghost = "v 1\nnode 1\nlife 1\nnumber 1\ndo changed\n\n+1\t1700000000000000000\tghost\tghost\t\n";
    say(ghost);
    nodes.world.advance(SECOND);
    assert_eq!(heard(&ann), ["presence room +ghost"]);
    nodes.world.advance(SECOND * 10);
    assert_eq!(heard(&ann), ["presence room -ghost"]);
}
