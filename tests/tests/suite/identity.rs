//! Tests the identity of a session: refreshed, expired, counted; and server commands to all sessions of one
//! user.

use std::time::Duration;

use chat_core::testkit::{Client, Way};
use chat_core::{
    Attachment, ChannelId, Close, Connect, Endpoint, Identity, Limits, Payload, Refusal, SessionId,
    SessionInfo, Subscribe, SubscribeOptions, Token, UserId,
};
use chat_tests::scene::{Scene, each_way};
use chrono::{DateTime, TimeDelta};

const SECOND: Duration = Duration::from_secs(1);

/// Reads a token as `USER:SECONDS:CHANNEL,CHANNEL`: the user, the second of the world until which it is
/// valid, and the channels that may be joined. A session without a token is a guest.
struct Tokens;

/// Holds the data that the endpoint attaches to a session.
struct Rights(Vec<ChannelId>);

/// Is the time at which worlds begin.
const BEGINNING: i64 = 1_767_225_600;

fn read(token: &Token) -> Result<Identity, Refusal> {
    let bad = || Refusal::unauthorized("no token");
    let [user, seconds, channels] = token.0.split(':').collect::<Vec<_>>()[..] else { return Err(bad()) };
    let seconds: i64 = seconds.parse().map_err(|_| bad())?;
    let channels = channels.split(',').filter_map(|channel| channel.parse().ok()).collect();
    Ok(Identity::named(user.parse()?)
        .with_expires(DateTime::from_timestamp(BEGINNING + seconds, 0))
        .with_attachment(Attachment::new(Rights(channels))))
}

fn may(session: &SessionInfo, channel: &ChannelId) -> Result<(), Refusal> {
    let rights = session.attachment.get::<Rights>();
    let allowed = rights.is_none_or(|rights| rights.0.contains(channel));
    allowed.then_some(()).ok_or_else(|| Refusal::permission_denied("not yours"))
}

impl Endpoint for Tokens {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        match connect.token {
            Some(token) => read(&token),
            None => Ok(Identity::named(connect.name.expect("these say who they are"))),
        }
    }

    async fn refresh(&self, _: &SessionInfo, token: Token) -> Result<Identity, Refusal> {
        read(&token)
    }

    async fn stay(&self, session: &SessionInfo, channel: &ChannelId) -> Result<(), Refusal> {
        may(session, channel)
    }

    async fn subscribe(&self, session: &SessionInfo, wish: Subscribe) -> Result<SubscribeOptions, Refusal> {
        may(session, &wish.channel)?;
        Ok(SubscribeOptions::of(&wish))
    }
}

fn scene(way: Way) -> Scene {
    Scene::new(way, Tokens, Limits::default())
}

/// Connects a session with a token.
fn let_in(scene: &Scene, token: &str) -> Client {
    let client = scene.approach();
    client.say(&format!("connect any {token}"));
    client
}

fn user(name: &str) -> UserId {
    name.parse().expect("a name")
}

fn channel(name: &str) -> ChannelId {
    name.parse().expect("a name")
}

#[test]
fn a_session_ends_when_its_token_does_and_a_refreshed_one_goes_on() {
    each_way(|way| {
        let scene = scene(way);
        let (ann, bob) = (let_in(&scene, "ann:20:room"), let_in(&scene, "bob:20:room"));
        scene.world.advance(SECOND * 19);
        bob.say("refresh bob:60:room");
        assert_eq!(bob.heard(), ["connected 2 bob", "refreshed"]);
        scene.world.advance(SECOND);
        assert_eq!(ann.close(), Some(Close::EXPIRED));
        assert_eq!(bob.close(), None);
        scene.world.advance(SECOND * 40);
        assert_eq!(bob.close(), Some(Close::EXPIRED));
    });
}

#[test]
fn a_wall_clock_that_jumps_ends_no_session() {
    each_way(|way| {
        let scene = scene(way);
        let ann = let_in(&scene, "ann:20:room");
        scene.world.jump(TimeDelta::hours(-1));
        scene.world.jump(TimeDelta::hours(2));
        scene.world.advance(SECOND * 19);
        assert_eq!(ann.close(), None);
        scene.world.advance(SECOND);
        assert_eq!(ann.close(), Some(Close::EXPIRED));
    });
}

#[test]
fn a_token_that_has_expired_lets_nobody_in_and_says_to_come_back_with_another() {
    each_way(|way| {
        let scene = scene(way);
        scene.world.advance(SECOND * 5);
        let ann = let_in(&scene, "ann:5:room");
        assert_eq!(ann.close(), Some(Close::EXPIRED));
        let bad = let_in(&scene, "nonsense");
        assert_eq!(bad.close(), Some(Close::INVALID_TOKEN));
    });
}

