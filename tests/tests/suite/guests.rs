//! Tests guests: clients without a name take the first sender name that they send, if their protocol has no
//! other way to give one.

use std::sync::Arc;

use chat_core::protocol::{Handshake, Protocol};
use chat_core::testkit::{Client, Way, World};
use chat_core::{ChannelOptions, Close, Hub, OpenChat};
use chat_protocol::serverpod::{Legacy, MethodStreams};
use chat_tests::dart::{self, A, B};
use chat_tests::scene::{Scene, each_way};
use serde_json::json;

fn scene(way: Way) -> Scene {
    let options = ChannelOptions::default().with_presence(true);
    Scene::of(World::new(), way, Hub::builder(OpenChat::default()).channel(|_| options))
}

/// Names the protocols in which a client of Serverpod joins `room` and publishes there, under a name.
#[derive(Clone, Copy, Debug)]
enum Dart {
    Legacy,
    Streams,
}

impl Dart {
    const ALL: [Self; 2] = [Self::Legacy, Self::Streams];

    fn join(self, scene: &Scene, way: Way) -> Client {
        let protocol: Arc<dyn Protocol> = match self {
            Self::Legacy => Arc::new(Legacy),
            Self::Streams => Arc::new(MethodStreams::default()),
        };
        let welcome = protocol.accept(&Handshake::new(None, &[])).expect("anybody is welcome");
        let client = scene.world.connect(&scene.hub, protocol, welcome.credentials, way);
        match self {
            Self::Legacy => client.say(
                &json!({"endpoint":"chat","object":{"className":"ChannelSubscription","data":{"channelId":"room","subscribe":true}}})
                    .to_string(),
            ),
            Self::Streams => {
                client.say(&dart::subscribe(A, "room"));
                client.say(&dart::publish(B, "room"));
            }
        }
        client
    }

    fn say(self, client: &Client, name: &str, content: &str) {
        let object = json!({"className":"ChatMessage","data":{"senderName":name,"content":content,"channelId":"room"}});
        let text = match self {
            Self::Legacy => json!({"endpoint":"chat","object":object}),
            Self::Streams => {
                json!({"type":"msm","data":{"en":"chat","m":"publish","cid":B,"p":"messages","o":object}})
            }
        };
        client.say(&text.to_string());
    }
}

#[test]
fn a_guest_of_serverpod_goes_by_the_first_name_that_it_says() {
    each_way(|way| {
        for dart in Dart::ALL {
            let scene = scene(way);
            let guest = dart.join(&scene, way);
            let ann = scene.join("ann", "room");
            dart.say(&guest, "Zoé", "1");
            dart.say(&guest, "Eve", "2");
            assert_eq!(ann.heard(), ["message room 1 Zoé \"1\"", "message room 2 Zoé \"2\""], "{dart:?}");
            let page = scene.hub.presence(&"room".parse().expect("a name")).expect("it is there");
            let names: Vec<_> = page.present.iter().map(|entry| entry.name.to_string()).collect();
            assert!(names.contains(&"Zoé".to_owned()), "{dart:?}: {names:?}");
            assert!(guest.heard().iter().all(|line| !line.contains("Eve")), "{dart:?}");
        }
    });
}

#[test]
fn what_is_no_name_of_its_own_leaves_a_guest_its_number_and_ends_nothing() {
    let long = "x".repeat(256);
    each_way(|way| {
        for dart in Dart::ALL {
            for name in ["", "server", "Server", "guest-7", "a\u{7}b", &long] {
                let scene = scene(way);
                let guest = dart.join(&scene, way);
                let ann = scene.join("ann", "room");
                dart.say(&guest, name, "1");
                assert_eq!(ann.heard(), ["message room 1 guest-1 \"1\""], "{dart:?} {name:?}");
                assert_eq!(guest.close(), None);
            }
        }
    });
}

#[test]
fn nobody_wishes_for_the_name_of_a_guest() {
    each_way(|way| {
        let scene = scene(way);
        for name in ["guest-1", "guest-007"] {
            assert_eq!(scene.enter(name).close(), Some(Close::PERMISSION_DENIED), "{name:?}");
        }
        for name in ["guest-", "guest-x", "guest", "Guest-1", "guest-1a"] {
            assert_eq!(scene.enter(name).close(), None, "{name:?}");
        }
    });
}
