//! Tests what a hook that panics leaves behind.

use std::future::pending;
use std::time::Duration;

use chat_core::testkit::World;
use chat_core::{
    ChannelId, ChannelOptions, Endpoint, Hub, Limits, Payload, Publish, PublishContext, Refusal, SessionInfo,
    Subscribe, SubscribeOptions,
};
use chat_tests::scene::{Scene, each_way};

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
        let settled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scene.world.settle()));
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
