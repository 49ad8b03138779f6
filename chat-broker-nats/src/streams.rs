//! Makes the two streams, or checks those that are there.

use std::time::Duration;

use bytes::Bytes;
use chat_core::broker::BrokerError;
use serde_json::{Value, json};

use crate::address::{Bounds, SHORTEST};
use crate::error::{refused, strange};
use crate::link::{Asked, Link};
use crate::names::Names;

/// Is the number of the error that a stream was just made otherwise.
const OTHER_CONFIGURATION: u64 = 10058;

/// Tells what was found when the streams were made.
pub(crate) struct Made {
    pub(crate) created: String,
    pub(crate) age: Duration,
    pub(crate) key_age: Duration,
}

/// Makes the streams, unless others have.
pub(crate) async fn make(link: &Link, names: &Names, bounds: &Bounds) -> Result<Made, BrokerError> {
    let places = json!({
        "name": names.places(), "subjects": [names.all('p'), names.all('x')],
        "republish": { "src": names.all('p'), "dest": names.all('h') },
        "retention": "limits", "discard": "old", "storage": "file", "num_replicas": 1,
        "max_age": nanoseconds(bounds.age), "max_bytes": bounds.bytes,
        "max_msgs_per_subject": bounds.messages, "allow_direct": true,
    });
    // Where there is no room for more keys, no more are taken: one that is forgotten is no key.
    let keys = json!({
        "name": names.keys(), "subjects": [names.all('k')],
        "retention": "limits", "discard": "new", "storage": "file", "num_replicas": 1,
        "max_age": nanoseconds(bounds.key_age), "max_bytes": bounds.key_bytes,
        "max_msgs_per_subject": 1, "allow_direct": true,
    });
    let (found, found_keys) = (find(link, &places).await?, find(link, &keys).await?);
    let created = text(&found["created"])?;
    let (age, key_age) = (age(&found), age(&found_keys));
    if age < SHORTEST {
        return Err(refused(format!(
            "the stream {} forgets too early where a channel stands",
            names.places()
        )));
    }
    Ok(Made { created, age, key_age })
}

/// Returns when the stream of places was made.
pub(crate) async fn created(link: &Link, names: &Names) -> Result<String, BrokerError> {
    let found = link.api(&format!("STREAM.INFO.{}", names.places()), Bytes::new()).await;
    text(&found.map_err(BrokerError::from)?["created"])
}

fn text(value: &Value) -> Result<String, BrokerError> {
    value.as_str().map(str::to_owned).ok_or_else(strange)
}

/// Returns what is told of a stream, which is made if there is none.
async fn find(link: &Link, wanted: &Value) -> Result<Value, BrokerError> {
    let name = text(&wanted["name"])?;
    let info = format!("STREAM.INFO.{name}");
    let found = match link.api(&info, Bytes::new()).await {
        Err(Asked::Refused { status: 404, .. }) => {
            let made = link.api(&format!("STREAM.CREATE.{name}"), wanted.to_string().into()).await;
            match made {
                Err(Asked::Refused { number: OTHER_CONFIGURATION, .. }) => {
                    link.api(&info, Bytes::new()).await
                }
                made => made,
            }
        }
        found => found,
    }
    .map_err(BrokerError::from)?;
    for field in ["subjects", "republish", "retention", "discard", "allow_direct", "storage"] {
        if found["config"][field] != wanted[field] {
            return Err(refused(format!("the stream {name} is there, with another {field}")));
        }
    }
    Ok(found)
}

/// Returns how long a stream keeps what it took; 0 stands for ever.
fn age(found: &Value) -> Duration {
    match found["config"]["max_age"].as_u64() {
        Some(0) | None => Duration::MAX,
        Some(age) => Duration::from_nanos(age),
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
