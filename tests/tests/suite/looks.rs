//! Tests what a hub tells of its channels, its sessions and its subscribers, page by page.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use chat_core::protocol::Credentials;
use chat_core::runtime::Runtime;
use chat_core::testkit::{Script, Way, World};
use chat_core::{
    ChannelId, ChannelOptions, Connect, HistoryOptions, Hub, HubBuilder, Limits, OpenChat, Page, Payload,
    Rate, SessionId, Subscribe,
};
use chat_tests::keeping::{SECOND, durable, id, publish, scene};
use chat_tests::scene::{Scene, each_way};
use chat_tests::speakers::TONGUES;
use chat_tests::store::FaultyStore;
use chat_tests::watching::{Guest, Watching};
use serde_json::{json, to_value};

fn builder() -> HubBuilder {
    let limits = Limits::default().with_requests(Rate::UNBOUNDED).with_answer_entries(10);
    Hub::builder(OpenChat::default()).limits(limits).history(3, SECOND * 60)
}

fn builder_with_presence() -> HubBuilder {
    let history = HistoryOptions::of(3, SECOND * 60).with_bytes(1 << 20);
    builder().channel(move |_| ChannelOptions::default().with_history(history).with_presence(true))
}

/// Reads all pages, of `most` entries each.
fn all<T, K: Clone>(most: usize, read: impl Fn(Option<&K>) -> Page<T, K>) -> Vec<T> {
    let (mut entries, mut after) = (Vec::new(), None);
    loop {
        let page = read(after.as_ref());
        assert!(page.entries.len() <= most, "{} are more than {most}", page.entries.len());
        assert!(page.next.is_none() || page.entries.len() == most, "only the last page may be short");
        entries.extend(page.entries);
        after = page.next;
        if after.is_none() {
            return entries;
        }
    }
}

fn names(hub: &Hub, most: usize) -> Vec<ChannelId> {
    let read = |after: Option<&ChannelId>| hub.channels(after, most);
    all(most.clamp(1, 10), read).into_iter().map(|channel| channel.channel).collect()
}

#[test]
fn every_channel_is_listed_once_whatever_the_size_of_the_pages_and_of_the_shards() {
    for shards in [1, 3, 64] {
        let hub = builder().shards(shards).build(World::new());
        assert_eq!(names(&hub, 5), []);
        let expected: BTreeSet<_> = (0..100).map(|n| id(&format!("room{n}"))).collect();
        expected.iter().for_each(|room| _ = hub.publish(room, Payload::json("1")).expect("a name"));
        let order = names(&hub, 7);
        for most in [0, 1, 3, 10, 10_000] {
            let listed = names(&hub, most);
            assert_eq!(listed.len(), 100, "{shards} shards, pages of {most}");
            assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), expected);
            assert_eq!(listed, order, "the order stays the same");
        }
    }
}

#[test]
fn who_stays_during_the_listing_is_listed_once_though_others_come_and_go() {
    let (world, hub) = (World::new(), builder());
    let hub = hub.shards(4).build(world.clone());
    let stay: BTreeSet<_> = (0..40).map(|n| id(&format!("stay{n}"))).collect();
    let ann = world.open(&hub, "ann");
    stay.iter().for_each(|room| ann.say(&format!("subscribe {room}")));
    let eve = world.open(&hub, "eve");
    let (mut listed, mut after, mut round) = (Vec::new(), None, 0);
    loop {
        let page = hub.channels(after.as_ref(), 3);
        listed.extend(page.entries.iter().map(|channel| channel.channel.clone()));
        eve.say(&format!("subscribe come{round}\nunsubscribe come{}", round / 2));
        (after, round) = (page.next, round + 1);
        if after.is_none() {
            break;
        }
    }
    let unique: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(unique.len(), listed.len(), "none is listed twice");
    assert!(unique.is_superset(&stay), "none is left out");
}

