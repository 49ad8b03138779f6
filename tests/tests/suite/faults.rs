//! Tests what a hook that panics leaves behind.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::time::Duration;

use chat_core::store::{HistoryStore, StoreError, Stored, StoredPage};
use chat_core::testkit::World;
use chat_core::{
    ChannelId, ChannelOptions, Close, Connect, Endpoint, Epoch, HistoryRequest, Hub, Identity, Limits,
    Offset, OpenChat, Payload, Publication, Publish, PublishContext, Refusal, SessionId, SessionInfo,
    Subscribe, SubscribeOptions, UnsubscribeReason,
};
use chat_tests::scene::{Scene, each_way};
use futures::future::BoxFuture;

const SECOND: Duration = Duration::from_secs(1);

/// Has a hook that never ends, and whose future holds a value that panics when it is dropped.
struct Unclean;

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a bug in a hook");
    }
}

impl Endpoint for Unclean {
    async fn subscribe(&self, _: &SessionInfo, wish: Subscribe) -> Result<SubscribeOptions, Refusal> {
        let _bomb = Bomb;
        pending::<()>().await;
        Ok(SubscribeOptions::of(&wish))
    }
}

#[test]
fn a_hook_that_panics_when_it_is_called_off_ends_no_task() {
    each_way(|way| {
        let scene = Scene::new(way, Unclean, Limits::default());
        let ann = scene.enter("ann");
        ann.say("#1 subscribe room");
        let room: ChannelId = "room".parse().expect("a name");
        scene.hub.unsubscribe_user(
            &"ann".parse().expect("a name"),
            &room,
            &Refusal::permission_denied("out"),
        );
        let settled = catch_unwind(AssertUnwindSafe(|| scene.world.settle()));
        assert!(settled.is_ok(), "the panic came out of the session's task");
        assert_eq!(ann.heard(), ["#1 error 103 out"]);
    });
}

/// Panics in the hook `publish` if the content is `boom`.
struct Fragile;

impl Endpoint for Fragile {
    async fn subscribe(&self, _: &SessionInfo, wish: Subscribe) -> Result<SubscribeOptions, Refusal> {
        let expires = chrono::DateTime::from_timestamp(1_767_225_600 + 60, 0);
        Ok(SubscribeOptions::of(&wish).with_expires(expires))
    }
    async fn publish(
        &self,
        _: &SessionInfo,
        request: Publish,
        standing: PublishContext,
    ) -> Result<Publish, Refusal> {
        assert!(request.content.as_bytes() != b"boom", "a bug in a hook");
        if standing.member { Ok(request) } else { Err(Refusal::permission_denied("no member")) }
    }
}

#[test]
fn a_panic_over_what_is_said_leaves_nothing_of_that_stay_behind() {
    each_way(|way| {
        let options = ChannelOptions::default().with_presence(true);
        let scene = Scene::of(World::new(), way, Hub::builder(Fragile).channel(|_| options));
        let (ann, bob) = (scene.enter("ann"), scene.enter("bob"));
        bob.say("subscribe room present");
        ann.say("subscribe room");
        ann.say("subscribe other");
        scene.world.advance(SECOND);
        [&ann, &bob].into_iter().for_each(|one| drop(one.heard()));
        // What stands behind it in one message is answered too, as to one who is not in.
        ann.say("#1 publish room boom\n#2 publish room 2\n#3 publish other 3\n#4 presence room");
        scene.world.advance(SECOND);
        let heard = ann.heard();
        assert_eq!(
            heard.iter().filter(|line| line.starts_with('#')).map(|line| &line[..9]).collect::<Vec<_>>(),
            ["#1 error ", "#2 error ", "#3 publis", "#4 error "]
        );
        assert!(heard[0].starts_with("unsubscribed room 100 "));
        assert_eq!(bob.heard(), ["presence room -ann"]);
        assert_eq!(scene.hub.presence(&"room".parse().expect("a name")).map(|page| page.sessions), Some(1));
        assert_eq!(scene.hub.stats().subscriptions, 2);
        // Nothing more of the stay's end, and it may come anew.
        scene.hub.publish("room", Payload::json("9")).expect("a name");
        assert_eq!(ann.heard(), [""; 0]);
        scene.world.advance(SECOND * 61);
        let told: Vec<_> = ann.heard().into_iter().filter(|line| line != "ping").collect();
        assert_eq!(told, ["unsubscribed other 110 what allowed it has expired"]);
        assert_eq!(scene.hub.stats().subscriptions, 0);
    });
}

