//! Tests presence: asked for, told, and never left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chat_core::protocol::{Credentials, Protocol};
use chat_core::testkit::{Client, Way, World};
use chat_core::{
    ChannelId, ChannelOptions, Close, Endpoint, HistoryOptions, HistoryRequest, Hub, Limits, OpenChat, Rate,
    Refusal, SessionInfo,
};
use chat_protocol::centrifuge::Centrifuge;
use chat_protocol::json::Json;
use chat_tests::scene::{Scene, each_way};
use chat_tests::seed::each_seed;
use fastrand::Rng;

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(250);

fn scene_in(world: World, way: Way, limits: Limits) -> Scene {
    let history = HistoryOptions::of(100, SECOND * 60).with_bytes(1 << 20);
    let hub = Hub::builder(OpenChat::default()).limits(limits);
    Scene::of(world, way, hub.channel(|channel| channel.with_history(history).with_presence(true)))
}

fn scene(way: Way) -> Scene {
    scene_in(World::new(), way, Limits::default())
}

#[test]
fn who_joins_sees_who_is_there_and_hears_who_comes_and_goes() {
    each_way(|way| {
        let scene = scene(way);
        let ann = scene.enter("ann");
        ann.say("subscribe room present");
        assert_eq!(ann.heard(), ["subscribed room 0 present ann"]);
        let bob = scene.join("bob", "room");
        let eve = scene.join("eve", "room");
        eve.cut();
        scene.world.advance(MOMENT);
        assert_eq!(ann.heard(), ["presence room +ann +bob -eve"], "what was seen at the start is told again");
        bob.say("unsubscribe room");
        scene.world.advance(MOMENT);
        assert_eq!(ann.heard(), ["presence room -bob"]);
        assert_eq!(bob.heard(), ["unsubscribed room"], "who does not ask is not told");
    });
}

#[test]
fn joins_and_leaves_within_a_moment_are_told_together_and_undone_ones_not_at_all() {
    each_way(|way| {
        let scene = scene(way);
        let ann = scene.enter("ann");
        ann.say("subscribe room present");
        scene.world.advance(SECOND);
        ann.heard();
        let _bob = scene.join("bob", "room");
        scene.world.advance(MOMENT / 2);
        let _dan = scene.join("dan", "room");
        scene.join("eve", "room").cut();
        assert!(ann.heard().is_empty());
        scene.world.advance(MOMENT / 2);
        assert_eq!(ann.heard(), ["presence room +bob +dan"]);
        scene.world.advance(SECOND * 5);
        assert!(ann.heard().is_empty());
    });
}

#[test]
fn a_user_in_two_sessions_is_one_person() {
    each_way(|way| {
        let scene = scene(way);
        let ann = scene.enter("ann");
        ann.say("subscribe room present");
        scene.world.advance(SECOND);
        ann.heard();
        let (phone, desk) = (scene.join("bob", "room"), scene.join("bob", "room"));
        scene.world.advance(MOMENT);
        ann.say("presence room");
        assert_eq!(ann.heard(), ["presence room +bob", "present room ann,bob 2/3"]);
        phone.cut();
        scene.world.advance(SECOND);
        assert!(ann.heard().is_empty());
        desk.cut();
        scene.world.advance(MOMENT);
        assert_eq!(ann.heard(), ["presence room -bob"]);
    });
}

#[test]
fn a_mark_of_what_was_read_never_goes_back_nor_beyond_the_end_and_is_told() {
    each_way(|way| {
        let scene = scene(way);
        let (ann, bob) = (scene.enter("ann"), scene.join("bob", "room"));
        ann.say("subscribe room present");
        (1..=5).for_each(|n| bob.say(&format!("publish room {n}")));
        scene.world.advance(SECOND);
        ann.heard();
        bob.heard();
        for (said, mark) in [(3, 3), (2, 3), (4, 4), (99, 5), (0, 5)] {
            bob.say(&format!("read room {said}"));
            assert_eq!(bob.heard(), [format!("read room {mark}")]);
        }
        scene.world.advance(MOMENT);
        assert_eq!(ann.heard(), ["presence room +bob/5"], "marks within a moment are told together");
        bob.say("unsubscribe room");
        scene.world.advance(MOMENT);
        bob.say("read room 5");
        bob.say("subscribe room");
        scene.world.advance(MOMENT);
        assert_eq!(ann.heard(), ["presence room -bob", "presence room +bob/5"]);
        assert_eq!(bob.heard()[1], "error 103 only subscribers of \"room\" may mark what they read");
    });
}

