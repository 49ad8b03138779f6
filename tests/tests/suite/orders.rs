//! Tests that commands of the server to its users hold, whatever is under way: a hook that waits, a channel
//! that is restored, a session that opens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chat_core::runtime::Runtime;
use chat_core::testkit::{Client, Way, World};
use chat_core::{
    ChannelId, ChannelOptions, Close, Connect, Endpoint, HistoryOptions, HistoryRequest, Hub, Identity,
    Payload, Publish, PublishContext, Refusal, SessionId, SessionInfo, Storage, Subscribe, SubscribeOptions,
    Token, UserId,
};
use chat_tests::scene::{Scene, each_way};
use chat_tests::speakers::TONGUES;
use chat_tests::store::{FaultyStore, Mood};
use chrono::{DateTime, TimeDelta, Utc};

const SECOND: Duration = Duration::from_secs(1);

/// Takes a second for everything but joins, and lets members do all.
#[derive(Clone)]
struct Thinker {
    world: World,
    /// Counts how often a session was opened.
    openings: Arc<AtomicUsize>,
    /// Counts all other calls of hooks.
    asked: Arc<AtomicUsize>,
}

impl Thinker {
    fn new(world: &World) -> Self {
        Self { world: world.clone(), openings: Arc::default(), asked: Arc::default() }
    }

    async fn think(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.world.sleep_until(self.world.instant() + SECOND).await;
    }
}

fn members_only(member: bool) -> Result<(), Refusal> {
    member.then_some(()).ok_or_else(|| Refusal::permission_denied("no member"))
}

impl Endpoint for Thinker {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        self.openings.fetch_add(1, Ordering::Relaxed);
        let name = connect.token.map_or_else(|| "ann".into(), |token| token.0.to_string());
        let subscriptions = match &*name {
            "late" => vec![Subscribe::to("lobby".parse()?)],
            _ => Vec::new(),
        };
        if name == "late" {
            self.think().await;
        }
        Ok(Identity::named(name.parse()?).with_subscriptions(subscriptions))
    }

    async fn refresh(&self, session: &SessionInfo, _: Token) -> Result<Identity, Refusal> {
        self.think().await;
        Ok(Identity::named(session.name.clone()))
    }

    async fn stay(&self, _: &SessionInfo, channel: &ChannelId) -> Result<(), Refusal> {
        members_only(channel.as_str() != "barred")
    }

    /// Lets sessions stay in the channel `brief` for half a second.
    async fn subscribe(&self, _: &SessionInfo, wish: Subscribe) -> Result<SubscribeOptions, Refusal> {
        if wish.channel.as_str() == "slow" {
            self.think().await;
        }
        let brief = wish.channel.as_str() == "brief";
        let expires = brief.then(|| self.world.now().utc + TimeDelta::milliseconds(500));
        Ok(SubscribeOptions::of(&wish).with_expires(expires))
    }

    async fn refresh_subscription(
        &self,
        _: &SessionInfo,
        _: &ChannelId,
        _: Token,
    ) -> Result<Option<DateTime<Utc>>, Refusal> {
        self.think().await;
        Ok(None)
    }

    async fn publish(
        &self,
        _: &SessionInfo,
        wish: Publish,
        standing: PublishContext,
    ) -> Result<Publish, Refusal> {
        self.think().await;
        members_only(standing.member).map(|()| wish)
    }

    async fn history(
        &self,
        _: &SessionInfo,
        wish: HistoryRequest,
        member: bool,
    ) -> Result<HistoryRequest, Refusal> {
        self.think().await;
        members_only(member).map(|()| wish)
    }

    async fn presence(&self, _: &SessionInfo, _: &ChannelId, member: bool) -> Result<(), Refusal> {
        self.think().await;
        members_only(member)
    }
}

fn scene(way: Way, storage: Storage) -> (Scene, Thinker) {
    scene_in(World::new(), way, storage)
}

fn scene_in(world: World, way: Way, storage: Storage) -> (Scene, Thinker) {
    let history = HistoryOptions::of(10, SECOND * 600).with_bytes(1 << 20);
    let options = ChannelOptions::default().with_history(history).with_storage(storage).with_presence(true);
    let thinker = Thinker::new(&world);
    let store = FaultyStore::default();
    store.move_to(&world);
    store.be(Mood::Slow(SECOND));
    let hub = Hub::builder(thinker.clone()).channel(|_| options).store(store);
    (Scene::of(world, way, hub), thinker)
}

