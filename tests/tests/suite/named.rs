//! Tests the names of users: over a restart, over a rename, and when one of several sessions is gone.

use std::sync::Arc;
use std::time::Duration;

use chat_core::protocol::Credentials;
use chat_core::runtime::Runtime;
use chat_core::testkit::World;
use chat_core::{
    ChannelId, ChannelOptions, Close, Connect, Endpoint, HistoryOptions, Hub, Identity, OpenChat, Refusal,
    SenderName, SessionId, SessionInfo, Storage, Subscribe, UserId,
};
use chat_protocol::serverpod::Legacy;
use chat_tests::scene::{Scene, each_way};
use chat_tests::store::FaultyStore;

const SECOND: Duration = Duration::from_secs(1);

/// Makes all sessions one user, each under the name that it gives.
struct OneUser;

impl Endpoint for OneUser {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let name = connect.name.expect("a name");
        Ok(Identity::named(name).with_user("u-1".parse()?))
    }
}

#[test]
fn nobody_is_shown_under_the_name_of_a_session_that_is_gone() {
    each_way(|way| {
        let options = ChannelOptions::default().with_presence(true);
        let scene = Scene::of(World::new(), way, Hub::builder(OneUser).channel(|_| options));
        let (_ann, anna) = (scene.join("Ann", "room"), scene.join("Anna", "room"));
        anna.say("unsubscribe room");
        let page = scene.hub.presence(&"room".parse().expect("a name")).expect("known");
        let shown: Vec<_> =
            page.present.iter().map(|one| (one.name.to_string(), one.sessions.len())).collect();
        assert_eq!(shown, [("Ann".to_owned(), 1)]);
    });
}

#[test]
fn a_guest_of_the_next_life_of_a_server_is_not_taken_for_one_of_the_last() {
    each_way(|way| {
        let store = FaultyStore::default();
        let start = || {
            let history = HistoryOptions::of(10, SECOND * 60).with_bytes(1 << 20);
            let options = ChannelOptions::default()
                .with_history(history)
                .with_storage(Storage::Kept)
                .with_presence(true);
            let hub = Hub::builder(OpenChat::default()).channel(|_| options).store(store.clone());
            Scene::of(World::new(), way, hub)
        };
        let first = start();
        let guest = first.approach();
        guest.say("subscribe room");
        guest.say("once room k \"mine\"");
        guest.say("read room 1");
        first.world.advance(SECOND);
        let hub = first.hub.clone();
        first.world.run(async move { hub.drain(SECOND).await });
        let second = start();
        let stranger = second.approach();
        stranger.say("subscribe room");
        second.world.advance(SECOND);
        stranger.say("#1 edit room 1 \"not mine\"");
        stranger.say("#2 once room k \"something new\"");
        second.world.advance(SECOND);
        let heard: Vec<_> = stranger.heard().into_iter().filter(|line| line.starts_with('#')).collect();
        let page = second.hub.presence(&"room".parse().expect("a name")).expect("known");
        assert!(heard[0].starts_with("#1 error 103 "), "{heard:?}");
        assert_eq!(heard[1], "#2 published room 2", "what it says anew is said");
        assert_eq!(page.present[0].read.0, 0, "it has read nothing");
    });
}

/// Tests that a name is refused that looks the same as one that is taken, or as the server's.
#[test]
fn nobody_wishes_for_what_looks_like_the_name_of_a_guest_or_like_nothing() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        for name in
            ["guest-1\u{200b}", "\u{ff47}uest-1", "guest-\u{ff11}", " guest-1", " \u{200b}", "\u{2800}"]
        {
            assert_eq!(scene.enter(name).close(), Some(Close::PERMISSION_DENIED), "{name:?}");
        }
    });
}

/// Answers every rename after a second.
struct Slow(World);

impl Endpoint for Slow {
    async fn rename(&self, _: &SessionInfo, name: SenderName) -> Result<SenderName, Refusal> {
        let deadline = self.0.now().instant + SECOND;
        self.0.sleep_until(deadline).await;
        Ok(name)
    }
}

#[test]
fn who_is_put_in_and_taken_out_while_its_name_is_thought_about_is_shown_under_one_name() {
    each_way(|way| {
        let world = World::new();
        let options = ChannelOptions::default().with_presence(true);
        let scene = Scene::of(world.clone(), way, Hub::builder(Slow(world)).channel(|_| options));
        let room = |name: &str| name.parse::<ChannelId>().expect("a name");
        let guest = scene.enter_by(Arc::new(Legacy), Credentials::Now(Connect::default()));
        let ann = scene.enter("ann");
        ["room", "late", "gone"].iter().for_each(|name| ann.say(&format!("subscribe {name} present")));
        let join = |name: &str| {
            guest.say(&format!(r#"{{"endpoint":"chat","object":{{"className":"ChannelSubscription","data":{{"channelId":"{name}","subscribe":true}}}}}}"#));
        };
        ["room", "gone"].into_iter().for_each(join);
        guest.say(r#"{"endpoint":"chat","object":{"className":"ChatMessage","data":{"senderName":"Zo","content":"1","channelId":"room"}}}"#);
        scene.world.advance(SECOND / 2);
        let user = "guest-1".parse::<UserId>().expect("a name");
        scene.hub.subscribe_user(&user, &Subscribe::to(room("late")));
        scene.hub.unsubscribe_user(&user, &room("gone"), &Refusal::permission_denied("out"));
        scene.world.advance(SECOND);
        let shown = |name: &str| {
            let page = scene.hub.presence(&room(name)).expect("known");
            page.present.iter().map(|one| one.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            (shown("room"), shown("late"), shown("gone")),
            (
                vec!["ann".to_owned(), "Zo".to_owned()],
                vec!["ann".to_owned(), "Zo".to_owned()],
                vec!["ann".to_owned()],
            )
        );
        assert!(ann.heard().iter().any(|line| line == "message room 1 Zo \"1\""));
        // Disconnected while it is thought about: nothing of it stays.
        let other = scene.enter_by(Arc::new(Legacy), Credentials::Now(Connect::default()));
        other.say(r#"{"endpoint":"chat","object":{"className":"ChannelSubscription","data":{"channelId":"room","subscribe":true}}}"#);
        other.say(r#"{"endpoint":"chat","object":{"className":"ChatMessage","data":{"senderName":"Yo","content":"1","channelId":"room"}}}"#);
        scene.hub.disconnect_user(&"guest-3".parse().expect("a name"), &Close::NORMAL);
        scene.world.advance(SECOND * 10);
        assert_eq!(shown("room"), ["ann", "Zo"]);
        assert_eq!(scene.hub.sessions_of(&"guest-3".parse().expect("a name")), []);
    });
}
