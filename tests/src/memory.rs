//! Runs the conformance cases without a network: sockets in memory, in virtual time.

use std::collections::HashMap;
use std::sync::Arc;

use chat_core::Hub;
use chat_core::protocol::{Handshake, Protocol};
use chat_core::testkit::{Client, Heard, Way, World};
use chat_core::transport::{Incoming, Kind};
use chat_protocol::json::Json;
use serde_json::Value;

use crate::cases::{Case, keeping};
use crate::pattern::{Bound, fill, fits_text, known, matches};

/// Runs a case in a world of its own.
///
/// # Errors
/// Names the step that failed, what it expected, and what it got.
pub fn run(case: &Case, world: World, way: Way) -> Result<(), String> {
    let hub = keeping().build(world.clone());
    let mut run = Run { world, hub, way, clients: HashMap::new(), bound: Bound::new(), silences: 0 };
    for (at, step) in (1..).zip(&case.steps) {
        for n in 1..=step["times"].as_u64().unwrap_or(1) {
            let step = fill(step, "00c0ffee", n);
            run.step(&step).map_err(|error| format!("{}: step {at}: {error}", case.name))?;
        }
    }
    Ok(())
}

struct Run {
    world: World,
    hub: Hub,
    way: Way,
    clients: HashMap<String, Client>,
    bound: Bound,
    silences: u64,
}

impl Run {
    fn step(&mut self, step: &Value) -> Result<(), String> {
        let (verb, who) = ["open", "send", "hear", "silent", "close", "closed", "cut"]
            .into_iter()
            .find_map(|verb| Some((verb, step[verb].as_str()?)))
            .ok_or("no step")?;
        match verb {
            "open" => {
                let query = step["query"].as_str().map(|query| query.trim_start_matches('?'));
                let welcome = Json.accept(&Handshake::new(query, &[])).expect("anybody is welcome");
                let client = self.world.connect(&self.hub, Arc::new(Json), welcome.credentials, self.way);
                self.clients.insert(who.to_owned(), client);
                Ok(())
            }
            "send" => self.send(who, step),
            "hear" => match (step["text"].as_str(), step["any"].as_array()) {
                (Some(text), _) => self.hear_text(who, text),
                (_, Some(any)) => self.hear_frames(who, any.clone()),
                _ => self.hear_frames(who, vec![step["frame"].clone()]),
            },
            "silent" => self.silent(who),
            "close" => self.close(who, step["code"].as_u64()),
            "closed" => self.closed(who, &step["code"]),
            _ => {
                self.client(who)?.cut();
                Ok(())
            }
        }
    }

    fn client(&self, who: &str) -> Result<&Client, String> {
        self.clients.get(who).ok_or_else(|| format!("there is no connection {who}"))
    }

    fn send(&self, who: &str, step: &Value) -> Result<(), String> {
        let incoming = match (step["binary"].as_str(), step["text"].as_str()) {
            (Some(hex), _) => Incoming::Binary(from_hex(hex)),
            (_, Some(text)) => Incoming::Text(text.to_owned()),
            _ => Incoming::Text(known(&step["frame"], &self.bound).to_string()),
        };
        self.client(who)?.put(Ok(incoming));
        Ok(())
    }

    fn next(&self, who: &str) -> Result<Heard, String> {
        self.client(who)?.next().ok_or_else(|| "heard nothing".to_owned())
    }

    fn next_text(&self, who: &str) -> Result<String, String> {
        let heard = self.next(who)?;
        if heard.kind == Kind::Text { Ok(heard.to_string()) } else { Err(format!("heard {heard}")) }
    }

    fn hear_text(&self, who: &str, expected: &str) -> Result<(), String> {
        let got = self.next_text(who)?;
        if fits_text(expected, &got) { Ok(()) } else { Err(format!("expected {expected}, heard {got}")) }
    }

    fn hear_frames(&mut self, who: &str, mut expected: Vec<Value>) -> Result<(), String> {
        while !expected.is_empty() {
            let text = self.next_text(who)?;
            let got = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
            let fitting = expected.iter().position(|each| matches(each, &got, &mut self.bound));
            let at =
                fitting.ok_or_else(|| format!("expected {}, heard {text}", Value::from(expected.clone())))?;
            expected.remove(at);
        }
        Ok(())
    }

    fn silent(&mut self, who: &str) -> Result<(), String> {
        self.silences += 1;
        let ping = format!(r#"{{"type":"ping","id":"silent-{}"}}"#, self.silences);
        self.client(who)?.say(&ping);
        self.hear_text(who, &ping.replace("ping", "pong"))
    }

    fn close(&self, who: &str, code: Option<u64>) -> Result<(), String> {
        self.client(who)?.put(Ok(Incoming::Close(code.map(|code| code as u16))));
        loop {
            let heard = self.next(who)?;
            if heard.kind == Kind::Close {
                return if code.is_none() || close_code(&heard) == code {
                    self.ended(who)
                } else {
                    Err(format!("expected a close with {code:?}, heard {heard}"))
                };
            }
        }
    }

    fn closed(&self, who: &str, code: &Value) -> Result<(), String> {
        let heard = self.next(who)?;
        let codes = code.as_array().cloned().unwrap_or_else(|| vec![code.clone()]);
        let fits = heard.kind == Kind::Close
            && close_code(&heard).is_some_and(|code| codes.iter().any(|each| *each == code));
        if fits { self.ended(who) } else { Err(format!("expected a close with {code}, heard {heard}")) }
    }

    /// Checks that nothing follows a close, and that the transport has ended.
    fn ended(&self, who: &str) -> Result<(), String> {
        let client = self.client(who)?;
        match client.next() {
            Some(heard) => Err(format!("heard {heard} after the close")),
            None if !client.wire().is_shut() => Err("the transport was not ended".to_owned()),
            None => Ok(()),
        }
    }
}

fn close_code(heard: &Heard) -> Option<u64> {
    heard.payload.first_chunk().map(|code| u64::from(u16::from_be_bytes(*code)))
}

fn from_hex(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("two digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}
