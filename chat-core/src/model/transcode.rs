//! Serializes content as the value that it stands for, in any format of serde.

use std::borrow::Cow;
use std::cell::Cell;

use serde::ser::{Error, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::{Payload, json};

/// Serializes JSON as the value that it is, and other content as bytes. Numbers that fit neither 64 bits nor
/// a double are serialized as the nearest double.
///
/// Fails if the text of a [`json_unchecked`](Payload::json_unchecked) is not one JSON value.
///
/// ```
/// use chat_core::Payload;
/// let payload = Payload::json(r#"{"text": "open at nine", "doors": [1, 2]}"#);
/// assert_eq!(serde_json::to_string(&payload)?, r#"{"text":"open at nine","doors":[1,2]}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(text) => {
                json::check(text).map_err(S::Error::custom)?;
                Value(&Cell::new(text)).serialize(serializer)
            }
            Self::Binary(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}

/// Reads the next value of a text that was checked, and moves the text on behind it.
struct Value<'a>(&'a Cell<&'a str>);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.peek() {
            Some(b'{') => self.object(serializer),
            Some(b'[') => self.array(serializer),
            Some(b'"') => serializer.serialize_str(&self.string()),
            _ => match self.word() {
                "true" => serializer.serialize_bool(true),
                "false" => serializer.serialize_bool(false),
                "null" => serializer.serialize_unit(),
                number => self::number(number, serializer),
            },
        }
    }
}

impl<'a> Value<'a> {
    /// Returns the next byte that is no space.
    fn peek(&self) -> Option<u8> {
        let rest = self.0.get().trim_start_matches([' ', '\t', '\n', '\r']);
        self.0.set(rest);
        rest.bytes().next()
    }

    /// Takes the next byte, which is one of a bracket, a comma, a colon or a quote.
    fn take(&self) -> Option<u8> {
        let next = self.peek();
        self.0.set(self.0.get().get(1..).unwrap_or_default());
        next
    }

    fn array<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut array = serializer.serialize_seq(None)?;
        self.take();
        while self.goes_on(b']') {
            array.serialize_element(&Value(self.0))?;
        }
        array.end()
    }

    fn object<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        self.take();
        while self.goes_on(b'}') {
            self.peek();
            let key = self.string();
            self.take();
            object.serialize_entry(&key, &Value(self.0))?;
        }
        object.end()
    }

    /// Takes a comma, or the bracket that closes. Returns false if all is read.
    fn goes_on(&self, close: u8) -> bool {
        match self.peek() {
            Some(next) if next == close => {
                self.take();
                false
            }
            Some(b',') => self.take().is_some(),
            next => next.is_some(),
        }
    }

    fn string(&self) -> Cow<'a, str> {
        self.take();
        let text = self.0.get();
        let mut unescaped: Option<String> = None;
        let mut rest = text;
        loop {
            let end = rest.find(['"', '\\']).unwrap_or(rest.len());
            let (plain, behind) = rest.split_at(end);
            match behind.as_bytes() {
                [b'\\', ..] => {
                    let whole = unescaped.get_or_insert_default();
                    whole.push_str(plain);
                    rest = unescape(&behind[1..], whole);
                }
                _ => {
                    self.0.set(behind.get(1..).unwrap_or_default());
                    return match unescaped {
                        Some(whole) => Cow::Owned(whole + plain),
                        None => Cow::Borrowed(plain),
                    };
                }
            }
        }
    }

    /// Takes a number, `true`, `false` or `null`.
    fn word(&self) -> &'a str {
        let rest = self.0.get();
        let end = rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        self.0.set(behind);
        word
    }
}

fn number<S: Serializer>(number: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if let Ok(number) = number.parse::<u64>() {
        return serializer.serialize_u64(number);
    }
    match number.parse::<i64>() {
        // An integer has no minus zero.
        Ok(integer) if integer != 0 => serializer.serialize_i64(integer),
        _ => serializer.serialize_f64(number.parse().map_err(S::Error::custom)?),
    }
}

/// Appends the character of an escape, whose backslash is taken. Half of a surrogate pair stands for the
/// replacement character. Returns what follows.
fn unescape<'a>(rest: &'a str, whole: &mut String) -> &'a str {
    let (escape, behind) = rest.split_at(1.min(rest.len()));
    let character = match escape {
        "b" => '\u{8}',
        "f" => '\u{c}',
        "n" => '\n',
        "r" => '\r',
        "t" => '\t',
        "u" => return unescape_unicode(behind, whole),
        other => other.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER),
    };
    whole.push(character);
    behind
}

fn unescape_unicode<'a>(rest: &'a str, whole: &mut String) -> &'a str {
    let unit = |text: &str| text.get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let first = unit(rest).unwrap_or_default();
    let rest = rest.get(4..).unwrap_or_default();
    let second = rest.strip_prefix("\\u").and_then(unit);
    let pair = second.and_then(|second| char::decode_utf16([first, second]).next()?.ok());
    let is_pair = pair.is_some_and(|character| character.len_utf16() == 2);
    let alone = char::decode_utf16([first]).next().and_then(Result::ok);
    whole.push(pair.filter(|_| is_pair).or(alone).unwrap_or(char::REPLACEMENT_CHARACTER));
    if is_pair { rest.get(6..).unwrap_or_default() } else { rest }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value as Json, json, to_string, to_value};

    use super::*;

    fn same(text: &str) {
        let payload = Payload::parse(text).expect("it is JSON");
        let expected: Json = serde_json::from_str(text).expect("it is JSON");
        assert_eq!(to_value(&payload).expect("it is serialized"), expected, "{text}");
    }

    #[test]
    fn content_is_serialized_as_the_value_that_it_stands_for() {
        let texts = [
            r#" {"a" : [ ] , "b":{ } ,"c" : [1 ,-2, 3.5e2 , true,false , null ] } "#,
            r#"["\"\\\/\b\f\n\r\t", "é\u00e9", "\ud83d\ude00", "", "a\u0041b", "\u005cn"]"#,
            "18446744073709551615",
            "-9223372036854775808",
            "-0",
            "1e3",
            "123456789012345678901234567890",
            r#""x""#,
        ];
        texts.into_iter().for_each(same);
        let lone = Payload::json(r#""\ud83dx \ud83d\u0041 \ude00""#);
        assert_eq!(to_value(&lone).expect("it is serialized"), json!("\u{fffd}x \u{fffd}A \u{fffd}"));
        assert_eq!(to_string(&Payload::Binary([1, 2].into())).expect("it is serialized"), "[1,2]");
        for wrong in ["", "{", "[1,", "hello", "\"\\", "{\"a\"}", "1 2", "\"é"] {
            assert!(to_string(&Payload::json_unchecked(wrong)).is_err(), "{wrong}");
        }
    }

    fn values() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<String>().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Json::from),
                prop::collection::vec((any::<String>(), inner), 0..8)
                    .prop_map(|entries| Json::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_survives_in_either_form(value in values()) {
            same(&value.to_string());
            same(&serde_json::to_string_pretty(&value).expect("JSON"));
        }
    }
}
