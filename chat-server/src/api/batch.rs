//! Does many calls of one body, one after the other, and answers each by itself.

use std::collections::HashMap;

use chat_core::Refusal;
use serde_json::value::RawValue;
use tokio::task::yield_now;

use super::calls::{Api, Called, METHODS, call, error};
use super::fields::Fields;

/// Bounds the bytes of all answers; a call after that many is refused with 106 and not done.
const ANSWERED: usize = 16 * 1024 * 1024;

/// Bounds the calls that are done before other tasks have a turn.
const TURN: usize = 16;

/// Does every call in order, and answers `{"replies":[…]}`. The parameter `parallel` changes nothing.
pub(super) async fn all(api: &Api, mut fields: Fields<'_>) -> Called {
    let commands: Vec<Option<HashMap<String, &RawValue>>> = fields.take("commands")?;
    fields.pass_over("parallel");
    fields.end()?;
    let (mut replies, mut answered) = (Vec::with_capacity(commands.len()), 0);
    for (before, command) in commands.iter().enumerate() {
        if before > 0 && before % TURN == 0 {
            yield_now().await;
        }
        let reply = if answered > ANSWERED { Err(full()) } else { one(api, command.as_ref()).await };
        let reply = reply.unwrap_or_else(|refusal| error(&refusal));
        answered += reply.len();
        replies.push(reply);
    }
    Ok(format!("{{\"replies\":[{}]}}", replies.join(",")))
}

fn full() -> Refusal {
    Refusal::limit_exceeded(format!("more than {ANSWERED} bytes of answers"))
}

/// Does one command: its first method that is known and not null.
async fn one(api: &Api, command: Option<&HashMap<String, &RawValue>>) -> Called {
    let command = command.ok_or_else(|| Refusal::bad_request("a command is an object"))?;
    let said =
        |method: &&'static str| Some((*method, command.get(*method).filter(|raw| raw.get() != "null")?));
    let (method, raw) = METHODS
        .iter()
        .find_map(said)
        .ok_or_else(|| Refusal::method_not_found("the command names no known method"))?;
    let (bytes, most) = (raw.get().len(), api.hub().limits().message_bytes);
    if bytes > most {
        return Err(Refusal::bad_request(format!(
            "a command has at most {most} bytes, this one has {bytes}"
        )));
    }
    let result = call(api, method, Fields::read(raw.get())?).await?;
    Ok(format!("{{\"{method}\":{result}}}"))
}