#[test]
fn only_members_may_know_and_only_where_it_is_known() {
    each_way(|way| {
        let scene = scene(way);
        let (_ann, bob) = (scene.join("ann", "room"), scene.enter("bob"));
        bob.say("presence room");
        assert_eq!(bob.heard(), ["error 103 only subscribers of \"room\" may know who is in it"]);
        let blind = Scene::open_chat(way);
        let eve = blind.enter("eve");
        eve.say("subscribe room present");
        eve.say("presence room");
        assert_eq!(eve.heard(), ["subscribed room 0", "error 108 nobody knows who is in \"room\""]);
    });
}

#[test]
fn an_answer_holds_300_users_and_counts_all() {
    each_way(|way| {
        let scene = scene(way);
        let all: Vec<_> = (0..301).map(|n| scene.join(&format!("u{n:03}"), "room")).collect();
        all[0].say("presence room");
        let heard = all[0].heard();
        let users = heard[0].split(' ').nth(2).expect("users").split(',').count();
        assert_eq!((users, heard[0].rsplit(' ').next()), (300, Some("301/301")));
    });
}

#[test]
fn a_slow_reader_is_told_that_it_missed_who_came_and_went() {
    each_way(|way| {
        let limits = Limits::default().with_outbox_frames(10);
        let scene = scene_in(World::new(), way, limits);
        let ann = scene.enter("ann");
        for policy in ["drop-oldest", "drop-newest", "only-latest", "resync"] {
            ann.say(&format!("subscribe {policy} present {policy}"));
        }
        scene.world.advance(SECOND);
        ann.heard();
        ann.wire().stall();
        let bob = scene.enter("bob");
        for policy in ["drop-oldest", "only-latest", "resync"] {
            bob.say(&format!("subscribe {policy}"));
            scene.world.advance(MOMENT);
            (0..12).for_each(|n| bob.say(&format!("publish {policy} {n}")));
        }
        bob.say("subscribe drop-newest");
        scene.world.advance(MOMENT);
        ann.wire().flow();
        let heard = ann.heard();
        for policy in ["drop-oldest", "drop-newest", "only-latest", "resync"] {
            let lost = heard.iter().filter(|line| **line == format!("lost {policy} presence")).count();
            let told = heard.iter().filter(|line| line.starts_with(&format!("presence {policy} "))).count();
            assert_eq!(lost + told, 1, "{policy}: {heard:?}");
        }
        assert!(heard.iter().any(|line| line.ends_with(" presence")), "{heard:?}");
        assert_eq!(ann.close(), None);
    });
}

#[test]
fn a_crowd_that_comes_at_once_is_told_300_at_a_time() {
    each_way(|way| {
        let scene = scene(way);
        let ann = scene.enter("ann");
        ann.say("subscribe room present");
        scene.world.advance(SECOND);
        ann.heard();
        let crowd: Vec<_> = (0..700).map(|n| scene.join(&format!("u{n:03}"), "room")).collect();
        scene.world.advance(SECOND);
        let counts: Vec<_> = ann.heard().iter().map(|line| line.split(" +").count() - 1).collect();
        assert_eq!(counts, [300, 300, 100]);
        drop(crowd);
    });
}

/// Holds the users that an observer knows.
#[derive(Default)]
struct View(BTreeSet<String>);

