//! Tests every state of a session × every cause of its end × every event after it × another cause: the
//! session ends once, for the first cause.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_core::runtime::Runtime;
use chat_core::testkit::{Client, Way};
use chat_core::transport::{Incoming, InputError};
use chat_core::{
    Call, ChannelId, ChannelOptions, Close, Connect, Endpoint, HistoryRequest, Identity, Limits, Payload,
    Publish, PublishContext, Refusal, SessionId, SessionInfo, Subscribe, SubscribeOptions, Token,
};
use chat_tests::scene::{Scene, each_way};
use chrono::DateTime;
use futures::future::pending;

const SECOND: Duration = Duration::from_secs(1);

/// Is the second at which every session expires, 50 after the world began.
const EXPIRES: i64 = 1_767_225_650;

/// Has hooks that wait for ever if asked to, panic for sessions whose name says so, and record every end.
#[derive(Clone, Default)]
struct Noting {
    closed: Arc<Mutex<Vec<(SessionId, u16)>>>,
}

/// Panics if the name is that of somebody for whom this hook does.
fn trip(who: &SessionInfo, hook: &str) {
    assert!(!who.name.as_str().ends_with(hook), "as was asked for");
}

impl Endpoint for Noting {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let name = connect.name.expect("these say who they are");
        match name.as_str() {
            "waits" => pending::<()>().await,
            "mallory" => return Err(Refusal::unauthorized("not you")),
            _ => assert!(!name.as_str().ends_with("opened"), "as was asked for"),
        }
        Ok(Identity::named(name).with_expires(DateTime::from_timestamp(EXPIRES, 0)))
    }

    async fn subscribe(&self, who: &SessionInfo, wish: Subscribe) -> Result<SubscribeOptions, Refusal> {
        trip(who, "subscribe");
        Ok(SubscribeOptions::of(&wish))
    }

    async fn publish(&self, who: &SessionInfo, wish: Publish, _: PublishContext) -> Result<Publish, Refusal> {
        trip(who, "publish");
        Ok(wish)
    }

    async fn refresh(&self, who: &SessionInfo, _: Token) -> Result<Identity, Refusal> {
        trip(who, "refresh");
        Ok(Identity::named(who.name.clone()))
    }

    async fn stay(&self, who: &SessionInfo, _: &ChannelId) -> Result<(), Refusal> {
        trip(who, "stay");
        Ok(())
    }

    /// Decides by the channel, since this hook gets no session.
    fn channel(&self, channel: &ChannelId, defaults: ChannelOptions) -> ChannelOptions {
        assert!(!channel.as_str().ends_with("channel"), "as was asked for");
        defaults
    }

    async fn history(
        &self,
        who: &SessionInfo,
        wish: HistoryRequest,
        _: bool,
    ) -> Result<HistoryRequest, Refusal> {
        trip(who, "history");
        Ok(wish)
    }

    async fn presence(&self, who: &SessionInfo, _: &ChannelId, _: bool) -> Result<(), Refusal> {
        trip(who, "presence");
        Ok(())
    }

    async fn call(&self, who: &SessionInfo, call: Call) -> Result<Payload, Refusal> {
        trip(who, "call");
        match &*call.method {
            "wait" => pending::<()>().await,
            "panic" => panic!("as was asked for"),
            _ => {}
        }
        Ok(call.data)
    }

    async fn stream_closed(&self, who: &SessionInfo, close: &Close) {
        self.closed.lock().expect("no panic").push((who.id, close.code()));
        trip(who, "closed");
    }
}

/// Names the states of a session.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Opening,
    OpeningWaitsForHook,
    Open,
    InAChannel,
    WaitsForHook,
    Stalled,
    /// Is closed, and its queue cannot be written.
    Flushing,
    /// Has sent a close that is not answered.
    Said,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    PeerCloses,
    PeerIsLost,
    PeerBreaksARule,
    PeerIsSilent,
    PeerErrs,
    PeerAsksTooFast,
    PeerPingsTooFast,
    PeerReadsTooSlowly,
    PeerIsRefused,
    HookPanics,
    IdentityExpires,
    ServerDisconnects,
    ServerDrains,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Nothing,
    Request,
    BadRequest,
    Ping,
    Pong,
    Publication,
    WritesBreak,
}

use Cause::{
    HookPanics, IdentityExpires, PeerAsksTooFast, PeerBreaksARule, PeerCloses, PeerErrs, PeerIsLost,
    PeerIsRefused, PeerIsSilent, PeerPingsTooFast, PeerReadsTooSlowly, ServerDisconnects, ServerDrains,
};

