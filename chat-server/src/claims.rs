//! Parses the claims of a token. A token with a claim that cannot be read is refused.

use std::collections::HashMap;
use std::time::Duration;

use chat_core::{ChannelId, Refusal, SenderName, UserId};
use chrono::{DateTime, Utc};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Holds the claims of a session's token: `sub` is the user, `name` the name of the sender (`sub` if it is
/// missing), and `info` the data that others see of the user.
///
/// The session is subscribed to `channels` at once, and may read them. `read` and `write` list the channels
/// that it may join and publish to: names, or prefixes of names that end with `*`. A missing list allows any
/// channel.
#[derive(Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: UserId,
    #[serde(default, deserialize_with = "there")]
    pub(crate) name: Option<SenderName>,
    pub(crate) info: Option<Box<RawValue>>,
    #[serde(default)]
    pub(crate) channels: Vec<ChannelId>,
    #[serde(default, deserialize_with = "there")]
    pub(crate) read: Option<Vec<String>>,
    #[serde(default, deserialize_with = "there")]
    pub(crate) write: Option<Vec<String>>,
    /// Marks a token for one channel, which opens no session.
    #[serde(default, deserialize_with = "there")]
    pub(crate) channel: Option<IgnoredAny>,
    #[serde(flatten)]
    pub(crate) times: Times,
}

/// Holds the claims of a token for one channel, which this user may join.
#[derive(Deserialize)]
pub(crate) struct ChannelClaims {
    pub(crate) sub: UserId,
    pub(crate) channel: ChannelId,
    #[serde(flatten)]
    pub(crate) times: Times,
}

/// Holds the period in which a token is valid, and its audience.
#[derive(Deserialize)]
pub(crate) struct Times {
    #[serde(default, deserialize_with = "there")]
    exp: Option<Date>,
    #[serde(default, deserialize_with = "there")]
    nbf: Option<Date>,
    #[serde(default, deserialize_with = "there", rename = "iat")]
    _issued: Option<Date>,
    #[serde(default, deserialize_with = "there")]
    aud: Option<Audience>,
}

/// Names the claims of a kind of token.
pub(crate) trait Timed {
    /// Lists all claims that are read; required ones come first.
    const NAMES: &[&str];
    /// Lists the required claims.
    const LEAST: &[&str];

    fn times(&self) -> &Times;
}

impl Timed for Claims {
    const NAMES: &[&str] =
        &["sub", "name", "info", "channels", "read", "write", "channel", "exp", "nbf", "iat", "aud"];
    const LEAST: &[&str] = &["sub"];

    fn times(&self) -> &Times {
        &self.times
    }
}

impl Timed for ChannelClaims {
    const NAMES: &[&str] = &["sub", "channel", "exp", "nbf", "iat", "aud"];
    const LEAST: &[&str] = &["sub", "channel"];

    fn times(&self) -> &Times {
        &self.times
    }
}

/// Holds the checks of a token besides its signature.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// Allows the clocks of the token's issuer and of this server to differ by this much.
    pub(crate) leeway: Duration,
    /// Requires this audience, if there is one.
    pub(crate) audience: Option<String>,
}

impl Times {
    /// Checks that a token is valid now, and returns the end of its validity.
    ///
    /// # Errors
    /// Returns 109 if it has expired or is not valid yet, and 101 if it is for another audience.
    pub(crate) fn check(&self, terms: &Terms, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Refusal> {
        let ours = |audience: &String| self.aud.as_ref().is_some_and(|aud| aud.has(audience));
        if !terms.audience.as_ref().is_none_or(ours) {
            return Err(Refusal::unauthorized("the token is for another audience"));
        }
        let until = self.exp.as_ref().map(|Date(exp)| exp.checked_add_signed(slack(terms)).unwrap_or(LAST));
        if until.is_some_and(|until| until <= now) {
            return Err(Refusal::token_expired("the token has expired"));
        }
        let from = self.nbf.as_ref().map(|Date(nbf)| nbf.checked_sub_signed(slack(terms)).unwrap_or(FIRST));
        if from.is_some_and(|from| from > now) {
            // As for an expired token, the client reconnects, with this token or another.
            return Err(Refusal::token_expired("the token is not valid yet"));
        }
        Ok(until)
    }
}

fn slack(terms: &Terms) -> chrono::TimeDelta {
    chrono::TimeDelta::from_std(terms.leeway).unwrap_or(chrono::TimeDelta::MAX)
}

/// Holds a date, read from the seconds since 1970, which may be negative or have a fraction (RFC 7519 §2). A
/// date outside the years 1 to 9999 becomes the first or the last moment of them.
struct Date(DateTime<Utc>);

const FIRST: DateTime<Utc> = DateTime::from_timestamp_secs(-62_135_596_800).expect("the year 1");
const LAST: DateTime<Utc> = DateTime::from_timestamp_secs(253_402_300_799).expect("the year 9999");

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        // The cast saturates, and JSON has no NaN.
        let millis = (seconds * 1000.0).floor() as i64;
        let millis = millis.clamp(FIRST.timestamp_millis(), LAST.timestamp_millis());
        Ok(Self(DateTime::from_timestamp_millis(millis).expect("it was clamped")))
    }
}

