//! Defines the names that people choose, which are parsed once and valid ever after.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Bounds a name, in bytes of UTF-8.
pub const NAME_BYTES: usize = 255;

/// Tells why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// Reports a text without a character.
    #[error("a name has at least one character")]
    Empty,
    /// Reports a text of more than [`NAME_BYTES`] bytes, with its length.
    #[error("a name has at most {NAME_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// Reports a control character (Unicode category Cc), such as NUL or a line break.
    #[error("a name has no control characters")]
    Control,
}

impl From<Infallible> for NameError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

fn parse(text: &str) -> Result<Arc<str>, NameError> {
    match text.len() {
        0 => Err(NameError::Empty),
        long if long > NAME_BYTES => Err(NameError::TooLong(long)),
        _ if text.chars().any(char::is_control) => Err(NameError::Control),
        _ => Ok(text.into()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// A name has 1–255 bytes of UTF-8 without control characters. Names are compared byte by byte, and
        /// cloning one is cheap.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the name as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                parse(text).map(Self)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;
            fn try_from(text: &str) -> Result<Self, NameError> {
                parse(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                parse(&text).map(Self)
            }
        }

        impl From<&$name> for $name {
            fn from(name: &$name) -> Self {
                name.clone()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        /// Writes the name quoted and escaped, so that a name cannot forge a line of a log.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name! {
    /// Names a channel. No character has a meaning: a subscriber of `a*` never receives what is published to
    /// `ab`.
    ChannelId
}

name! {
    /// Names the sender under which a session publishes.
    SenderName
}

name! {
    /// Identifies a user across all of its sessions.
    UserId
}

name! {
    /// Names the kind of event that a publication is, where clients name one.
    EventName
}

impl SenderName {
    /// Returns whether people confuse the two names: they differ at most in case, in the width of letters,
    /// and in invisible characters.
    pub(crate) fn is_taken_for(&self, other: &Self) -> bool {
        self.seen().to_lowercase() == other.seen().to_lowercase()
    }

    /// Returns the name as people see it: narrow, without invisible characters, and without space around it.
    pub(crate) fn seen(&self) -> String {
        seen(&self.0)
    }
}

fn seen(name: &str) -> String {
    let narrow = |c| match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    };
    let seen = name.chars().filter(|c| !is_unseen(*c)).map(narrow);
    seen.collect::<String>().trim().to_owned()
}

/// Returns whether a character has no width, such as joiners, directions and variations.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// Makes the name the user's id, for where nobody proves an identity and the name is all that is known.
impl From<SenderName> for UserId {
    fn from(name: SenderName) -> Self {
        Self(name.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_255_bytes_and_no_control_character() {
        assert_eq!("".parse::<ChannelId>(), Err(NameError::Empty));
        assert!("x".repeat(255).parse::<ChannelId>().is_ok());
        assert_eq!("é".repeat(128).parse::<ChannelId>(), Err(NameError::TooLong(256)));
        for bad in ["a\0", "a\r\nb", "\u{1b}[31m", "\u{85}"] {
            assert_eq!(bad.parse::<ChannelId>(), Err(NameError::Control), "{bad:?}");
        }
        for good in ["*", ">", "{tag}", "\u{202e}abc", " "] {
            assert_eq!(good.parse::<ChannelId>().expect("a name").as_str(), good);
        }
    }

    #[test]
    fn a_name_that_only_looks_like_another_is_taken_for_it() {
        let name = |text: &str| text.parse::<SenderName>().expect("a name");
        for alike in ["server", "Server", " SERVER ", "ser\u{200b}ver", "ｓｅｒｖｅｒ", "\u{202e}server"]
        {
            assert!(name(alike).is_taken_for(&name("server")), "{alike:?}");
        }
        for other in ["servers", "ser ver", "serve"] {
            assert!(!name(other).is_taken_for(&name("server")), "{other:?}");
        }
    }
}
