//! Matches names of channels.

use std::fmt;

use chat_core::{ChannelId, NameError};

/// Matches whole names: each `*` stands for any characters, or none; `\*` is a star and `\\` a backslash; any
/// other character is itself. Case counts, and nothing else has a meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// Holds what stands before the first star.
    start: Box<str>,
    /// Holds what stands behind each star, up to the next.
    pieces: Vec<Box<str>>,
}

/// Bounds the stars of a pattern.
const STARS: usize = 8;

/// Tells why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PatternError {
    /// Reports that what is beside the stars could be in no name.
    Name(NameError),
    /// Reports a backslash before neither a star nor a backslash.
    Escape,
    /// Reports more than [`STARS`].
    Stars,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Escape => f.write_str(r"a \ stands before * or \ alone: \* is a star, \\ a backslash"),
            Self::Stars => write!(f, "a pattern has at most {STARS} stars"),
        }
    }
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// Says why the text is none.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let (mut pieces, mut characters) = (vec![String::new()], text.chars());
        while let Some(character) = characters.next() {
            let last = pieces.last_mut().expect("there is always one");
            match character {
                '*' => pieces.push(String::new()),
                '\\' => match characters.next() {
                    Some(escaped @ ('*' | '\\')) => last.push(escaped),
                    _ => return Err(PatternError::Escape),
                },
                plain => last.push(plain),
            }
        }
        if pieces.len() > STARS + 1 {
            return Err(PatternError::Stars);
        }
        // Each name that the pattern matches is at least as long as what stands beside the stars.
        let rest = pieces.concat();
        let sample = if pieces.len() > 1 && rest.is_empty() { "*" } else { &rest };
        sample.parse::<ChannelId>().map_err(PatternError::Name)?;
        let mut pieces = pieces.into_iter().map(String::into_boxed_str);
        Ok(Self { start: pieces.next().expect("there is always one"), pieces: pieces.collect() })
    }

    /// Returns true if the whole name is as the pattern says.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let Some(mut rest) = name.strip_prefix(&*self.start) else { return false };
        let Some((end, middle)) = self.pieces.split_last() else { return rest.is_empty() };
        for piece in middle {
            let Some(at) = rest.find(&**piece) else { return false };
            rest = &rest[at + piece.len()..];
        }
        rest.ends_with(&**end)
    }

    /// Returns true if every name that the other pattern matches is matched by this one.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        // No pattern has this character, so only a star of this pattern can match it: as it matches any other
        // text in its place.
        const STAR: &str = "\0";
        let pieces: String = other.pieces.iter().flat_map(|piece| [STAR, piece]).collect();
        self.matches(&format!("{}{pieces}", other.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    #[test]
    fn a_pattern_matches_whole_names_and_a_star_is_any_text() {
        for (text, matching, others) in [
            ("news", &["news"][..], &["new", "newss", "News", "news*", " news", "news\u{200b}"][..]),
            (
                "user:*",
                &["user:", "user:ann", "user:*", "user:a:b", "user:\u{202e}ann"],
                &["user", "userx", "xuser:a", "User:a", "user\u{ff1a}a"],
            ),
            ("*", &["a", "*", "\\", " ", "\u{202e}"], &[]),
            ("*:log", &[":log", "a:log", ":log:log"], &["log", "a:log ", "a:logs"]),
            ("a*b*c", &["abc", "abbcc", "a-b-c", "abcbc", "a*b*c"], &["ab", "ac", "acb", "abcd", "xabc"]),
            ("a*a", &["aa", "aaa", "aba"], &["a", "ab"]),
            ("**", &["a", "**"], &[]),
            (r"a\*", &["a*"], &["a", "ab", r"a\*"]),
            (r"\\*", &["\\", r"\*", r"\a"], &["*", "a"]),
            (r"\**", &["*", "*a"], &["a*", "a"]),
            (".*", &[".", ".x"], &["x", "ab"]),
            ("room-[0-9]?", &["room-[0-9]?"], &["room-1", "room-12"]),
            ("é*", &["é", "éa"], &["e", "\u{65}\u{301}"]),
        ] {
            for name in matching {
                assert!(pattern(text).matches(name), "{text} matches {name:?}");
            }
            for name in others {
                assert!(!pattern(text).matches(name), "{text} does not match {name:?}");
            }
        }
    }

    #[test]
    fn what_could_match_no_name_is_no_pattern() {
        let error = |text: &str| Pattern::parse(text).expect_err(text);
        assert_eq!(error(""), PatternError::Name(NameError::Empty));
        assert_eq!(error("a\0*"), PatternError::Name(NameError::Control));
        assert_eq!(error("a\nb"), PatternError::Name(NameError::Control));
        assert_eq!(error(&"x".repeat(256)), PatternError::Name(NameError::TooLong(256)));
        assert!(Pattern::parse(&format!("*{}*", "x".repeat(255))).is_ok());
        for odd in ["\\", "a\\", r"\a", r"a\ *", r"\\\"] {
            assert_eq!(error(odd), PatternError::Escape, "{odd}");
        }
        assert_eq!(error(&"a*".repeat(9)), PatternError::Stars);
        assert!(Pattern::parse(&"a*".repeat(8)).is_ok());
    }

    #[test]
    fn a_pattern_that_is_covered_matches_nothing_that_the_other_does_not() {
        for (wide, narrow) in [
            ("*", "*"),
            ("*", "a"),
            ("**", "*"),
            ("*", "**"),
            ("user:*", "user:ann"),
            ("user:*", "user:*:log"),
            ("*:log", "user:*:log"),
            ("a*c", "a*b*c"),
            (r"a*", r"a\*"),
            ("news", "news"),
        ] {
            assert!(pattern(wide).covers(&pattern(narrow)), "{wide} covers {narrow}");
        }
        for (one, other) in
            [("user:*", "user*"), ("user:*", "*"), (r"\*", "*"), ("a*b", "a*"), ("a*b*c", "a*c"), ("a", "b")]
        {
            assert!(!pattern(one).covers(&pattern(other)), "{one} does not cover {other}");
        }
    }

    #[test]
    fn a_pattern_agrees_with_one_that_tries_everything() {
        fn slowly(pattern: &[u8], name: &[u8]) -> bool {
            match pattern.split_first() {
                None => name.is_empty(),
                Some((b'*', rest)) => (0..=name.len()).any(|at| slowly(rest, &name[at..])),
                Some((byte, rest)) => name.first() == Some(byte) && slowly(rest, &name[1..]),
            }
        }
        let texts = |letters: &[u8], most: usize| {
            let mut all = vec![Vec::new()];
            for length in 0..most {
                let longer = all.iter().filter(|text: &&Vec<u8>| text.len() == length);
                let longer =
                    longer.flat_map(|text| letters.iter().map(|letter| [&text[..], &[*letter]].concat()));
                let longer: Vec<_> = longer.collect();
                all.extend(longer);
            }
            all.into_iter().skip(1).map(|text| String::from_utf8(text).expect("ASCII")).collect::<Vec<_>>()
        };
        for text in texts(b"ab*", 5) {
            for name in texts(b"ab", 5) {
                let known = slowly(text.as_bytes(), name.as_bytes());
                assert_eq!(pattern(&text).matches(&name), known, "{text} and {name}");
            }
        }
    }
}