/// Holds one audience or several (RFC 7519 §4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn has(&self, one: &String) -> bool {
        match self {
            Self::One(only) => only == one,
            Self::Several(all) => all.contains(one),
        }
    }
}

/// Reads the claims of a token.
///
/// # Errors
/// Names the claim that is missing or cannot be read.
pub(crate) fn read_claims<T: DeserializeOwned + Timed>(text: &RawValue) -> Result<T, String> {
    serde_json::from_str(text.get()).map_err(|_| unreadable::<T>(text.get()))
}

/// Finds the claim that cannot be read: tries each one alone, beside readable values of the required ones.
fn unreadable<T: DeserializeOwned + Timed>(text: &str) -> String {
    let Ok(claims) = serde_json::from_str::<HashMap<String, Box<RawValue>>>(text) else {
        return "the claims of the token are no object".to_owned();
    };
    if let Some(missing) = T::LEAST.iter().find(|name| !claims.contains_key(**name)) {
        return format!("the token has no claim {missing:?}");
    }
    let odd = T::NAMES.iter().find(|name| {
        let Some(claim) = claims.get(**name) else { return false };
        let others = T::LEAST.iter().filter(|least| least != name).map(|least| format!("{least:?}:\"a\","));
        let alone = format!("{{{}{name:?}:{claim}}}", others.collect::<String>());
        serde_json::from_str::<T>(&alone).is_err()
    });
    match odd {
        Some(name) => format!("the claim {name:?} of the token cannot be read"),
        None => "a claim of the token stands there twice".to_owned(),
    }
}

