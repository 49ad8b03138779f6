//! Tests that traces name the sessions that open and end, never a message, and never a line that a client
//! forged.

use std::io;
use std::sync::{Arc, Mutex};

use chat_core::Connect;
use chat_core::protocol::Credentials;
use chat_core::testkit::Way;
use chat_core::transport::Incoming;
use chat_protocol::json::Json;
use chat_protocol::serverpod::Legacy;
use chat_tests::scene::Scene;
use serde_json::json;
use tracing::subscriber::with_default;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn traced(play: impl FnOnce()) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    with_default(subscriber, play);
    let bytes = log.0.lock().expect("no panic").clone();
    String::from_utf8(bytes).expect("text")
}

#[test]
fn who_comes_and_goes_is_traced_and_never_what_is_said() {
    let log = traced(|| {
        let scene = Scene::open_chat(Way::Bytes);
        let ann = scene.enter("ann");
        ann.say("subscribe room");
        ann.say("publish room \"a-secret\"");
        ann.say("call what \"a-secret\"");
        ann.say("unsubscribe room");
        ann.put(Ok(Incoming::Close(Some(1000))));
    });
    let told: Vec<_> = log.lines().filter_map(|line| line.split("DEBUG ").nth(1)).collect();
    assert_eq!(told.len(), 4, "{log}");
    for (line, word) in told.iter().zip(["session opened", "joined", "left", "session closed"]) {
        assert!(line.contains(word) && line.contains("session=1"), "{line}");
    }
    assert!(!log.contains("a-secret"));
}

#[test]
fn a_token_is_not_traced_and_a_name_forges_no_line() {
    let log = traced(|| {
        let scene = Scene::open_chat(Way::Bytes);
        let name = Some("ann\u{2028}x\"y".parse().expect("a name"));
        let credentials = Credentials::Now(Connect::named(name).with_token(Some("a-token".into())));
        let ann = scene.world.connect(&scene.hub, Arc::new(Json), credentials, Way::Bytes);
        ann.say(&json!({"type":"subscribe","channelId":"room\u{1b}[31m\r\nforged"}).to_string());
        ann.say(&json!({"type":"subscribe","channelId":"room\u{202e}\""}).to_string());
        ann.say("\u{1b}[31m no JSON \r\n forged");
    });
    assert!(log.contains("joined") && !log.contains("a-token") && !log.contains("forged"), "{log}");
    assert!(log.contains(r#""ann\u{2028}x\"y""#) && log.contains(r#""room\u{202e}\"""#), "{log}");
    assert_eq!(log.lines().count(), 2, "opened, joined: {log}");
}

#[test]
fn a_refusal_that_its_protocol_cannot_say_is_traced_but_not_what_was_said() {
    let log = traced(|| {
        let scene = Scene::open_chat(Way::Bytes);
        let credentials = Credentials::Now(Connect::default());
        let ann = scene.world.connect(&scene.hub, Arc::new(Legacy), credentials, Way::Bytes);
        let data = r#"{"content":"a-secret","channelId":"a-channel"}"#;
        ann.say(&format!(r#"{{"endpoint":"chat","object":{{"className":"ChatMessage","data":{data}}}}}"#));
        assert!(ann.heard().is_empty());
    });
    assert!(log.contains("refused session=1 code=103 cost=Strike"), "{log}");
    assert!(!log.contains("a-secret"), "{log}");
}