/// Is what a panic carries, and panics with another one when it is dropped.
struct Spite;

impl Drop for Spite {
    fn drop(&mut self) {
        panic_any(Self);
    }
}

/// Panics with spite in the hook of this name, if it is about `ann`, `room` or the message `1`.
struct Spiteful(&'static str);

impl Spiteful {
    fn enter(&self, hook: &str, about: bool) {
        if about && self.0 == hook {
            panic_any(Spite);
        }
    }
}

impl Endpoint for Spiteful {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let name = connect.name.ok_or_else(|| Refusal::unauthorized("a name, please"))?;
        self.enter("stream_opened", name.as_str() == "ann");
        Ok(Identity::named(name))
    }
    async fn publish(&self, _: &SessionInfo, what: Publish, _: PublishContext) -> Result<Publish, Refusal> {
        self.enter("publish", what.content.as_bytes() == b"1");
        Ok(what)
    }
    async fn subscribed(&self, who: &SessionInfo, _: &ChannelId) {
        self.enter("subscribed", who.name.as_str() == "ann");
    }
    async fn unsubscribed(&self, who: &SessionInfo, _: &ChannelId, _: &UnsubscribeReason) {
        self.enter("unsubscribed", who.name.as_str() == "ann");
    }
    async fn stream_closed(&self, who: &SessionInfo, _: &Close) {
        self.enter("stream_closed", who.name.as_str() == "ann");
    }
    fn channel_active(&self, _: &ChannelId) {
        self.enter("channel_active", true);
    }
    fn published(&self, publication: &Publication) {
        self.enter("published", publication.message.content.as_bytes() == b"1");
    }
}

#[test]
fn what_a_hook_panics_with_may_panic_when_it_is_dropped_and_nobody_else_meets_it() {
    let hooks = ["stream_opened", "publish", "subscribed", "unsubscribed", "stream_closed", "channel_active"];
    for hook in hooks.into_iter().chain(["published"]) {
        each_way(|way| {
            let play = || {
                let scene = Scene::new(way, Spiteful(hook), Limits::default());
                let (bob, ann) = (scene.join("bob", "room"), scene.enter("ann"));
                scene.hub.publish("room", Payload::json("1")).expect("a name");
                ["subscribe room", "publish room 1", "unsubscribe room"]
                    .iter()
                    .for_each(|line| ann.say(line));
                ann.cut();
                scene.hub.publish("room", Payload::json("2")).expect("a name");
                assert!(bob.heard().last().is_some_and(|line| line.starts_with("message room ")), "{hook}");
                assert_eq!((bob.close(), scene.hub.stats().sessions), (None, 1), "{hook}");
            };
            let played = catch_unwind(AssertUnwindSafe(play));
            assert!(played.map_err(std::mem::forget).is_ok(), "{hook}");
        });
    }
}

/// Is a store whose every call panics with spite.
struct SpitefulStore;

impl HistoryStore for SpitefulStore {
    fn open(&self, _: &ChannelId, _: Epoch, _: u64) -> BoxFuture<'_, Result<Stored, StoreError>> {
        panic_any(Spite)
    }
    fn append(&self, _: Vec<Arc<Publication>>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { panic_any(Spite) })
    }
    fn read(&self, _: HistoryRequest, _: usize) -> BoxFuture<'_, Result<StoredPage, StoreError>> {
        panic_any(Spite)
    }
    fn trim(&self, _: &ChannelId, _: Offset) -> BoxFuture<'_, Result<(), StoreError>> {
        panic_any(Spite)
    }
    fn close(&self, _: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        panic_any(Spite)
    }
}

#[test]
fn what_a_store_panics_with_may_panic_when_it_is_dropped_and_the_store_has_failed() {
    each_way(|way| {
        let options = chat_tests::keeping::kept(5);
        let builder = Hub::builder(OpenChat::default()).channel(move |_| options).store(SpitefulStore);
        let scene = Scene::of(World::new(), way, builder);
        let play = || {
            let bob = scene.join("bob", "room");
            bob.say("publish room 1");
            scene.world.advance(SECOND);
            assert_eq!((bob.heard().len(), bob.close()), (1, None));
        };
        assert!(catch_unwind(AssertUnwindSafe(play)).map_err(std::mem::forget).is_ok());
        assert!(scene.hub.stats().store_errors > 0);
    });
}
