//! Reads the messages of a batch, and hands them to their session as it takes them.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chat_core::Close;
use chat_core::runtime::Runtime;
use chat_core::transport::{Incoming, InputError};
use http_body::Body;

use super::lines::{BadLine, Lines};
use super::mailbox::Mailbox;
use crate::time::within;

/// Limits the empty lines in one POST, for each is work. Messages are not counted: each is taken in as its
/// session's
/// rate has room, and clients older than 1.8.16 put all that they have to say into one POST, such as the
/// joins of all
/// their channels.
const EMPTY: usize = 100;

/// Reads a body, each line of which is to come in time. A session that takes its time with the lines before
/// it is no
/// fault of the client's.
pub(super) struct Batch<'a, B> {
    pub(super) runtime: &'a dyn Runtime,
    pub(super) patience: Duration,
    pub(super) lines: Lines<B>,
}

impl<B: Body + Unpin> Batch<'_, B> {
    /// Reads the next line; none in its place if it takes too long.
    async fn next(&mut self) -> Option<Result<Option<Vec<u8>>, BadLine>> {
        within(self.runtime, self.patience, self.lines.next()).await
    }
}

/// Hands over the messages of a batch, each of at most so many bytes, and returns the status of the answer. A
/// session
/// whose client breaks a bound ends, as it does on a WebSocket.
pub(super) async fn take_in<B: Body + Unpin>(mailbox: &Mailbox, mut batch: Batch<'_, B>, most: usize) -> u16 {
    let mut empty = 0;
    loop {
        let item = match batch.next().await {
            None => return 408,
            Some(Ok(Some(line))) if line.is_empty() => {
                empty += 1;
                if empty > EMPTY {
                    return 413;
                }
                continue;
            }
            Some(Ok(Some(line))) => message(line, most),
            Some(Ok(None)) => return 200,
            Some(Err(BadLine::TooLong)) => Err(InputError::Refused(Close::TOO_BIG)),
            Some(Err(BadLine::Lost)) => return 400,
            Some(Err(BadLine::Full)) => return 503,
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
