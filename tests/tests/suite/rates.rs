//! Tests the rates of one session: faster requests are read later, and faster control frames end it.

use std::time::Duration;

use chat_core::testkit::Client;
use chat_core::transport::Incoming;
use chat_core::{Close, Limits, OpenChat, Rate};
use chat_tests::scene::{Scene, each_way};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// Returns how many of the received lines begin with this.
fn count(client: &Client, begin: &str) -> usize {
    client.heard().iter().filter(|line| line.starts_with(begin)).count()
}

fn ping(client: &Client, times: usize) {
    (0..times).for_each(|_| client.put(Ok(Incoming::Ping(vec![]))));
}

#[test]
fn two_hundred_requests_at_once_pass_and_the_next_ones_are_read_at_their_rate() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
        // Each has joined, which was one request.
        (0..1200).for_each(|_| ann.say("ping"));
        assert_eq!(ann.heard(), vec!["pong"; 199]);
        assert!(scene.hub.stats().cut_short["requests"] > 0);
        bob.say("publish room 1");
        assert_eq!(ann.heard(), ["message room 1 bob 1"], "what it is told goes on");
        scene.world.advance(SECOND * 9);
        assert_eq!(count(&ann, "pong"), 900);
        scene.world.advance(SECOND * 60);
        assert_eq!((count(&ann, "pong"), ann.close(), bob.close()), (101, None, None));
    });
}

#[test]
fn a_message_of_two_hundred_requests_passes_and_one_of_more_closes() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let (ann, bob) = (scene.enter("ann"), scene.enter("bob"));
        (0..3).for_each(|_| ann.say(&vec!["ping"; 200].join("\n")));
        scene.world.advance(SECOND * 6);
        assert_eq!((ann.heard(), ann.close()), (vec!["pong".to_owned(); 600], None));
        bob.say(&format!("{}#9 ping", "ping\n".repeat(200)));
        let heard = bob.heard();
        let ends = [
            "#9 error 111 one message has more requests than may come at once",
            "close 3013 too many requests",
        ];
        assert_eq!(heard[heard.len() - 2..], ends);
        assert_eq!((bob.close(), scene.hub.stats().refusals[&111]), (Some(Close::TOO_MANY_REQUESTS), 1));
    });
}

#[test]
fn who_is_not_read_for_its_rate_is_not_taken_for_silent() {
    each_way(|way| {
        let requests = Rate { per_second: 1, burst: 20 };
        let scene = Scene::new(way, OpenChat::default(), Limits::default().with_requests(requests));
        let ann = scene.enter("ann");
        (0..5).for_each(|_| ann.say(&vec!["ping"; 20].join("\n")));
        scene.world.advance(SECOND * 100);
        assert_eq!((count(&ann, "pong"), ann.close()), (100, None));
    });
}

#[test]
fn a_client_that_comes_back_to_all_its_channels_at_once_is_let_in_whatever_its_rate() {
    each_way(|way| {
        let requests = Rate { per_second: 10, burst: 20 };
        let scene = Scene::new(way, OpenChat::default(), Limits::default().with_requests(requests));
        for _ in 0..3 {
            let ann = scene.enter("ann");
            let all: Vec<_> = (0..128).map(|n| format!("subscribe room{n}")).collect();
            ann.say(&all.join("\n"));
            scene.world.advance(SECOND * 60);
            assert_eq!((count(&ann, "subscribed"), ann.close()), (128, None));
            ann.cut();
        }
    });
}

#[test]
fn a_hundred_requests_a_second_pass_for_ever() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let ann = scene.enter("ann");
        for _ in 0..3000 {
            ann.say("ping");
            scene.world.advance(MILLISECOND * 10);
        }
        assert_eq!((ann.heard().iter().filter(|line| *line == "pong").count(), ann.close()), (3000, None));
    });
}

#[test]
fn twenty_pings_at_once_are_answered_and_one_more_closes() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let ann = scene.enter("ann");
        ping(&ann, 20);
        assert_eq!((ann.heard().len(), ann.close()), (20, None));
        ping(&ann, 1);
        assert_eq!(ann.close(), Some(Close::POLICY));
    });
}

#[test]
fn ten_pings_a_second_are_answered_for_ever() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let ann = scene.enter("ann");
        for _ in 0..300 {
            ping(&ann, 1);
            scene.world.advance(MILLISECOND * 100);
        }
        assert_eq!(ann.close(), None);
    });
}

#[test]
fn pongs_that_nobody_asked_for_count_too() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let ann = scene.enter("ann");
        (0..20).for_each(|_| ann.put(Ok(Incoming::Pong)));
        assert_eq!(ann.close(), None);
        ann.put(Ok(Incoming::Pong));
        assert_eq!(ann.close(), Some(Close::POLICY));
    });
}

#[test]
fn a_rate_of_0_is_none() {
    each_way(|way| {
        let limits = Limits::default().with_requests(Rate::UNBOUNDED).with_controls(Rate::UNBOUNDED);
        let scene = Scene::new(way, OpenChat::default(), limits);
        let ann = scene.enter("ann");
        (0..5000).for_each(|_| ann.say("ping"));
        ping(&ann, 5000);
        assert_eq!((ann.heard().len(), ann.close()), (10_000, None));
    });
}
