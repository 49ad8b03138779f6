//! Reads the parameters of a call one by one, and refuses those that are left over.

use std::collections::HashMap;
use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chat_core::{ChannelId, Payload, Refusal, UserId};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Holds the parameters that are not read yet.
pub(super) struct Fields<'a>(HashMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Refusal> {
        // serde would take an array for a map of pairs.
        if !text.trim_ascii_start().starts_with('{') {
            return Err(Refusal::bad_request("the parameters are not a JSON object"));
        }
        serde_json::from_str(text).map(Self).map_err(|error| Refusal::bad_request(error.to_string()))
    }

    /// Takes a parameter that may be missing; null counts as missing.
    pub(super) fn take<T: Deserialize<'a> + Default>(&mut self, name: &str) -> Result<T, Refusal> {
        let Some(raw) = self.0.remove(name) else { return Ok(T::default()) };
        let read = serde_json::from_str::<Option<T>>(raw.get()).map_err(|error| wrong(name, &error))?;
        Ok(read.unwrap_or_default())
    }

    pub(super) fn channel(&mut self) -> Result<ChannelId, Refusal> {
        channel(&self.take::<String>("channel")?)
    }

    pub(super) fn user(&mut self) -> Result<UserId, Refusal> {
        let user: String = self.take("user")?;
        user.parse().map_err(|error| wrong("user", &error))
    }

    /// Takes the content that is published: `data`, or bytes in base64.
    pub(super) fn content(&mut self) -> Result<Payload, Refusal> {
        let (data, coded) = (self.0.remove("data"), self.take::<String>("b64data")?);
        if coded.is_empty() {
            let data = data.ok_or_else(|| Refusal::bad_request("data: missing"))?;
            return Ok(Payload::json_unchecked(data.get()));
        }
        let bytes = STANDARD.decode(coded).map_err(|error| wrong("b64data", &error))?;
        let text = std::str::from_utf8(&bytes).ok();
        let json = text.filter(|text| serde_json::from_str::<&RawValue>(text).is_ok());
        Ok(json.map_or_else(|| Payload::Binary(bytes.as_slice().into()), Payload::json_unchecked))
    }

    /// Drops a parameter that has no effect in this server.
    pub(super) fn pass_over(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Refuses parameters that were not read, since they may change the meaning of the call; empty ones are
    /// ignored.
    pub(super) fn end(self) -> Result<(), Refusal> {
        let empty = |raw: &RawValue| matches!(raw.get(), "null" | "false" | "0" | "\"\"" | "[]" | "{}");
        match self.0.iter().find(|(_, raw)| !empty(raw)) {
            None => Ok(()),
            Some((name, _)) => Err(Refusal::not_available(format!("{name}: unsupported parameter"))),
        }
    }
}

pub(super) fn channel(name: &str) -> Result<ChannelId, Refusal> {
    name.parse().map_err(|error| wrong("channel", &error))
}

pub(super) fn wrong(name: &str, why: &dyn Display) -> Refusal {
    Refusal::bad_request(format!("{name}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_is_refused_unless_it_says_nothing() {
        let end = |text: &str| Fields::read(text).and_then(Fields::end).map_err(|refusal| refusal.code());
        for empty in ["null", "false", "0", "\"\"", "[]", "{}"] {
            assert_eq!(end(&format!("{{\"any\": {empty} }}")), Ok(()), "{empty}");
        }
        for said in ["true", "1", "\"a\"", "[0]", "{\"a\":0}", "-1", "0.5"] {
            assert_eq!(end(&format!("{{\"any\":{said}}}")), Err(108), "{said}");
        }
        for bad in ["[]", "", "{", "1", "null"] {
            assert_eq!(end(bad), Err(107), "{bad}");
        }
    }

    #[test]
    fn bytes_in_base64_are_json_where_they_are_such() {
        let content = |text: &str| Fields::read(text).and_then(|mut fields| fields.content());
        assert_eq!(content(r#"{"b64data":"eyJhIjoxfQ=="}"#), Ok(Payload::json("{\"a\":1}")));
        assert_eq!(content(r#"{"b64data":"/w==","data":1}"#), Ok(Payload::Binary([0xff].into())));
        assert_eq!(content(r#"{"data":null,"b64data":null}"#), Ok(Payload::json("null")));
        for bad in [r#"{"b64data":"%"}"#, "{}", r#"{"b64data":7}"#] {
            assert_eq!(content(bad).map_err(|refusal| refusal.code()), Err(107), "{bad}");
        }
    }
}
