//! Writes and reads the texts of notifications.
//!
//! A notification has at most 8,000 bytes and no NUL. A word that does not fit is put into a table.

use std::sync::Arc;

use chat_core::ChannelId;

/// Says that something was published.
pub(crate) const PUBLISHED: &str = "p";

/// Bounds a word that is sent as a notification, with its channel.
const WORD_BYTES: usize = 7_900;
/// Bounds any text of a notification.
const MOST: usize = 8_000;

/// Is what a notification says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Says that something was published.
    Published,
    /// Is a word to the nodes of a channel, or to all.
    Word(Option<ChannelId>, Arc<str>),
    /// Names the row in which a word stands.
    LongWord(i64),
    /// Is nothing that a node of this version says.
    Corrupt,
}

/// Returns the notification of a word, if it fits into one.
pub(crate) fn word(channel: Option<&ChannelId>, body: &str) -> Option<String> {
    let channel = channel.map_or("", |channel| channel.as_str());
    let fits = channel.len() + body.len() <= WORD_BYTES && !body.contains('\0');
    fits.then(|| format!("w{channel}\n{body}"))
}

pub(crate) fn read(text: &str) -> Notice {
    let found = match (text.get(..1), text.get(1..)) {
        (Some("p"), Some("")) => Some(Notice::Published),
        (Some("w"), Some(rest)) if text.len() <= MOST => read_word(rest),
        (Some("W"), Some(id)) => id.parse().ok().map(Notice::LongWord),
        _ => None,
    };
    found.unwrap_or(Notice::Corrupt)
}

fn read_word(text: &str) -> Option<Notice> {
    let (name, body) = text.split_once('\n')?;
    let channel = if name.is_empty() { None } else { Some(name.parse().ok()?) };
    Some(Notice::Word(channel, body.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_as_it_was_written_and_what_does_not_fit_is_not_written() {
        let room: ChannelId = "a'b ж".parse().expect("a name");
        for body in ["", "\n\n", "w\n", "ж\u{2028}"] {
            for channel in [None, Some(&room)] {
                let text = word(channel, body).expect("it fits");
                assert_eq!(read(&text), Notice::Word(channel.cloned(), body.into()));
            }
        }
        assert_eq!(word(None, "\0"), None);
        assert_eq!(word(None, &"x".repeat(WORD_BYTES + 1)), None);
        assert!(word(None, &"x".repeat(WORD_BYTES)).is_some_and(|text| text.len() < MOST));
    }

    #[test]
    fn what_nobody_says_is_told_apart() {
        assert_eq!(read("p"), Notice::Published);
        assert_eq!(read("W17"), Notice::LongWord(17));
        for other in ["", "px", "q", "w", "wa", "W", "Wx", "w\u{1}\nx", "ж", "P"] {
            assert_eq!(read(other), Notice::Corrupt, "{other:?}");
        }
    }
}
