//! Defines clients of every protocol for scripts: the frames that they send, and the events that they read.

mod phoenix;
mod serverpod;
mod speaker;

use std::collections::HashMap;
use std::sync::Arc;

use chat_core::protocol::Protocol;
use chat_protocol::centrifuge::Centrifuge;
use chat_protocol::json::Json;
use chat_protocol::phoenix::Phoenix;
use chat_protocol::serverpod::{Legacy, MethodStreams};
use phoenix::PhoenixSpeaker;
use serde_json::{Value, json};
use serverpod::{LegacySpeaker, StreamSpeaker};
pub use speaker::{Place, Speaker, Told, content};
use speaker::{parse, word};

/// Holds a protocol, and makes its clients.
pub struct Tongue {
    /// Names the protocol.
    pub name: &'static str,
    /// Is true if the protocol's clients can recover.
    pub recovers: bool,
    /// Is true if the protocol answers joins and leaves.
    pub answers: bool,
    /// Is true if what is asked to be published again with the same text is published once.
    pub repeats: bool,
    /// Makes the server's side of the protocol.
    pub protocol: fn() -> Arc<dyn Protocol>,
    /// Makes a client of the protocol.
    pub speaker: fn() -> Box<dyn Speaker>,
}

/// Lists all protocols.
pub const TONGUES: [Tongue; 5] = [
    Tongue {
        name: "json",
        recovers: true,
        answers: true,
        repeats: true,
        protocol: || Arc::new(Json),
        speaker: || Box::new(JsonSpeaker::default()),
    },
    Tongue {
        name: "centrifuge",
        recovers: true,
        answers: true,
        repeats: false,
        protocol: || Arc::new(Centrifuge::default()),
        speaker: || Box::new(CentrifugeSpeaker::default()),
    },
    Tongue {
        name: "phoenix",
        recovers: false,
        answers: true,
        repeats: false,
        protocol: || Arc::new(Phoenix::default()),
        speaker: || Box::new(PhoenixSpeaker::default()),
    },
    Tongue {
        name: "serverpod",
        recovers: false,
        answers: false,
        repeats: false,
        protocol: || Arc::new(Legacy),
        speaker: || Box::new(LegacySpeaker),
    },
    Tongue {
        name: "method streams",
        recovers: false,
        answers: true,
        repeats: false,
        protocol: || Arc::new(MethodStreams::default()),
        speaker: || Box::new(StreamSpeaker::default()),
    },
];

/// Tracks the places of a client whose protocol tells them.
#[derive(Default)]
struct Places(HashMap<String, Place>);

impl Places {
    fn at(&mut self, channel: &str, epoch: &Value, offset: &Value) {
        self.0.insert(channel.to_owned(), (word(epoch), offset.as_u64().unwrap_or(0)));
    }

    fn moves(&mut self, channel: &str, offset: &Value) {
        if let (Some(place), Some(offset)) = (self.0.get_mut(channel), offset.as_u64()) {
            place.1 = offset;
        }
    }
}

#[derive(Default)]
struct JsonSpeaker(Places);

impl Speaker for JsonSpeaker {
    fn greeting(&mut self) -> Option<String> {
        None
    }

    fn subscribe(&mut self, channel: &str, since: Option<&Place>) -> String {
        let mut frame = json!({"type":"subscribe","id":channel,"channelId":channel});
        if let Some((epoch, offset)) = since {
            frame["since"] = json!({"epoch":epoch,"offset":offset});
        }
        frame.to_string()
    }

    fn leave(&mut self, channel: &str) -> String {
        json!({"type":"unsubscribe","channelId":channel}).to_string()
    }

    fn publish(&mut self, channel: &str, text: &str) -> String {
        json!({"type":"publish","channelId":channel,"content":text}).to_string()
    }

    fn ask_to_publish(&mut self, channel: &str, text: &str) -> String {
        let id = format!("{channel} {text}");
        json!({"type":"publish","id":id,"channelId":channel,"content":text,"key":text}).to_string()
    }