#[test]
fn a_channel_tells_what_it_keeps_and_whether_it_is_stored() {
    each_way(|way| {
        let store = FaultyStore::default();
        let scene = scene(way, &store, durable(2));
        let _ann = scene.join("ann", "room");
        (1..=3).for_each(|n| _ = publish(&scene, "room", &format!("\"message {n}\"")));
        let page = scene.hub.channels(None, 10);
        let room = page.entries[0].clone();
        let expected = json!({
            "channel": "room", "subscribers": 1, "publications": 2, "historyBytes": 22,
            "epoch": room.epoch.to_string(), "offset": 3, "stored": true,
        });
        assert_eq!(to_value(&page).expect("JSON"), json!({"entries": [expected], "next": null}));
        scene.world.advance(SECOND * 100);
        let room = &scene.hub.channels(None, 10).entries[0];
        assert_eq!((room.publications, room.history_bytes, room.offset.0), (0, 0, 3), "all is too old");
        let plain = Scene::open_chat(way);
        plain.join("ann", "room");
        assert!(!plain.hub.channels(None, 10).entries[0].stored);
    });
}

#[test]
fn a_session_tells_who_since_when_from_where_and_what_waits() {
    each_way(|way| {
        let (world, watching) = (World::new(), Watching::new(&World::new()));
        let hub = Hub::builder(watching).build(world.clone());
        world.advance(SECOND * 5);
        let since = world.now().utc;
        let peer: IpAddr = "2001:db8::7".parse().expect("an address");
        let permit = hub.acceptor().permit().expect("room").of_peer(Some(peer.into()));
        let guest = Guest::over(&world, permit, Arc::new(Script), Credentials::Later, way);
        let new = hub.session(guest.id).expect("it is there");
        assert_eq!((new.name, new.user, new.since, new.channels), (None, None, since, 0), "not open yet");
        guest.say("connect ann");
        guest.say("subscribe a\nsubscribe b\nsubscribe c\nunsubscribe b");
        world.advance(SECOND * 5);
        guest.wire.stall();
        hub.publish("a", Payload::json("1")).expect("a name");
        let status = hub.session(guest.id).expect("it is there");
        assert!(status.waiting_frames == 1 && status.waiting_bytes > 10, "{status:?}");
        let expected = json!({
            "session": guest.id, "user": "ann", "name": "ann", "since": "2026-01-01T00:00:05Z",
            "peer": "2001:db8::/64", "protocol": "script", "channels": 2,
            "waitingFrames": 1, "waitingBytes": status.waiting_bytes,
        });
        assert_eq!(to_value(&status).expect("JSON"), expected);
        guest.wire.flow();
        guest.drop_connection();
        assert_eq!((hub.session(guest.id), hub.sessions(None, 10).entries), (None, vec![]));
    });
}

#[test]
fn sessions_are_listed_in_the_order_of_their_ids_over_every_protocol() {
    let (world, hub) = (World::new(), builder());
    let hub = hub.build(world.clone());
    let clients: Vec<_> = (0..25)
        .map(|n| {
            let credentials = Credentials::Now(Connect::named(format!("c{n}").parse().ok()));
            world.connect(&hub, (TONGUES[n % TONGUES.len()].protocol)(), credentials, Way::Bytes)
        })
        .collect();
    let sessions = all(10, |after: Option<&SessionId>| hub.sessions(after.copied(), 10_000));
    let ids: Vec<_> = sessions.iter().map(|session| session.session).collect();
    assert!(ids.is_sorted() && ids.len() == 25);
    let protocols: BTreeSet<_> = sessions.iter().map(|session| session.protocol).collect();
    assert_eq!(protocols.len(), TONGUES.len(), "{protocols:?}");
    clients[3].cut();
    let read = |after: Option<&SessionId>| hub.sessions(after.copied(), 4);
    let left: Vec<_> = all(4, read).into_iter().map(|session| session.session).collect();
    assert_eq!(left, [&ids[..3], &ids[4..]].concat());
}

#[test]
fn subscribers_are_listed_once_with_the_time_at_which_they_joined() {
    let (world, hub) = (World::new(), builder());
    let hub = hub.build(world.clone());
    let room = id("room");
    assert_eq!(hub.subscribers(&room, None, 10).entries, [], "there is no such channel");
    let begin = world.now().utc;
    let clients: Vec<_> = (0..30).map(|n| world.open(&hub, &format!("c{n}"))).collect();
    for client in &clients {
        world.advance(SECOND);
        client.say("subscribe room");
    }
    let read = |after: Option<&SessionId>| hub.subscribers(&room, after.copied(), 7);
    let listed = all(7, read);
    let seconds: Vec<_> = listed.iter().map(|one| (one.subscribed - begin).num_seconds()).collect();
    assert_eq!(seconds, (1..=30).collect::<Vec<_>>());
    clients[0].say("unsubscribe room");
    clients[17].cut();
    let users: Vec<_> = all(7, read).into_iter().filter_map(|one| one.session.user).collect();
    assert_eq!(users.len(), 28);
    assert!(!users.iter().any(|user| matches!(user.as_str(), "c0" | "c17")));
    let first = to_value(hub.subscribers(&room, None, 1)).expect("JSON");
    assert_eq!((&first["entries"][0]["user"], &first["entries"][0]["channels"]), (&json!("c1"), &json!(1)));
}