const STATES: [State; 9] = [
    State::Opening,
    State::OpeningWaitsForHook,
    State::Open,
    State::InAChannel,
    State::WaitsForHook,
    State::Stalled,
    State::Flushing,
    State::Said,
    State::Closed,
];
const CAUSES: [Cause; 13] = [
    PeerCloses,
    PeerIsLost,
    PeerBreaksARule,
    PeerIsSilent,
    PeerErrs,
    PeerAsksTooFast,
    PeerPingsTooFast,
    PeerReadsTooSlowly,
    PeerIsRefused,
    HookPanics,
    IdentityExpires,
    ServerDisconnects,
    ServerDrains,
];
const EVENTS: [Event; 7] = [
    Event::Nothing,
    Event::Request,
    Event::BadRequest,
    Event::Ping,
    Event::Pong,
    Event::Publication,
    Event::WritesBreak,
];
const FIRST: SessionId = SessionId(1);

/// Bounds the writer, which has room for as many pongs as a peer may request at once, and a few more.
const OUTBOX_FRAMES: usize = 250;

fn publish(scene: &Scene) {
    scene.hub.publish("room", Payload::json("1")).expect("a name");
    scene.world.settle();
}

impl State {
    fn reach(self, scene: &Scene) -> Client {
        let client = match self {
            Self::Opening => return scene.approach(),
            Self::OpeningWaitsForHook => return scene.enter("waits"),
            Self::Open => return scene.enter("ann"),
            _ => scene.join("ann", "room"),
        };
        match self {
            Self::WaitsForHook => client.say("call wait"),
            Self::Stalled | Self::Flushing => {
                client.wire().stall();
                publish(scene);
            }
            Self::Said => client.wire().ignore_close(),
            Self::Closed => client.cut(),
            _ => {}
        }
        if matches!(self, Self::Flushing | Self::Said) {
            scene.hub.disconnect(FIRST, Close::new(4001, "first"));
            scene.world.settle();
        }
        client
    }

    fn was_let_in(self) -> bool {
        !matches!(self, Self::Opening | Self::OpeningWaitsForHook)
    }

    /// Returns the close code of the first cause in this state; none if it cannot happen here.
    fn ends_with(self, cause: Cause) -> Option<u16> {
        Some(match (self, cause) {
            (Self::Flushing | Self::Said, _) => 4001,
            (Self::Closed, _) | (_, PeerIsLost) => 1006,
            (_, PeerCloses) => 4007,
            (_, PeerBreaksARule) => 1002,
            (_, PeerErrs) => 3509,
            // Its transport takes no answers, so that its requests are not read.
            (Self::Stalled, PeerAsksTooFast) => return None,
            (_, PeerAsksTooFast) => 3013,
            (_, PeerPingsTooFast) => 1008,
            (_, ServerDisconnects) => 4002,
            (_, ServerDrains) => 1001,
            (Self::Opening, PeerIsRefused) => 3500,
            (_, PeerIsRefused) => return None,
            (Self::OpeningWaitsForHook | Self::WaitsForHook, HookPanics) => return None,
            (_, HookPanics) => 3004,
            (Self::InAChannel | Self::WaitsForHook | Self::Stalled, PeerReadsTooSlowly) => 3008,
            (_, PeerReadsTooSlowly) => return None,
            (Self::Opening | Self::OpeningWaitsForHook, PeerIsSilent | IdentityExpires) => 3502,
            (Self::Stalled, PeerIsSilent | IdentityExpires) => 3008,
            (_, PeerIsSilent) => 3012,
            (_, IdentityExpires) => 3005,
        })
    }
}

impl Cause {
    fn happens(self, scene: &Scene, client: &Client) {
        match self {
            Self::PeerCloses => client.put(Ok(Incoming::Close(Some(4007)))),
            Self::PeerIsLost => client.cut(),
            Self::PeerBreaksARule => client.put(Err(InputError::Refused(Close::PROTOCOL_ERROR))),
            Self::PeerErrs => (0..20).for_each(|_| client.say("nonsense")),
            Self::PeerIsSilent => {
                client.wire().ignore_pings();
                scene.world.advance(SECOND * 36);
            }
            Self::PeerAsksTooFast => client.say(&vec!["ping"; 201].join("\n")),
            Self::PeerPingsTooFast => (0..=20).for_each(|_| client.put(Ok(Incoming::Ping(vec![])))),
            Self::PeerReadsTooSlowly => {
                client.wire().stall();
                (0..=OUTBOX_FRAMES).for_each(|_| publish(scene));
            }
            Self::PeerIsRefused => client.say("connect mallory"),
            Self::HookPanics => client.say("call panic"),
            Self::IdentityExpires => scene.world.advance(SECOND * 50),
            Self::ServerDisconnects => {
                scene.hub.disconnect(FIRST, Close::new(4002, "server"));
                scene.world.settle();
            }
            Self::ServerDrains => {
                let hub = scene.hub.clone();
                scene.world.spawn(Box::pin(async move {
                    hub.drain(SECOND * 60).await;
                }));
                scene.world.settle();
            }
        }
    }
}

