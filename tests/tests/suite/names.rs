//! Tests, by counting, that nothing is left behind of names that were used.

use chat_core::testkit::{Client, Way};
use chat_core::transport::Incoming;
use chat_core::{Limits, OpenChat, Rate};
use chat_tests::scene::Scene;
use chat_tests::seed::each_seed;

const SESSIONS: usize = 100;
const NAMES: usize = 1_000_000;

fn scene() -> Scene {
    Scene::new(
        Way::Bytes,
        OpenChat::default(),
        Limits::default().with_session_channels(usize::MAX).with_requests(Rate::UNBOUNDED),
    )
}

fn ask(client: &Client, text: String) {
    client.wire().put(Ok(Incoming::Text(text)));
}

#[test]
fn a_million_names_joined_and_left_in_random_order_leave_no_entry() {
    each_seed(1, |_, random| {
        let scene = scene();
        let clients: Vec<_> = (0..SESSIONS).map(|n| scene.enter(&format!("c{n}"))).collect();
        let mut joined: Vec<(usize, usize)> = Vec::new();
        let mut names: Vec<_> = (0..NAMES).collect();
        random.shuffle(&mut names);
        let (mut turn, mut most) = (0, 0);
        while !names.is_empty() || !joined.is_empty() {
            let leave =
                names.is_empty() || joined.len() > 20_000 || !joined.is_empty() && random.u32(..5) < 2;
            let (verb, (who, name)) = match leave {
                true => ("unsubscribe", joined.swap_remove(random.usize(..joined.len()))),
                false => ("subscribe", (random.usize(..SESSIONS), names.pop().expect("there is one"))),
            };
            if !leave {
                joined.push((who, name));
            }
            ask(&clients[who], format!("{verb} channel-{name}"));
            turn += 1;
            if turn % 5000 == 0 {
                clients.iter().for_each(|client| drop(client.heard()));
                most = most.max(scene.hub.stats().channels);
            }
        }
        scene.world.settle();
        let stats = scene.hub.stats();
        assert!(most > 10_000, "there were only {most} at once");
        assert_eq!((stats.joined, stats.subscriptions, stats.channels), (NAMES as u64, 0, 0));
    });
}

#[test]
fn closing_a_session_with_5_channels_among_100_000_others_touches_only_its_5() {
    let scene = scene();
    let (others, ann) = (scene.enter("others"), scene.enter("ann"));
    (0..100_000).for_each(|n| ask(&others, format!("subscribe channel-{n}")));
    (0..5).for_each(|n| ask(&ann, format!("subscribe channel-{}", n * 7)));
    assert_eq!((others.heard().len(), ann.heard().len()), (100_000, 5));
    let before = scene.hub.stats();
    ann.cut();
    let after = scene.hub.stats();
    assert_eq!((before.subscriptions, after.subscriptions), (100_005, 100_000));
    assert_eq!(after.channel_visits - before.channel_visits, 5);
}
