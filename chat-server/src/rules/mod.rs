//! Says by the name of a channel how it is kept, and who may do what in it.
//!
//! ```text
//!   pattern  matches names of channels
//! ```

mod pattern;

use chat_core::{ChannelId, ChannelOptions, Storage};

pub(crate) use self::pattern::Pattern;

/// Holds the rules in their order: the first whose pattern matches a channel is the channel's.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    rules: Vec<(Pattern, Rule)>,
    otherwise: Rule,
}

/// Says how a channel is kept, and who may do what in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) options: ChannelOptions,
    pub(crate) join: Who,
    pub(crate) publish: Who,
    pub(crate) read: Who,
    pub(crate) see_presence: Who,
}

/// Says which sessions may do something in a channel. The server itself may do everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Allows every session.
    Anyone,
    /// Allows the sessions that are subscribed to the channel.
    Members,
    /// Allows the sessions whose token names the channel.
    Token,
    /// Allows no session.
    Nobody,
}

impl Rules {
    /// Returns rules for the channels that match one of these patterns, and for all others.
    pub(crate) fn new(rules: Vec<(Pattern, Rule)>, otherwise: Rule) -> Self {
        Self { rules, otherwise }
    }

    /// Returns the rule of a channel.
    pub(crate) fn of(&self, channel: &ChannelId) -> &Rule {
        let matching = self.rules.iter().find(|(pattern, _)| pattern.matches(channel.as_str()));
        matching.map_or(&self.otherwise, |(_, rule)| rule)
    }

    /// Returns how many rules there are, besides the one for all other channels.
    pub(crate) fn count(&self) -> usize {
        self.rules.len()
    }
}

impl Rule {
    /// Returns whether such a channel keeps any of its publications.
    pub(crate) fn keeps(&self) -> bool {
        let ChannelOptions { history, storage, .. } = self.options;
        let for_a_while = history.entries > 0 && history.bytes > 0 && !history.age.is_zero();
        for_a_while || storage != Storage::None
    }
}

impl Who {
    /// Lists all, each with the name that it has in a file.
    pub(crate) const ALL: [(&str, Self); 4] = [
        ("anyone", Self::Anyone),
        ("members", Self::Members),
        ("token", Self::Token),
        ("nobody", Self::Nobody),
    ];
}