impl View {
    fn hear(&mut self, client: &Client) {
        for line in client.heard() {
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["subscribed", _, _, "present", users] => self.set(users),
                ["present", _, users, _] => self.set(users),
                ["presence", _, ref changes @ ..] => changes.iter().for_each(|change| self.change(change)),
                ["lost", _, "presence"] => client.say("presence room"),
                _ => {}
            }
        }
    }

    fn set(&mut self, users: &str) {
        self.0 = users.split(',').filter(|user| *user != "-").map(str::to_owned).collect();
    }

    fn change(&mut self, change: &str) {
        match change.split_at(1) {
            ("+", user) => drop(self.0.insert(user.to_owned())),
            (_, user) => drop(self.0.remove(user)),
        }
    }
}

/// Holds a session: its client, its user, and whether it has joined the room.
type Member = (Client, String, bool);

/// Holds the sessions of one room: each slot is empty or taken, and some sessions observe.
struct Crowd {
    scene: Scene,
    there: Vec<Option<Member>>,
    views: BTreeMap<usize, View>,
}

impl Crowd {
    fn new(seed: u64, way: Way, sessions: usize) -> Self {
        let limits = Limits::default()
            .with_outbox_frames(12)
            .with_requests(Rate::UNBOUNDED)
            .with_write_timeout(SECOND * 100_000)
            .with_ping_interval(SECOND * 100_000);
        let scene = scene_in(World::seeded(seed), way, limits);
        Self { scene, there: (0..sessions).map(|_| None).collect(), views: BTreeMap::new() }
    }

    fn step(&mut self, at: usize, random: &mut Rng, users: usize) {
        let Some((client, _, joined)) = &mut self.there[at] else {
            let user = format!("u{}", random.usize(..users));
            self.there[at] = Some((self.scene.enter(&user), user, false));
            return;
        };
        match random.u8(..9) {
            0..=3 if !*joined => {
                *joined = true;
                self.join(at, random.u8(..8) == 0);
            }
            4 if *joined => {
                client.say("unsubscribe room");
                *joined = false;
                self.views.remove(&at);
            }
            5 => {
                client.cut();
                self.views.remove(&at);
                self.there[at] = None;
            }
            6 if self.views.contains_key(&at) => client.wire().stall(),
            7 => client.wire().flow(),
            8 if *joined => client.say("publish room 1"),
            _ => {}
        }
    }

    fn join(&mut self, at: usize, observes: bool) {
        let options = if observes { "present resync" } else { "" };
        self.client(at).say(&format!("subscribe room {options}"));
        if observes {
            self.views.insert(at, View::default());
        } else {
            // The client may have stalled as an observer. Without resync it would be closed for that.
            self.client(at).wire().flow();
        }
    }

    fn client(&self, at: usize) -> &Client {
        &self.there[at].as_ref().expect("it is there").0
    }

    fn hear(&mut self) {
        for (at, view) in &mut self.views {
            view.hear(&self.there[*at].as_ref().expect("it is there").0);
        }
    }

    /// Lets everybody read what is due, and expects that each observer and the hub know the users that have
    /// joined.
    fn rest(mut self) {
        let joined = self.there.iter().flatten().filter(|(_, _, joined)| *joined);
        let truth: BTreeSet<String> = joined.map(|(_, user, _)| user.clone()).collect();
        self.there.iter().flatten().for_each(|(client, _, _)| client.wire().flow());
        for _ in 0..3 {
            self.scene.world.advance(MOMENT);
            self.hear();
        }
        for (at, view) in &self.views {
            let (client, user, _) = self.there[*at].as_ref().expect("it is there");
            assert_eq!(client.close(), None, "{user}");
            assert_eq!(view.0, truth, "what {user} sees");
        }
        let page = self.scene.hub.presence(&"room".parse().expect("a name"));
        let known: BTreeSet<String> = page
            .map(|page| page.present.iter().map(|present| present.user.to_string()).collect())
            .unwrap_or_default();
        assert_eq!(known, truth);
    }
}

/// Plays sessions of a few users that connect, join, leave, are refused or crash; some observe, and some of
/// these are slow.
fn play(seed: u64, random: &mut Rng, way: Way, sessions: usize, users: usize) {
    let mut crowd = Crowd::new(seed, way, sessions);
    for _ in 0..sessions * 4 {
        crowd.step(random.usize(..sessions), random, users);
        if random.u8(..4) == 0 {
            crowd.scene.world.advance(MOMENT / 3);
        }
        crowd.hear();
    }
    crowd.rest();
}