fn room() -> ChannelId {
    "room".parse().expect("a name")
}

fn user(name: &str) -> UserId {
    name.parse().expect("a name")
}

fn out() -> Refusal {
    Refusal::permission_denied("out")
}

fn take_out(scene: &Scene, name: &str, channel: &str) {
    scene.hub.unsubscribe_user(&user(name), &channel.parse().expect("a name"), &out());
}

fn put_in(scene: &Scene, name: &str, channel: &str) {
    scene.hub.subscribe_user(&user(name), &Subscribe::to(channel.parse().expect("a name")));
}

/// Returns how many sessions are in a channel.
fn members(scene: &Scene, channel: &str) -> usize {
    scene.world.advance(SECOND * 10);
    scene.hub.presence(&channel.parse().expect("a name")).map_or(0, |page| page.sessions)
}

/// Connects a session that has joined `room`, with no frames left to read.
fn join(scene: &Scene, name: &str) -> Client {
    let client = scene.enter_with(chat_core::testkit::Script, name);
    client.say("subscribe room");
    scene.world.advance(SECOND * 5);
    assert!(client.heard().iter().any(|line| line.starts_with("subscribed room")), "{name} is in");
    client
}

/// Lists all requests of a member, and how a member is answered.
const REQUESTS: [(&str, &str); 5] = [
    ("#1 publish room 7", "#1 published room 1"),
    ("#1 event room seen 7", "#1 published room 1"),
    ("#1 history room", "#1 history room 0"),
    ("#1 presence room", "#1 present room "),
    ("#1 stay room token", "#1 stays room"),
];

#[test]
fn who_is_taken_out_while_a_hook_thinks_neither_speaks_nor_reads_nor_stays() {
    each_way(|way| {
        for storage in [Storage::None, Storage::Kept] {
            for (request, _) in REQUESTS {
                let (scene, _) = scene(way, storage);
                let (eve, bob) = (join(&scene, "eve"), join(&scene, "bob"));
                eve.say(request);
                scene.world.advance(SECOND / 2);
                take_out(&scene, "eve", "room");
                scene.world.advance(SECOND * 5);
                let heard = eve.heard();
                assert_eq!(heard[0], "unsubscribed room 103 out", "{request}");
                assert!(heard[1].starts_with("#1 error 103 ") && heard.len() == 2, "{request}: {heard:?}");
                assert!(!bob.heard().iter().any(|line| line.ends_with(" 7")), "{request}");
            }
        }
    });
}

#[test]
fn who_is_taken_out_and_put_in_again_is_asked_about_again_and_then_heard_once() {
    each_way(|way| {
        for (request, answer) in REQUESTS {
            let (scene, thinker) = scene(way, Storage::None);
            let eve = join(&scene, "eve");
            eve.say(request);
            scene.world.advance(SECOND / 2);
            take_out(&scene, "eve", "room");
            put_in(&scene, "eve", "room");
            scene.world.advance(SECOND * 5);
            let heard = eve.heard();
            let answers = heard.iter().filter(|line| line.starts_with("#1")).collect::<Vec<_>>();
            assert!(answers.len() == 1 && answers[0].starts_with(answer), "{request}: {heard:?}");
            assert_eq!(thinker.asked.load(Ordering::Relaxed), 2, "{request}");
        }
    });
}

#[test]
fn who_comes_and_goes_as_often_as_may_be_is_answered_and_once_more_is_refused() {
    each_way(|way| {
        for (request, answer) in REQUESTS {
            for (times, expected) in [(3, answer), (4, "#1 error 108 the session came and went too often")] {
                let (scene, thinker) = scene(way, Storage::None);
                let eve = join(&scene, "eve");
                eve.say(request);
                for _ in 0..times {
                    scene.world.advance(SECOND / 2);
                    take_out(&scene, "eve", "room");
                    put_in(&scene, "eve", "room");
                    scene.world.advance(SECOND / 2);
                }
                scene.world.advance(SECOND * 5);
                let heard = eve.heard();
                let answers = heard.iter().filter(|line| line.starts_with("#1")).collect::<Vec<_>>();
                assert!(answers.len() == 1 && answers[0].starts_with(expected), "{request}: {heard:?}");
                assert_eq!(thinker.asked.load(Ordering::Relaxed), 4, "{request}");
                eve.say("ping");
                assert_eq!(eve.heard(), ["pong"], "it goes on");
            }
        }
    });
}

