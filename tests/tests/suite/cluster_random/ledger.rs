//! Keeps the books of one play: what was asked to be published, what was answered, and where it is.

use super::truth::Truth;

/// Holds every message that was asked to be published. Each has a text of its own.
pub(super) struct Ledger {
    pub(super) truth: Truth,
    messages: Vec<Message>,
}

struct Message {
    channel: String,
    /// Is true once the publisher was answered that it is published.
    published: bool,
    refused: bool,
}

impl Ledger {
    pub(super) fn new(truth: Truth) -> Self {
        Self { truth, messages: Vec::new() }
    }

    /// Returns the text of a new message.
    pub(super) fn ask(&mut self, channel: &str) -> String {
        self.messages.push(Message { channel: channel.to_owned(), published: false, refused: false });
        format!("m{}", self.messages.len() - 1)
    }

    /// Returns the number of the next message.
    pub(super) fn next(&self) -> usize {
        self.messages.len()
    }

    /// Returns the number of the message with this text.
    pub(super) fn number(&self, text: &str) -> usize {
        let number = text.strip_prefix('m').and_then(|number| number.parse().ok());
        number.filter(|number| *number < self.messages.len()).unwrap_or_else(|| panic!("nobody said {text}"))
    }

    pub(super) fn is_published(&mut self, channel: &str, text: &str, offset: Option<u64>) {
        let places = self.truth.places(channel, text);
        assert!(!places.is_empty(), "{text} of {channel} is answered, and has no place");
        if let Some(offset) = offset {
            let told = places.iter().any(|place| place.1 == offset);
            assert!(told, "{text} of {channel} is answered with {offset}, and is at {places:?}");
        }
        let number = self.number(text);
        self.messages[number].published = true;
    }

    pub(super) fn is_refused(&mut self, text: &str) {
        let number = self.number(text);
        self.messages[number].refused = true;
    }

    /// Returns the messages of a channel, from this one on, that were answered as published.
    pub(super) fn published(&self, channel: &str, from: usize) -> impl Iterator<Item = usize> {
        let messages = self.messages.iter().enumerate().skip(from);
        messages
            .filter(move |(_, message)| message.published && message.channel == channel)
            .map(|(number, _)| number)
    }

    /// Counts the messages that were answered as published, and those that were refused.
    pub(super) fn counts(&self) -> (usize, usize) {
        let count = |of: fn(&Message) -> bool| self.messages.iter().filter(|message| of(message)).count();
        (count(|message| message.published), count(|message| message.refused))
    }
}