#[test]
fn every_observer_sees_the_truth_at_rest_whoever_came_crashed_and_left() {
    each_way(|way| each_seed(100, |seed, random| play(seed, random, way, 30, 9)));
}

#[test]
fn a_thousand_sessions_of_300_users_leave_nobody_behind() {
    each_seed(1, |seed, random| play(seed, random, Way::Bytes, 1000, 300));
}

#[test]
fn a_session_that_is_closed_is_not_there_any_more() {
    each_way(|way| {
        let scene = scene(way);
        let ann = scene.join("ann", "room");
        let bob = scene.join("bob", "room");
        bob.wire().ignore_close();
        let bobs = scene.hub.sessions_of(&"bob".parse().expect("a name"));
        scene.hub.disconnect(bobs[0], Close::NORMAL);
        ann.say("presence room");
        assert_eq!(ann.heard(), ["present room ann 1/1"]);
    });
}

#[test]
fn thousands_who_leave_at_once_are_told_in_pieces() {
    each_way(|way| {
        let scene = scene(way);
        let ann = scene.enter("ann");
        ann.say("subscribe room present");
        let crowd: Vec<_> =
            (0..700).map(|n| scene.join(&format!("{n}-{}", "x".repeat(200)), "room")).collect();
        scene.world.advance(MOMENT * 20);
        ann.heard();
        crowd.iter().for_each(|one| one.wire().cut());
        scene.world.advance(MOMENT * 20);
        let told: Vec<_> = ann.heard().into_iter().filter(|line| line.starts_with("presence")).collect();
        assert_eq!(told.iter().map(|line| line.matches(" -").count()).sum::<usize>(), 700);
        assert!(told.iter().all(|line| line.len() < 256 * 1024 && line.matches(" -").count() <= 300));
        assert_eq!(ann.close(), None);
    });
}

/// Lets strangers look.
struct Open;

impl Endpoint for Open {
    async fn presence(&self, _: &SessionInfo, _: &ChannelId, _: bool) -> Result<(), Refusal> {
        Ok(())
    }

    async fn history(
        &self,
        _: &SessionInfo,
        request: HistoryRequest,
        _: bool,
    ) -> Result<HistoryRequest, Refusal> {
        Ok(request)
    }
}

#[test]
fn nobody_is_in_a_channel_that_is_not_there_to_whom_may_ask() {
    each_way(|way| {
        let hub = |presence| {
            let options = ChannelOptions::default().with_presence(presence);
            Scene::of(World::new(), way, Hub::builder(Open).channel(|_| options))
        };
        let asks = [
            (
                Arc::new(Json) as Arc<dyn Protocol>,
                r#"{"type":"presence","id":2,"channelId":"room"}"#,
                r#""present":[],"users":0,"sessions":0"#,
            ),
            (
                Arc::new(Centrifuge::default()),
                r#"{"id":2,"presence":{"channel":"room"}}"#,
                r#"{"id":2,"presence":{"presence":{}}}"#,
            ),
            (
                Arc::new(Centrifuge::default()),
                r#"{"id":2,"presence_stats":{"channel":"room"}}"#,
                r#""num_clients":0,"num_users":0"#,
            ),
            (
                Arc::new(Centrifuge::default()),
                r#"{"id":2,"history":{"channel":"room","limit":5}}"#,
                r#"{"publications":[],"epoch":"","offset":0}"#,
            ),
        ];
        for (protocol, asked, answer) in asks {
            let ask = |scene: &Scene| {
                let eve = scene.world.connect(&scene.hub, protocol.clone(), Credentials::Later, way);
                eve.say(r#"{"id":1,"type":"connect","connect":{}}"#);
                eve.heard();
                eve.say(asked);
                eve.heard().pop().expect("an answer")
            };
            let told = ask(&hub(true));
            assert!(told.contains(answer), "{asked}: {told}");
            if !asked.contains("history") {
                assert!(ask(&hub(false)).contains("108"), "where that is not known");
            }
        }
    });
}