#[test]
fn who_is_put_in_while_it_is_refreshed_stays_only_where_it_may() {
    each_way(|way| {
        let (scene, _) = scene(way, Storage::None);
        let eve = join(&scene, "eve");
        eve.say("refresh token");
        put_in(&scene, "eve", "barred");
        put_in(&scene, "eve", "other");
        scene.world.advance(SECOND * 5);
        assert_eq!(
            eve.heard(),
            ["subscribed barred 0", "subscribed other 0", "unsubscribed barred 103 no member", "refreshed"]
        );
    });
}

#[test]
fn a_right_that_ends_while_a_hook_thinks_is_no_right_any_more() {
    each_way(|way| {
        for request in ["publish", "history", "presence"] {
            let (scene, _) = scene(way, Storage::None);
            let eve = join(&scene, "eve");
            eve.say("subscribe brief");
            eve.say(&format!("#1 {request} brief"));
            scene.world.advance(SECOND * 5);
            assert_eq!(
                eve.heard(),
                [
                    "subscribed brief 0",
                    "unsubscribed brief 110 what allowed it has expired",
                    "#1 error 103 no member"
                ]
            );
        }
    });
}

#[test]
fn who_is_taken_out_while_it_is_asked_whether_it_may_join_is_out() {
    each_way(|way| {
        let (scene, _) = scene(way, Storage::Kept);
        let eve = scene.enter_with(chat_core::testkit::Script, "eve");
        // While the hook thinks, and while the channel is restored.
        for channel in ["slow", "room"] {
            eve.say(&format!("#1 subscribe {channel}"));
            scene.world.advance(SECOND / 2);
            take_out(&scene, "eve", channel);
            assert_eq!(eve.heard(), ["#1 error 103 out"]);
            assert_eq!(members(&scene, channel), 0);
        }
        eve.say("#2 subscribe room");
        scene.world.advance(SECOND * 5);
        assert_eq!(eve.heard()[0], "#2 subscribed room 0");
    });
}

#[derive(Clone, Copy, Debug)]
enum Act {
    PutIn,
    TakeOut,
    Leave,
    Join,
}

#[test]
fn the_last_order_stands_in_every_protocol_also_while_the_channel_is_restored() {
    use Act::{Join, Leave, PutIn, TakeOut};
    let scripts: [(&[Act], usize); 8] = [
        (&[PutIn], 1),
        (&[PutIn, TakeOut], 0),
        (&[PutIn, TakeOut, PutIn], 1),
        (&[TakeOut, PutIn], 1),
        (&[PutIn, TakeOut, PutIn, TakeOut], 0),
        (&[PutIn, Leave], 0),
        (&[PutIn, TakeOut, Join], 1),
        (&[PutIn, Leave, PutIn], 1),
    ];
    each_way(|way| {
        for (tongue, storage) in TONGUES.iter().flat_map(|one| [(one, Storage::None), (one, Storage::Kept)]) {
            for (script, expected) in scripts {
                let (scene, _) = scene(way, storage);
                let (client, mut speaker) = scene.enter_as(tongue, "ann");
                let say = |frames: String| frames.lines().for_each(|frame| client.say(frame));
                for act in script {
                    match act {
                        PutIn => put_in(&scene, "ann", "room"),
                        TakeOut => take_out(&scene, "ann", "room"),
                        // These have no word for leaving what they never joined.
                        Leave if ["phoenix", "method streams"].contains(&tongue.name) => {
                            take_out(&scene, "ann", "room");
                        }
                        Leave => say(speaker.leave("room")),
                        // Its first call opens the session, which is open here.
                        Join if tongue.name == "method streams" => put_in(&scene, "ann", "room"),
                        Join => say(speaker.subscribe("room", None)),
                    }
                    scene.world.advance(SECOND / 10);
                }
                let members = members(&scene, "room");
                assert_eq!(members, expected, "{} {storage:?} {script:?} {:?}", tongue.name, client.heard());
                assert_eq!(client.close(), None);
            }
        }
    });
}

