//! Defines clients of Serverpod's two protocols.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::speaker::{Place, Speaker, Told, content, parse, word};

fn chat_message(channel: &str, content: &str) -> Value {
    let timestamp = "1970-01-01T00:00:00.000Z";
    let data = json!({"senderName":"x","content":content,"timestamp":timestamp,"channelId":channel});
    json!({"className":"ChatMessage","data":data})
}

fn heard_message(object: &Value) -> Told {
    assert_eq!(object["className"], "ChatMessage", "{object}");
    Told::Said(word(&object["data"]["channelId"]), content(&object["data"]["content"]))
}

pub(super) struct LegacySpeaker;

impl LegacySpeaker {
    fn wish(channel: &str, subscribe: bool) -> String {
        let data = json!({"channelId":channel,"subscribe":subscribe});
        json!({"endpoint":"chat","object":{"className":"ChannelSubscription","data":data}}).to_string()
    }
}

impl Speaker for LegacySpeaker {
    fn greeting(&mut self) -> Option<String> {
        None
    }

    fn subscribe(&mut self, channel: &str, _: Option<&Place>) -> String {
        Self::wish(channel, true)
    }

    fn leave(&mut self, channel: &str) -> String {
        Self::wish(channel, false)
    }

    fn publish(&mut self, channel: &str, text: &str) -> String {
        json!({"endpoint":"chat","object":chat_message(channel, text)}).to_string()
    }

    fn hear(&mut self, frame: &str) -> Vec<Told> {
        let object = &parse(frame)["object"];
        if object["className"] != "ChannelSubscription" {
            return vec![heard_message(object)];
        }
        let channel = word(&object["data"]["channelId"]);
        vec![if object["data"]["subscribe"] == true { Told::In(channel, None) } else { Told::Out(channel) }]
    }

    fn place(&self, _: &str) -> Option<Place> {
        None
    }
}

/// Makes one call for each stay in a channel, and one for the messages to each channel.
#[derive(Default)]
pub(super) struct StreamSpeaker {
    calls: u64,
    stays: HashMap<String, String>,
    says: HashMap<String, String>,
}

impl StreamSpeaker {
    fn call(&mut self, channel: &str, method: &str, inputs: &[&str]) -> (String, String) {
        self.calls += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", self.calls);
        let arguments = json!({"channelId":channel}).to_string();
        let data = json!({"en":"chat","m":method,"cid":id,"args":arguments,"is":inputs});
        (id, json!({"type":"omsc","data":data}).to_string())
    }

    fn channel_of(&self, id: &Value) -> Option<String> {
        self.stays.iter().find(|(_, stay)| *stay == id).map(|(channel, _)| channel.clone())
    }
}

impl Speaker for StreamSpeaker {
    /// Forgets all calls, which end with the connection.
    fn greeting(&mut self) -> Option<String> {
        self.says.clear();
        None
    }

    fn subscribe(&mut self, channel: &str, _: Option<&Place>) -> String {
        let (id, frame) = self.call(channel, "subscribe", &[]);
        self.stays.insert(channel.to_owned(), id);
        frame
    }

    fn leave(&mut self, channel: &str) -> String {
        let data = json!({"en":"chat","m":"subscribe","cid":self.stays[channel],"cr":"done"});
        json!({"type":"cmsc","data":data}).to_string()
    }

    /// Publishes a message. The first one to a channel opens the stream that the others use too.
    fn publish(&mut self, channel: &str, text: &str) -> String {
        let opening = (!self.says.contains_key(channel)).then(|| {
            let (id, frame) = self.call(channel, "publish", &["messages"]);
            self.says.insert(channel.to_owned(), id);
            frame
        });
        let object = chat_message(channel, text);
        let data = json!({"en":"chat","m":"publish","cid":self.says[channel],"p":"messages","o":object});
        let said = json!({"type":"msm","data":data}).to_string();
        opening.map_or(said.clone(), |opening| format!("{opening}\n{said}"))
    }

    fn hear(&mut self, frame: &str) -> Vec<Told> {
        let frame = parse(frame);
        let data = &frame["data"];
        match (frame["type"].as_str(), self.channel_of(&data["cid"])) {
            (Some("omsr"), Some(channel)) if data["res"] == "success" => vec![Told::In(channel, None)],
            (Some("omsr"), Some(channel)) => vec![Told::Refused(channel, None)],
            (Some("omsr" | "cmsc"), None) => {
                // The next message to that channel opens another call.
                self.says.retain(|_, call| data["res"] == "success" || *call != data["cid"]);
                Vec::new()
            }
            (Some("msm"), _) => vec![heard_message(&data["o"])],
            (Some("cmsc"), Some(channel)) => vec![Told::Out(channel)],
            _ => panic!("not expected: {frame}"),
        }
    }

    fn place(&self, _: &str) -> Option<Place> {
        None
    }
}