/// Reads a claim that is present; `null` does not count as absent.
pub(crate) fn there<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: DateTime<Utc> = DateTime::from_timestamp_secs(1_800_000_000).expect("a day of 2027");

    /// Returns the end of the validity, or the code of the refusal.
    fn check(claims: &Value, terms: &Terms) -> Result<Option<i64>, u16> {
        let claims: Claims = serde_json::from_str(&claims.to_string()).map_err(|_| 101_u16)?;
        let until = claims.times.check(terms, NOW).map_err(|refusal| refusal.code())?;
        Ok(until.map(|until| until.timestamp()))
    }

    fn terms(seconds: u64) -> Terms {
        Terms { leeway: Duration::from_secs(seconds), audience: None }
    }

    #[test]
    fn a_date_is_read_whatever_number_it_is_and_holds_within_the_leeway() {
        for (exp, held) in [
            (json!(1_800_000_060), Ok(Some(1_800_000_065))),
            (json!(1_799_999_996), Ok(Some(1_800_000_001))),
            (json!(1_799_999_995), Err(109)),
            (json!(1_799_999_995.5), Ok(Some(1_800_000_000))),
            (json!(0), Err(109)),
            (json!(-1), Err(109)),
            (json!(-1.5), Err(109)),
            (json!(-1e18), Err(109)),
            (json!(-1e300), Err(109)),
            (json!(1e300), Ok(Some(LAST.timestamp()))),
            (json!(u64::MAX), Ok(Some(LAST.timestamp()))),
        ] {
            let held = held.map(|until: Option<i64>| until.map(|at| at.min(LAST.timestamp() + 5)));
            let got = check(&json!({"sub":"ann","exp":exp}), &terms(5));
            match (got, held) {
                (Ok(Some(got)), Ok(Some(held))) => assert!(got.abs_diff(held) <= 5, "{exp}: {got} {held}"),
                (got, held) => assert_eq!(got, held, "{exp}"),
            }
        }
        assert_eq!(check(&json!({"sub":"ann","exp":1_800_000_000}), &terms(0)), Err(109), "at its moment");
        assert_eq!(check(&json!({"sub":"ann","nbf":1_800_000_005}), &terms(5)), Ok(None));
        assert_eq!(check(&json!({"sub":"ann","nbf":1_800_000_006}), &terms(5)), Err(109));
        assert_eq!(check(&json!({"sub":"ann","nbf":-1e300}), &terms(5)), Ok(None));
    }

    #[test]
    fn a_claim_that_is_there_and_cannot_be_read_refuses_the_token() {
        for name in ["exp", "nbf", "iat"] {
            for odd in [json!("1800000060"), json!(null), json!(true), json!([1]), json!({})] {
                assert_eq!(check(&json!({"sub":"ann",name:odd}), &terms(5)), Err(101), "{name}: {odd}");
            }
        }
        for (name, odd) in [
            ("sub", json!(null)),
            ("sub", json!(7)),
            ("sub", json!("")),
            ("name", json!(null)),
            ("name", json!("")),
            ("channels", json!(null)),
            ("channels", json!("room")),
            ("channels", json!([""])),
            ("read", json!(null)),
            ("read", json!("room")),
            ("write", json!(null)),
            ("write", json!([7])),
            ("aud", json!(null)),
            ("aud", json!(7)),
        ] {
            let mut claims = json!({"sub":"ann"});
            claims[name] = odd;
            assert_eq!(check(&claims, &terms(5)), Err(101), "{claims}");
        }
        let for_one: Claims = serde_json::from_str(r#"{"sub":"ann","channel":null}"#).expect("it reads");
        assert!(for_one.channel.is_some(), "it is for one channel, whichever that is");
        assert!(serde_json::from_str::<Claims>(r#"{"sub":"ann","exp":1,"exp":2}"#).is_err(), "twice");
    }

    #[test]
    fn a_claim_that_cannot_be_read_is_named_in_plain_words() {
        let told = |text: &str| {
            let raw: Box<RawValue> = serde_json::from_str(text).expect("JSON");
            read_claims::<Claims>(&raw).err().expect(text)
        };
        let cannot = |name: &str| format!("the claim {name:?} of the token cannot be read");
        for name in ["sub", "name", "channels", "read", "write", "exp", "nbf", "iat", "aud"] {
            let mut claims = json!({"sub":"ann","info":{"a":[1]}});
            claims[name] = json!({"odd":1});
            assert_eq!(told(&claims.to_string()), cannot(name));
        }
        assert_eq!(told(r#"{"sub":"ann","exp":1e999}"#), cannot("exp"));
        assert_eq!(told(r#"{"name":"Ann"}"#), r#"the token has no claim "sub""#);
        assert_eq!(told(r#"{"sub":"ann","exp":1,"exp":2}"#), "a claim of the token stands there twice");
        for none in ["[]", "7", "null", r#""ann""#] {
            assert_eq!(told(none), "the claims of the token are no object");
        }
        let raw: Box<RawValue> = serde_json::from_str(r#"{"sub":"ann","channel":7}"#).expect("JSON");
        assert_eq!(read_claims::<ChannelClaims>(&raw).err(), Some(cannot("channel")));
    }

    #[test]
    fn an_audience_is_asked_for_only_where_one_is_named() {
        let ours = Terms { audience: Some("chat".into()), ..terms(5) };
        for (aud, held) in [
            (json!("chat"), Ok(None)),
            (json!(["other", "chat"]), Ok(None)),
            (json!("other"), Err(101)),
            (json!([]), Err(101)),
        ] {
            assert_eq!(check(&json!({"sub":"ann","aud":aud}), &ours), held, "{aud}");
            assert_eq!(check(&json!({"sub":"ann","aud":aud}), &terms(5)), Ok(None));
        }
        assert_eq!(check(&json!({"sub":"ann"}), &ours), Err(101));
    }
}