    fn hear(&mut self, frame: &str) -> Vec<Told> {
        let frame = parse(frame);
        let channel = word(&frame["channelId"]);
        match frame["type"].as_str() {
            Some("subscribed") => {
                // What is recovered follows: until then the place is the one that was asked for.
                if frame["recovered"] != true {
                    self.0.at(&channel, &frame["epoch"], &frame["offset"]);
                }
                vec![Told::In(channel, frame["recovered"].as_bool())]
            }
            Some("unsubscribed") => vec![Told::Out(channel)],
            Some("message") => {
                self.0.moves(&channel, &frame["offset"]);
                vec![Told::Said(channel, content(&frame["content"]))]
            }
            Some("published") => {
                let text = named(&frame["id"]).1.expect("only those with an id are answered");
                vec![Told::Published(channel, text, frame["offset"].as_u64())]
            }
            Some("error") => {
                let (channel, text) = named(&frame["id"]);
                vec![Told::Refused(channel, text)]
            }
            _ => panic!("not expected: {frame}"),
        }
    }

    fn place(&self, channel: &str) -> Option<Place> {
        self.0.0.get(channel).cloned()
    }
}

/// Returns what the id of a request names: a channel, and the text if that is to be published.
fn named(id: &Value) -> (String, Option<String>) {
    let id = id.as_str().unwrap_or_else(|| panic!("not expected of a request with the id {id}"));
    match id.split_once(' ') {
        Some((channel, text)) => (channel.to_owned(), Some(text.to_owned())),
        None => (id.to_owned(), None),
    }
}

#[derive(Default)]
struct CentrifugeSpeaker {
    places: Places,
    /// Maps each request to its channel, and to the text if that is to be published and answered.
    asked: HashMap<u64, (String, Option<String>)>,
    id: u64,
}

impl CentrifugeSpeaker {
    fn ask(&mut self, channel: &str, method: &str, fields: Value) -> String {
        self.id += 1;
        self.asked.insert(self.id, (channel.to_owned(), None));
        json!({"id":self.id, method:fields}).to_string()
    }

    fn said(&mut self, channel: &str, publication: &Value) -> Told {
        self.places.moves(channel, &publication["offset"]);
        Told::Said(channel.to_owned(), content(&publication["data"]))
    }

    fn answered(&mut self, reply: &Value) -> Vec<Told> {
        let (channel, text) = self.asked[&reply["id"].as_u64().expect("an id")].clone();
        let Some(result) = reply.get("subscribe") else {
            let told = match text {
                _ if reply.get("error").is_some() => Some(Told::Refused(channel, text)),
                Some(text) => Some(Told::Published(channel, text, None)),
                None => reply.get("unsubscribe").map(|_| Told::Out(channel)),
            };
            return told.into_iter().collect();
        };
        self.places.at(&channel, &result["epoch"], &result["offset"]);
        let recovered = result["was_recovering"].as_bool().map(|_| result["recovered"] == true);
        let missed = result["publications"].as_array().cloned().unwrap_or_default();
        let told = missed.iter().map(|publication| self.said(&channel, publication)).collect::<Vec<_>>();
        [vec![Told::In(channel, recovered)], told].concat()
    }
}

impl Speaker for CentrifugeSpeaker {
    fn greeting(&mut self) -> Option<String> {
        Some(self.ask("", "connect", json!({})))
    }

    fn subscribe(&mut self, channel: &str, since: Option<&Place>) -> String {
        let mut fields = json!({"channel":channel});
        if let Some((epoch, offset)) = since {
            fields = json!({"channel":channel,"recover":true,"epoch":epoch,"offset":offset});
        }
        self.ask(channel, "subscribe", fields)
    }

    fn leave(&mut self, channel: &str) -> String {
        self.ask(channel, "unsubscribe", json!({"channel":channel}))
    }

    fn publish(&mut self, channel: &str, text: &str) -> String {
        self.ask(channel, "publish", json!({"channel":channel,"data":text}))
    }

    fn ask_to_publish(&mut self, channel: &str, text: &str) -> String {
        let frame = self.publish(channel, text);
        self.asked.insert(self.id, (channel.to_owned(), Some(text.to_owned())));
        frame
    }

    fn hear(&mut self, frame: &str) -> Vec<Told> {
        let mut told = Vec::new();
        for reply in frame.lines().map(parse) {
            if let Some(push) = reply.get("push") {
                let channel = word(&push["channel"]);
                told.push(match push.get("unsubscribe") {
                    Some(_) => Told::Out(channel),
                    None => self.said(&channel, &push["pub"]),
                });
            } else {
                told.extend(self.answered(&reply));
            }
        }
        told
    }

    fn place(&self, channel: &str) -> Option<Place> {
        self.places.0.get(channel).cloned()
    }
}
