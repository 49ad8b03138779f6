//! Tests channels to which the server subscribes a session as it opens, the time that it may stay in one, and
//! events that are answered.

use std::time::Duration;

use chat_core::protocol::Credentials;
use chat_core::testkit::{Script, Way, World};
use chat_core::{
    ChannelOptions, Connect, Endpoint, Epoch, HistoryOptions, HistoryRequest, Hub, Identity, Offset, Payload,
    Publish, PublishContext, Pushed, Refusal, SessionId, SessionInfo, Since, Subscribe, SubscribeOptions,
    Token,
};
use chat_tests::scene::{Scene, each_way};
use chrono::{DateTime, TimeDelta, Utc};

const SECOND: Duration = Duration::from_secs(1);

/// Subscribes every session to `lobby`, lets it stay in any other channel for ten seconds, and answers an
/// event with the time.
struct Host(World);

impl Host {
    fn in_seconds(&self, seconds: i64) -> DateTime<Utc> {
        chat_core::runtime::Runtime::now(&self.0).utc + TimeDelta::seconds(seconds)
    }
}

impl Endpoint for Host {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let name = connect.name.ok_or_else(|| Refusal::unauthorized("who?"))?;
        Ok(Identity::named(name).with_subscriptions(vec![Subscribe::to("lobby".parse()?)]))
    }

    async fn subscribe(&self, _: &SessionInfo, wish: Subscribe) -> Result<SubscribeOptions, Refusal> {
        Ok(SubscribeOptions::of(&wish).with_expires(self.in_seconds(10)))
    }

    async fn refresh_subscription(
        &self,
        _: &SessionInfo,
        _: &chat_core::ChannelId,
        token: Token,
    ) -> Result<Option<DateTime<Utc>>, Refusal> {
        match &*token.0 {
            "ever" => Ok(None),
            "longer" => Ok(Some(self.in_seconds(10))),
            _ => Err(Refusal::unauthorized("no token")),
        }
    }

    async fn event(&self, _: &SessionInfo, wish: Publish, _: PublishContext) -> Result<Pushed, Refusal> {
        match wish.event.as_ref().map(|event| event.as_str()) {
            Some("time") => Ok(Pushed::Answer(Payload::json("12"))),
            _ => Ok(Pushed::Publish(wish)),
        }
    }
}

fn scene(way: Way) -> Scene {
    let world = World::new();
    let history = HistoryOptions::of(10, SECOND * 60).with_bytes(1000);
    let options = ChannelOptions::default().with_history(history);
    Scene::of(world.clone(), way, Hub::builder(Host(world)).channel(|_| options))
}

fn epoch(scene: &Scene) -> Epoch {
    let lobby = HistoryRequest::of("lobby".parse().expect("a name"), 1);
    scene.hub.history(&lobby).expect("somebody is in it").epoch
}

#[test]
fn a_session_is_put_into_channels_before_its_first_request_is_looked_at() {
    each_way(|way| {
        let scene = scene(way);
        let ann = scene.approach();
        ann.say("connect ann");
        ann.say("publish lobby 1");
        assert_eq!(ann.heard(), ["connected 1 ann", "subscribed lobby 0", "message lobby 1 ann 1"]);
        let bob = scene.enter("bob");
        assert_eq!(bob.heard(), ["subscribed lobby 1"], "told also where nothing was asked");
        assert_eq!(scene.hub.stats().subscriptions, 2);
    });
}

#[test]
fn who_comes_back_goes_on_in_the_channels_that_the_server_puts_it_into() {
    each_way(|way| {
        let scene = scene(way);
        let ann = scene.enter("ann");
        (1..=3).for_each(|n| ann.say(&format!("publish lobby {n}")));
        let lobby = "lobby".parse().expect("a name");
        let since = vec![(lobby, Since { epoch: Some(epoch(&scene)), offset: Offset(1) })];
        let connect = Connect::named(Some("bob".parse().expect("a name"))).with_since(since);
        let script = std::sync::Arc::new(Script);
        let bob = scene.world.connect(&scene.hub, script, Credentials::Now(connect), way);
        let recovered = format!("subscribed lobby 3 recovered {}", epoch(&scene));
        assert_eq!(bob.heard(), [&*recovered, "message lobby 2 ann 2", "message lobby 3 ann 3"]);
    });
}

#[test]
fn a_session_leaves_a_channel_when_its_time_there_is_over_and_not_if_that_was_refreshed() {
    each_way(|way| {
        let scene = scene(way);
        let ann = scene.enter("ann");
        ann.say("subscribe a");
        ann.say("subscribe b");
        ann.say("subscribe c");
        scene.world.advance(SECOND * 9);
        ann.say("stay b longer");
        ann.say("stay c ever");
        ann.heard();
        ann.say("stay a no");
        ann.say("stay d ever");
        assert_eq!(ann.heard(), ["error 101 no token", "error 103 the session is not in \"d\""]);
        scene.world.advance(SECOND);
        assert_eq!(ann.heard(), ["unsubscribed a 110 what allowed it has expired"]);
        scene.world.advance(SECOND * 9);
        assert_eq!(ann.heard(), ["unsubscribed b 110 what allowed it has expired"]);
        scene.world.advance(SECOND * 5);
        assert_eq!((ann.heard(), ann.close()), (Vec::new(), None));
        scene.hub.publish("c", Payload::json("1")).expect("a name");
        scene.hub.publish("a", Payload::json("1")).expect("a name");
        scene.world.settle();
        assert_eq!(ann.heard(), ["message c 1 server 1"]);
    });
}

#[test]
fn an_event_is_published_under_its_name_or_answered_as_the_endpoint_decides() {
    each_way(|way| {
        let scene = scene(way);
        let (ann, bob) = (scene.enter("ann"), scene.enter("bob"));
        assert_eq!(ann.heard(), bob.heard(), "both are in the lobby");
        ann.say("#1 event lobby time null");
        ann.say("#2 event lobby greet 7");
        ann.say("#3 event lobby bad\u{7}name 7");
        assert_eq!(
            ann.heard(),
            [
                "#1 result 12",
                "#2 published lobby 1",
                "event/greet lobby 1 ann 7",
                "#3 error 107 a name has no control characters"
            ]
        );
        assert_eq!(bob.heard(), ["event/greet lobby 1 ann 7"]);
    });
}
