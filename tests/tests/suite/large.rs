//! Tests channels of thousands of subscribers, which are flushed in pieces so that others continue meanwhile,
//! with the same promises.

use chat_core::Payload;
use chat_core::testkit::{Client, Way};
use chat_core::transport::Incoming;
use chat_tests::scene::{Scene, each_way};

const MEMBERS: usize = 1_100;

/// Fills a room with so many subscribers that one flush takes many turns.
fn crowd(scene: &Scene) -> Vec<Client> {
    let members: Vec<_> = (0..MEMBERS).map(|n| scene.enter(&format!("m{n}"))).collect();
    for member in &members {
        member.wire().put(Ok(Incoming::Text("subscribe room quietly".into())));
    }
    scene.world.settle();
    for member in &members {
        assert_eq!(heard(member), ["subscribed room 0"]);
    }
    members
}

/// Returns the frames that a client has heard by now, without letting the world go on.
fn heard(client: &Client) -> Vec<String> {
    std::iter::from_fn(|| client.wire().next()).map(|heard| heard.to_string()).collect()
}

fn publish(scene: &Scene, content: &str) {
    scene.hub.publish("room", Payload::json(content)).expect("a name");
}

/// Publishes, and lets the flush come about half way: all members are alike but for what it has done.
fn publish_half(scene: &Scene, members: &[Client]) {
    publish(scene, "1");
    let touches = |n: usize| members[n].wire().touches();
    while touches(MEMBERS / 2) == touches(MEMBERS - 1) {
        assert!(scene.world.turn(), "the flush goes on");
    }
}

fn turn_until(scene: &Scene, subscriptions: usize) {
    while scene.hub.stats().subscriptions != subscriptions as u64 {
        assert!(scene.world.turn(), "somebody joins or leaves");
    }
}

#[test]
fn another_session_is_answered_while_a_channel_of_thousands_is_flushed() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let (members, ann) = (crowd(&scene), scene.enter("ann"));
        publish(&scene, "1");
        ann.wire().put(Ok(Incoming::Text("ping".into())));
        let answered = std::iter::repeat_with(|| scene.world.turn()).take(8).any(|_| heard(&ann) == ["pong"]);
        assert!(answered, "the ping waited for more than a few turns");
        assert!(members.iter().any(|member| heard(member).is_empty()), "some have not been reached yet");
    });
}

#[test]
fn who_leaves_while_a_flush_is_half_done_hears_what_was_published_and_who_joins_does_not() {
    let scene = Scene::open_chat(Way::Bytes);
    let (members, late) = (crowd(&scene), scene.enter("late"));
    publish_half(&scene, &members);
    let last = &members[MEMBERS - 1];
    last.wire().put(Ok(Incoming::Text("unsubscribe room".into())));
    turn_until(&scene, MEMBERS - 1);
    late.wire().put(Ok(Incoming::Text("subscribe room".into())));
    turn_until(&scene, MEMBERS);
    assert!(heard(&members[MEMBERS - 2]).is_empty(), "the flush is under way still");
    publish(&scene, "2");
    scene.world.settle();
    assert_eq!(heard(last), ["message room 1 server 1", "unsubscribed room"]);
    let joined = heard(&late);
    assert!(
        joined[0].starts_with("subscribed room") && !joined.iter().any(|line| line.contains("room 1 server"))
    );
    for member in &members[..MEMBERS - 1] {
        assert_eq!(heard(member), ["message room 1 server 1", "message room 2 server 2"]);
    }
}

#[test]
fn all_that_is_published_while_a_flush_is_half_done_follows_in_order() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let members = crowd(&scene);
        for n in 1..=30 {
            publish(&scene, &n.to_string());
            scene.world.turn();
        }
        scene.world.settle();
        let all: Vec<_> = (1..=30).map(|n| format!("message room {n} server {n}")).collect();
        assert!(members.iter().all(|member| heard(member) == all));
        assert_eq!(scene.hub.stats().deliveries, 30 * MEMBERS as u64);
    });
}

#[test]
fn a_channel_that_goes_while_it_is_flushed_comes_back_anew() {
    let scene = Scene::open_chat(Way::Bytes);
    let members = crowd(&scene);
    publish_half(&scene, &members);
    members.iter().for_each(|member| member.wire().cut());
    scene.world.settle();
    let ann = scene.join("ann", "room");
    publish(&scene, "2");
    assert!(ann.heard()[0].ends_with("server 2"));
    assert_eq!(scene.hub.stats().subscriptions, 1);
}