impl Event {
    fn happens(self, scene: &Scene, client: &Client) {
        match self {
            Self::Nothing => {}
            Self::Request => client.say("subscribe other"),
            Self::BadRequest => client.say("nonsense"),
            Self::Ping => client.put(Ok(Incoming::Ping(vec![1]))),
            Self::Pong => client.put(Ok(Incoming::Pong)),
            Self::Publication => publish(scene),
            Self::WritesBreak => client.wire().break_writes(),
        }
    }
}

fn play(way: Way, state: State, first: Cause, event: Event, second: Cause) {
    let Some(code) = state.ends_with(first) else { return };
    let noting = Noting::default();
    let limits = Limits::default().with_outbox_frames(OUTBOX_FRAMES);
    let scene = Scene::new(way, noting.clone(), limits);
    let client = state.reach(&scene);
    first.happens(&scene, &client);
    event.happens(&scene, &client);
    second.happens(&scene, &client);
    client.wire().flow();
    scene.world.advance(SECOND * 100);
    let told = format!("{state:?} {first:?} {event:?} {second:?}");
    let closed = noting.closed.lock().expect("no panic").clone();
    let expected = if state.was_let_in() { vec![(FIRST, code)] } else { vec![] };
    assert_eq!(closed, expected, "{told}");
    let stats = scene.hub.stats();
    assert_eq!((stats.sessions, stats.subscriptions, stats.channels), (0, 0, 0), "{told}");
    assert_eq!(stats.closes, BTreeMap::from([(code, 1)]), "{told}");
    let touches = client.wire().touches();
    publish(&scene);
    scene.hub.disconnect(FIRST, Close::NORMAL);
    scene.hub.send_to_user(&"ann".parse().expect("a name"), &Payload::null());
    client.say("publish room 1");
    scene.world.advance(SECOND * 100);
    assert_eq!(client.wire().touches(), touches, "{told}");
}

#[test]
fn a_session_ends_once_for_the_first_cause_whatever_its_state_and_nothing_touches_its_transport_then() {
    each_way(|way| {
        for state in STATES {
            for first in CAUSES {
                for event in EVENTS {
                    CAUSES.into_iter().for_each(|second| play(way, state, first, event, second));
                }
            }
        }
    });
}

/// Lists the hooks that panic in turn.
const HOOKS: [&str; 11] = [
    "opened",
    "subscribe",
    "publish",
    "refresh",
    "stay",
    "history",
    "presence",
    "call",
    "own-channel",
    "ordered-channel",
    "closed",
];

/// Lists the hooks whose panic ends the session; the others end the membership in one channel.
const OF_THE_SESSION: [&str; 5] = ["opened", "refresh", "stay", "call", "ordered-channel"];

/// Lets a session in whose hook of this name panics, has it ask for everything, and expects how it ends.
fn enter_and_panic(scene: &Scene, n: usize, hook: &str) {
    let name = format!("{n}-{hook}");
    let client = scene.enter(&name);
    for request in ["subscribe room", "publish room 1", "refresh token", "history room", "presence room"] {
        client.say(request);
    }
    client.say("call x 1");
    match hook {
        "own-channel" => client.say("subscribe channel"),
        "ordered-channel" => {
            let wish = Subscribe::to("channel".parse().expect("a name"));
            scene.hub.subscribe_user(&name.parse().expect("a name"), &wish);
            scene.world.settle();
        }
        _ => {}
    }
    client.put(Ok(Incoming::Close(None)));
    let code = if OF_THE_SESSION.contains(&hook) { Close::SERVER_ERROR } else { Close::NO_STATUS };
    assert_eq!(client.close(), Some(code), "{n}");
}

#[test]
fn panics_in_every_hook_of_500_sessions_take_nothing_from_the_other_500() {
    each_way(|way| {
        let noting = Noting::default();
        let scene = Scene::new(way, noting.clone(), Limits::default());
        let well: Vec<_> = (0..500).map(|n| scene.join(&format!("well-{n}"), "room")).collect();
        for n in 0..500 {
            enter_and_panic(&scene, n, HOOKS[n % HOOKS.len()]);
        }
        well[0].say("publish room 2");
        let last = well[1].heard();
        assert!(
            last.len() > 300 && last.last().is_some_and(|line| line.ends_with("well-0 2")),
            "{}",
            last.len()
        );
        for client in &well[2..] {
            assert_eq!(client.heard(), last);
        }
        let stats = scene.hub.stats();
        assert_eq!((stats.sessions, stats.subscriptions, stats.channels), (500, 500, 1));
        let let_in = 500 - 500_usize.div_ceil(HOOKS.len());
        assert_eq!(
            noting.closed.lock().expect("no panic").len(),
            let_in,
            "every session that was let in, once"
        );
    });
}