#[test]
fn who_joins_and_leaves_by_itself_is_not_put_in_after_that_whoever_runs_first() {
    for seed in 0..30 {
        let (scene, _) = scene_in(World::seeded(seed), Way::Bytes, Storage::Kept);
        let ann = scene.enter_with(chat_core::testkit::Script, "ann");
        put_in(&scene, "ann", "room");
        ann.say("subscribe room");
        ann.say("unsubscribe room");
        assert_eq!(members(&scene, "room"), 0, "seed {seed}: {:?}", ann.heard());
    }
}

#[test]
fn who_is_banned_while_it_opens_or_its_channels_are_restored_does_not_come_in() {
    each_way(|way| {
        for tongue in &TONGUES {
            for after in [SECOND / 2, SECOND * 3 / 2] {
                let (scene, _) = scene(way, Storage::Kept);
                let (client, _) = scene.enter_as(tongue, "late");
                scene.world.advance(after);
                assert_eq!(scene.hub.disconnect_user(&user("late"), &Close::PERMISSION_DENIED), 0);
                assert_eq!(members(&scene, "lobby"), 0, "{}", tongue.name);
                assert_eq!(client.close(), Some(Close::PERMISSION_DENIED), "{}", tongue.name);
                assert_eq!(scene.hub.sessions_of(&user("late")), []);
            }
        }
    });
}

#[test]
fn what_is_ordered_while_a_session_opens_is_carried_out_in_order_once_it_is_in() {
    each_way(|way| {
        for (tongue, storage) in TONGUES.iter().flat_map(|one| [(one, Storage::None), (one, Storage::Kept)]) {
            let (scene, _) = scene(way, storage);
            let _client = scene.enter_as(tongue, "late");
            take_out(&scene, "late", "lobby");
            put_in(&scene, "late", "a");
            put_in(&scene, "late", "b");
            put_in(&scene, "other", "c");
            scene.world.advance(SECOND / 2);
            take_out(&scene, "late", "b");
            let in_each = ["lobby", "a", "b", "c"].map(|channel| members(&scene, channel));
            assert_eq!(in_each, [0, 1, 0, 0], "{} {storage:?}", tongue.name);
        }
    });
}

/// Exceeds the number of commands that are remembered for sessions that are opening.
const TOO_MANY: usize = 4097;

fn act_too_often(scene: &Scene) {
    (0..TOO_MANY).for_each(|_| take_out(scene, "nobody", "room"));
}

#[test]
fn if_more_is_done_than_is_remembered_the_endpoint_is_asked_again() {
    each_way(|way| {
        for (times, openings, close) in [(1, 2, None), (3, 4, None), (4, 4, Some(Close::SERVER_ERROR))] {
            let (scene, thinker) = scene(way, Storage::None);
            let client = scene.enter_with(chat_core::testkit::Script, "late");
            for _ in 0..times {
                scene.world.advance(SECOND / 2);
                act_too_often(&scene);
                scene.world.advance(SECOND / 2);
            }
            assert_eq!(members(&scene, "lobby"), usize::from(close.is_none()));
            assert_eq!(client.close(), close);
            assert_eq!(thinker.openings.load(Ordering::Relaxed), openings);
        }
    });
}

#[test]
fn what_was_said_durably_is_answered_also_to_one_that_was_taken_out_meanwhile() {
    each_way(|way| {
        let (scene, _) = scene(way, Storage::Durable);
        let eve = join(&scene, "eve");
        eve.say("#1 publish room 7");
        scene.world.advance(SECOND * 5 / 4);
        take_out(&scene, "eve", "room");
        scene.world.advance(SECOND * 5);
        assert_eq!(eve.heard(), ["message room 1 eve 7", "unsubscribed room 103 out", "#1 published room 1"]);
        let _ = scene.hub.publish_with(Publish::to(room(), Payload::json("8")));
    });
}