#[test]
fn a_refresh_takes_out_of_what_is_not_allowed_any_more_before_it_is_answered() {
    each_way(|way| {
        let scene = scene(way);
        let (ann, bob) = (let_in(&scene, "ann:60:a,b,c"), scene.join("bob", "b"));
        for channel in ["a", "b", "c"] {
            ann.say(&format!("subscribe {channel}"));
        }
        ann.heard();
        ann.say("#1 refresh ann:90:a,c");
        assert_eq!(ann.heard(), ["unsubscribed b 103 not yours", "#1 refreshed"]);
        bob.say("publish b 1");
        assert!(ann.heard().is_empty());
        ann.say("subscribe b");
        ann.say("publish a 2");
        assert_eq!(ann.heard(), ["error 103 not yours", "message a 1 ann 2"]);
    });
}

#[test]
fn a_refresh_cannot_make_another_user_of_a_session() {
    each_way(|way| {
        let scene = scene(way);
        let ann = let_in(&scene, "ann:60:a");
        ann.say("refresh bob:90:a");
        ann.say("refresh nonsense");
        let heard = ann.heard();
        assert_eq!(heard[1..], ["error 101 that is the token of another user", "error 101 no token"]);
        scene.world.advance(SECOND * 60);
        assert_eq!(ann.close(), Some(Close::EXPIRED));
    });
}

#[test]
fn a_user_has_as_many_sessions_as_the_bound_says_and_not_one_more() {
    each_way(|way| {
        let scene = scene(way);
        let all: Vec<Client> = (0..64).map(|_| scene.enter("ann")).collect();
        assert!(all.iter().all(|client| client.close().is_none()));
        let more = scene.enter("ann");
        assert_eq!(more.close(), Some(Close::TOO_MANY_SESSIONS));
        assert_eq!(more.heard()[0], "error 106 a user has at most 64 sessions");
        assert_eq!(scene.enter("bob").close(), None);
        all[7].cut();
        assert_eq!(scene.enter("ann").close(), None);
        assert_eq!(scene.hub.sessions_of(&user("ann")).len(), 64);
    });
}

#[test]
fn the_server_says_something_to_every_session_of_a_user_and_to_nobody_else() {
    each_way(|way| {
        let scene = scene(way);
        let (phone, desk, bob) = (scene.enter("ann"), scene.enter("ann"), scene.enter("bob"));
        assert_eq!(scene.hub.send_to_user(&user("ann"), &Payload::json("7")), 2);
        assert_eq!(scene.hub.send_to_user(&user("nobody"), &Payload::json("7")), 0);
        assert_eq!((phone.heard(), desk.heard()), (vec!["direct 7".to_owned()], vec!["direct 7".to_owned()]));
        assert!(bob.heard().is_empty());
    });
}

#[test]
fn the_server_takes_a_user_out_of_a_channel_and_puts_it_in_again() {
    each_way(|way| {
        let scene = scene(way);
        let (phone, desk) = (scene.join("ann", "room"), scene.enter("ann"));
        let bob = scene.join("bob", "room");
        let out = Refusal::permission_denied("the server took you out");
        assert_eq!(scene.hub.unsubscribe_user(&user("ann"), &channel("room"), &out), 2);
        bob.say("publish room 1");
        assert_eq!(phone.heard(), ["unsubscribed room 103 the server took you out"]);
        assert_eq!(scene.hub.subscribe_user(&user("ann"), &Subscribe::to(channel("room"))), 2);
        bob.say("publish room 2");
        let heard = ["subscribed room 1", "message room 2 bob 2"];
        assert_eq!(
            (phone.heard(), desk.heard()),
            (heard.map(String::from).into(), heard.map(String::from).into())
        );
    });
}

#[test]
fn the_server_ends_every_session_of_a_user_with_what_waits_for_it() {
    each_way(|way| {
        let scene = scene(way);
        let (phone, desk, bob) = (scene.join("ann", "room"), scene.join("ann", "room"), scene.enter("bob"));
        scene.hub.publish("room", Payload::json("1")).expect("a name");
        assert_eq!(scene.hub.disconnect_user(&user("ann"), &Close::new(4500, "banned")), 2);
        for client in [phone, desk] {
            assert_eq!(client.heard(), ["message room 1 server 1", "close 4500 banned"]);
        }
        assert_eq!((bob.close(), scene.hub.sessions_of(&user("ann"))), (None, vec![]));
    });
}