#[test]
fn a_session_that_is_renamed_by_a_refresh_is_listed_under_its_present_data() {
    let world = World::new();
    let hub = Hub::builder(Watching::new(&world)).build(world.clone());
    let guest = Guest::connect(&world, &hub, Script, ("ann", Some("invited")), Way::Bytes);
    let before = hub.session(guest.id).expect("it is there");
    assert_eq!((before.channels, before.user.map(|user| user.to_string())), (1, Some("ann".into())));
    guest.say("refresh as-anna");
    let after = hub.session(guest.id).expect("it is there");
    assert_eq!((after.channels, after.name.map(|name| name.to_string())), (1, Some("anna".into())));
    guest.say("refresh away");
    assert_eq!(hub.session(guest.id).expect("it is there").channels, 0, "it had to leave");
}

#[test]
fn what_is_sent_to_one_session_reaches_no_other_of_the_same_user() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let (ann, again) = (scene.enter("ann"), scene.enter("ann"));
        let sessions = scene.hub.sessions_of(&"ann".parse().expect("a name"));
        assert!(scene.hub.send(sessions[1], &Payload::json("7")));
        assert_eq!((ann.heard(), again.heard()), (vec![], vec!["direct 7".to_owned()]));
        again.cut();
        assert!(!scene.hub.send(sessions[1], &Payload::json("8")));
    });
}

#[test]
fn nothing_is_sent_to_who_is_not_admitted_yet_and_the_caller_is_told_so() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let ann = scene.world.connect(&scene.hub, Arc::new(Script), Credentials::Later, way);
        let session = scene.hub.sessions(None, 10).entries[0].session;
        let (send, room) = (|| scene.hub.send(session, &Payload::json("7")), Subscribe::to(id("room")));
        assert!(!send() && !scene.hub.subscribe(session, &room), "nobody knows who that is");
        assert_eq!(ann.heard(), [""; 0]);
        ann.say("connect ann");
        assert!(send() && scene.hub.subscribe(session, &room));
        assert_eq!(ann.heard(), ["connected 1 ann", "direct 7", "subscribed room 0"]);
    });
}

#[test]
fn history_and_presence_are_serialized_as_a_handler_of_http_returns_them() {
    let scene = Scene::of(World::new(), Way::Bytes, builder_with_presence());
    let ann = scene.join("ann", "room");
    ann.say("publish room {\"text\": \"h\\u00e9\"}\nedit room 1 \"x\"");
    let request = chat_core::HistoryRequest::of(id("room"), 10);
    let page = to_value(scene.hub.history(&request).expect("it is there")).expect("JSON");
    let first = &page["publications"][0];
    assert_eq!(first["message"]["content"], json!({"text": "hé"}), "{page}");
    assert_eq!((&first["message"]["senderName"], &first["author"]), (&json!("ann"), &json!("ann")));
    assert_eq!((&page["publications"][1]["refers"], &page["more"]), (&json!({"edit": 1}), &json!(false)));
    assert_eq!((first.get("key"), &page["epoch"].as_str().map(str::len)), (None, &Some(16)));
    let present = to_value(scene.hub.presence(&id("room"))).expect("JSON");
    assert_eq!((&present["users"], &present["present"][0]["user"]), (&json!(1), &json!("ann")));
    let stats = to_value(scene.hub.stats()).expect("JSON");
    assert_eq!((&stats["sessions"], &stats["hookPanics"]), (&json!(1), &json!(0)));
    assert!(
        to_value(scene.hub.publish("room", Payload::json("1")).expect("a name"))
            .is_ok_and(|told| told.is_object())
    );
}
