//! Defines the client of Phoenix Channels.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::speaker::{Place, Speaker, Told, content, parse, word};

#[derive(Default)]
pub(super) struct PhoenixSpeaker {
    joins: HashMap<String, String>,
    reference: u64,
    asked: HashMap<String, Asked>,
}

/// Is what a push is for.
enum Asked {
    Join,
    Leave,
    Say,
    /// Holds the text, whose publication is to be answered.
    SayAndAnswer(String),
}

impl PhoenixSpeaker {
    fn push(&mut self, channel: &str, asked: Asked, payload: &Value) -> String {
        self.reference += 1;
        let reference = self.reference.to_string();
        let event = match asked {
            Asked::Join => "phx_join",
            Asked::Leave => "phx_leave",
            Asked::Say | Asked::SayAndAnswer(_) => "said",
        };
        let joins = matches!(asked, Asked::Join);
        self.asked.insert(reference.clone(), asked);
        if joins {
            self.joins.insert(channel.to_owned(), reference.clone());
        }
        json!([self.joins.get(channel), reference, channel, event, payload]).to_string()
    }

    fn replied(&self, frame: &Value, channel: String, payload: &Value) -> Option<Told> {
        let text = match &self.asked[&word(&frame[1])] {
            Asked::SayAndAnswer(text) => Some(text.clone()),
            _ => None,
        };
        if payload["status"] != "ok" {
            return Some(Told::Refused(channel, text));
        }
        match (&self.asked[&word(&frame[1])], text) {
            (_, Some(text)) => Some(Told::Published(channel, text, payload["response"]["offset"].as_u64())),
            (Asked::Join, _) => Some(Told::In(channel, None)),
            (Asked::Leave, _) => Some(Told::Out(channel)),
            _ => None,
        }
    }
}

impl Speaker for PhoenixSpeaker {
    fn greeting(&mut self) -> Option<String> {
        None
    }

    fn subscribe(&mut self, channel: &str, _: Option<&Place>) -> String {
        self.push(channel, Asked::Join, &json!({}))
    }

    fn leave(&mut self, channel: &str) -> String {
        self.push(channel, Asked::Leave, &json!({}))
    }

    fn publish(&mut self, channel: &str, text: &str) -> String {
        self.push(channel, Asked::Say, &json!({"text":text}))
    }

    fn ask_to_publish(&mut self, channel: &str, text: &str) -> String {
        self.push(channel, Asked::SayAndAnswer(text.to_owned()), &json!({"text":text}))
    }

    fn hear(&mut self, frame: &str) -> Vec<Told> {
        let frame = parse(frame);
        let (channel, payload) = (word(&frame[2]), &frame[4]);
        match frame[3].as_str() {
            Some("phx_reply") => self.replied(&frame, channel, payload).into_iter().collect(),
            // One of an earlier join says nothing of this one.
            Some("phx_error") if self.joins.get(&channel).map(String::as_str) != frame[0].as_str() => {
                Vec::new()
            }
            Some("phx_error") => vec![Told::Out(channel)],
            Some("said") => vec![Told::Said(channel, content(payload))],
            Some("message") => vec![Told::Said(channel, content(&payload["content"]))],
            Some("phx_close") => Vec::new(),
            _ => panic!("not expected: {frame}"),
        }
    }

    fn place(&self, _: &str) -> Option<Place> {
        None
    }
}
