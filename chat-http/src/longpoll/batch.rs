//! Reads the messages of a batch, and hands them to their session as it takes them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chat_core::{Close, Incoming, InputError};
use http_body::Body;

use super::lines::{BadLine, Lines};
use super::mailbox::Mailbox;

/// Limits the messages in one POST (constants.js). Empty lines count as well, for each is work.
const BATCH: usize = 100;

/// Hands over the messages of a batch, each of at most so many bytes, and returns the status of the answer. A
/// session whose client breaks a bound ends, as it does on a WebSocket.
pub(super) async fn take_in<B: Body + Unpin>(mailbox: &Mailbox, mut lines: Lines<B>, most: usize) -> u16 {
    for _ in 0..BATCH {
        let item = match lines.next().await {
            Ok(Some(line)) if line.is_empty() => continue,
            Ok(Some(line)) => message(line, most),
            Ok(None) => return 200,
            Err(BadLine::TooLong) => Err(InputError::Refused(Close::TOO_BIG)),
            Err(BadLine::Lost) => return 400,
            Err(BadLine::Full) => return 503,
        };
        let refused = match &item {
            Ok(_) => None,
            Err(InputError::Refused(close)) if *close == Close::TOO_BIG => Some(413),
            Err(_) => Some(400),
        };
        if !mailbox.receive(item).await {
            return 410;
        }
        if let Some(status) = refused {
            return status;
        }
    }
    match lines.next().await {
        Ok(None) => 200,
        _ => 413,
    }
}

/// Reads a message. A text begins with a bracket, all else is base64 (longpoll.js); the protocol refuses what
/// is neither.
fn message(line: Vec<u8>, most: usize) -> Result<Incoming, InputError> {
    let bytes = match line.first() {
        Some(b'[') | None => None,
        Some(_) => STANDARD.decode(&line).ok(),
    };
    if bytes.as_ref().unwrap_or(&line).len() > most {
        return Err(InputError::Refused(Close::TOO_BIG));
    }
    match bytes {
        Some(bytes) => Ok(Incoming::Binary(bytes)),
        None => String::from_utf8(line)
            .map(Incoming::Text)
            .map_err(|_| InputError::Refused(Close::INVALID_PAYLOAD)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_text_or_base64_within_the_bound_of_a_message() {
        let read = |line: &str| message(line.into(), 8);
        assert_eq!(read("[1,2,3]"), Ok(Incoming::Text("[1,2,3]".into())));
        assert_eq!(read("AAECAwQFBgc="), Ok(Incoming::Binary((0..8).collect())));
        assert_eq!(read("AAECAwQFBgcI"), Err(InputError::Refused(Close::TOO_BIG)));
        assert_eq!(read("[1,2,3,4]"), Err(InputError::Refused(Close::TOO_BIG)));
        assert_eq!(read("no!"), Ok(Incoming::Text("no!".into())));
        assert_eq!(message(b"[\xff".into(), 8), Err(InputError::Refused(Close::INVALID_PAYLOAD)));
    }
}
