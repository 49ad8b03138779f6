//! Tests messages of the server that are kept nowhere: only the present subscribers receive them.

use std::time::Duration;

use chat_core::testkit::{Client, World};
use chat_core::{HistoryRequest, Hub, OpenChat, Payload, Publish};
use chat_tests::scene::{Scene, each_way};
use chat_tests::speakers::{Speaker, TONGUES, Told};

fn keeping(way: chat_core::testkit::Way) -> Scene {
    let hub = Hub::builder(OpenChat::default()).history(10, Duration::from_secs(60));
    Scene::of(World::new(), way, hub)
}

fn heard(client: &Client, speaker: &mut dyn Speaker) -> Vec<Told> {
    client.heard().iter().flat_map(|frame| speaker.hear(frame)).collect()
}

fn said(text: &str) -> Told {
    Told::Said("room".to_owned(), text.to_owned())
}

fn publish(text: &str) -> Publish {
    Publish::to("room".parse().expect("a name"), Payload::json(format!("{text:?}")))
}

#[test]
fn a_message_that_is_kept_nowhere_is_heard_in_every_protocol_in_its_turn() {
    each_way(|way| {
        for tongue in &TONGUES {
            let scene = keeping(way);
            let (ann, mut speaker) = scene.enter_as(tongue, "ann");
            ann.heard().iter().for_each(|frame| drop(speaker.hear(frame)));
            ann.say(&speaker.subscribe("room", None));
            heard(&ann, &mut *speaker);
            for (text, unkept) in [("one", false), ("two", true), ("three", false)] {
                let publish = if unkept { publish(text).kept_nowhere() } else { publish(text) };
                scene.hub.publish_with(publish);
            }
            let told = heard(&ann, &mut *speaker);
            assert_eq!(told, [said("one"), said("two"), said("three")], "{}", tongue.name);
            let kept = scene.hub.history(&HistoryRequest::of("room".parse().expect("a name"), 10));
            let offsets: Vec<_> =
                kept.expect("it is there").publications.iter().map(|kept| kept.offset.0).collect();
            assert_eq!(offsets, [1, 2], "{}", tongue.name);
        }
    });
}

#[test]
fn it_takes_no_place_so_that_who_comes_back_has_missed_nothing() {
    each_way(|way| {
        for tongue in TONGUES.iter().filter(|tongue| tongue.recovers) {
            let scene = keeping(way);
            let (ann, mut speaker) = scene.enter_as(tongue, "ann");
            ann.heard();
            ann.say(&speaker.subscribe("room", None));
            heard(&ann, &mut *speaker);
            let place = speaker.place("room").expect("it is told");
            ann.cut();
            scene.hub.publish_with(publish("missed").kept_nowhere());
            scene.hub.publish_with(publish("kept"));
            let (back, mut speaker) = scene.enter_as(tongue, "ann");
            back.heard().iter().for_each(|frame| drop(speaker.hear(frame)));
            back.say(&speaker.subscribe("room", Some(&place)));
            let told = heard(&back, &mut *speaker);
            assert_eq!(told, [Told::In("room".to_owned(), Some(true)), said("kept")], "{}", tongue.name);
        }
    });
}

#[test]
fn a_signal_that_a_client_calls_a_message_is_a_signal() {
    each_way(|way| {
        let scene = keeping(way);
        let ann = scene.join("ann", "room");
        let json = scene.enter_in(chat_protocol::json::Json, "bob");
        json.say(r#"{"type":"subscribe","channelId":"room"}"#);
        json.heard();
        json.say(r#"{"type":"publish","channelId":"room","content":1,"ephemeral":true,"event":"message"}"#);
        let told = json.heard();
        assert!(
            told[0].contains(r#""type":"signal""#) && told[0].contains(r#""event":"message""#),
            "{told:?}"
        );
        assert!(ann.heard()[0].starts_with("signal"));
    });
}

#[test]
fn under_a_key_it_is_published_once_and_has_no_offset_however_often_it_is_tried() {
    each_way(|way| {
        let scene = keeping(way);
        let ann = scene.enter("ann");
        ann.say("subscribe room");
        let signal = || publish("typing").with_ephemeral(true).with_key(Box::from("once"));
        let first = scene.hub.publish_with(signal());
        let again = scene.hub.publish_with(signal());
        assert_eq!((first.offset(), first.is_duplicate(), first.subscribers()), (None, false, 1));
        assert_eq!((again.offset(), again.is_duplicate(), again.subscribers()), (None, true, 0));
        assert_eq!(ann.heard().len(), 2, "the answer, and the signal once");
    });
}
