//! Many calls in one body, one after the other, each answered by itself.

use std::collections::HashMap;

use chat_core::{Hub, Refusal};
use serde_json::value::RawValue;

use super::calls::{Called, METHODS, call, error};
use super::fields::Fields;

/// Calls each, and answers `{"replies":[…]}`. Whether that may be done at once changes nothing but how long it takes.
pub(super) async fn all(hub: &Hub, mut fields: Fields<'_>) -> Called {
    let commands: Vec<Option<HashMap<String, &RawValue>>> = fields.take("commands")?;
    fields.pass_over("parallel");
    fields.end()?;
    let mut replies = Vec::with_capacity(commands.len());
    for command in commands {
        replies.push(one(hub, command.as_ref()).await.unwrap_or_else(|refusal| error(&refusal)));
    }
    Ok(format!("{{\"replies\":[{}]}}", replies.join(",")))
}

/// The first method that is there and not null.
async fn one(hub: &Hub, command: Option<&HashMap<String, &RawValue>>) -> Called {
    let command = command.ok_or_else(|| Refusal::bad_request("a command is an object"))?;
    let said =
        |method: &&'static str| Some((*method, command.get(*method).filter(|raw| raw.get() != "null")?));
    let (method, raw) = METHODS
        .iter()
        .find_map(said)
        .ok_or_else(|| Refusal::method_not_found("no method that is spoken here"))?;
    let result = call(hub, method, Fields::read(raw.get())?).await?;
    Ok(format!("{{\"{method}\":{result}}}"))
}
