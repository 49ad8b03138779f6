//! Checks that a text is one JSON value (RFC 8259), without building the value.

use thiserror::Error;

/// Bounds the nesting of arrays and objects, which clients have to read.
const DEPTH: usize = 128;

/// Tells why a text cannot be published as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotJson {
    /// Reports a text that is not one JSON value, with the byte at which it fails.
    #[error("no JSON at byte {0}")]
    Malformed(usize),
    /// Reports arrays and objects that are nested more than 128 deep.
    #[error("JSON more than {DEPTH} deep")]
    TooDeep,
}

/// Checks that a text is one JSON value, with white space around it.
pub(crate) fn check(text: &str) -> Result<(), NotJson> {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    reader.whole()
}

/// Lists the arrays and objects that are open: true stands for an object.
type Open = Vec<bool>;

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn whole(&mut self) -> Result<(), NotJson> {
        let mut open = Open::new();
        loop {
            if self.begin(&mut open)? && self.follow(&mut open)? {
                self.space();
                return if self.at == self.bytes.len() { Ok(()) } else { Err(self.wrong()) };
            }
        }
    }

    /// Reads up to and including a value that contains no other. Returns false if an array or object has only
    /// been begun.
    fn begin(&mut self, open: &mut Open) -> Result<bool, NotJson> {
        self.space();
        match self.peek() {
            Some(bracket @ (b'[' | b'{')) => {
                if open.len() == DEPTH {
                    return Err(NotJson::TooDeep);
                }
                let object = bracket == b'{';
                self.at += 1;
                self.space();
                if self.take(if object { b'}' } else { b']' }) {
                    return Ok(true);
                }
                open.push(object);
                if object {
                    self.key()?;
                }
                Ok(false)
            }
            Some(b'"') => self.string().map(|()| true),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| true),
            Some(b't') => self.word(b"true").map(|()| true),
            Some(b'f') => self.word(b"false").map(|()| true),
            Some(b'n') => self.word(b"null").map(|()| true),
            _ => Err(self.wrong()),
        }
    }

    /// Reads the separators after a value. Returns true if all is closed, false if another value has to
    /// follow.
    fn follow(&mut self, open: &mut Open) -> Result<bool, NotJson> {
        while let Some(object) = open.last().copied() {
            self.space();
            if self.take(b',') {
                if object {
                    self.space();
                    self.key()?;
                }
                return Ok(false);
            }
            if !self.take(if object { b'}' } else { b']' }) {
                return Err(self.wrong());
            }
            open.pop();
        }
        Ok(true)
    }

    fn key(&mut self) -> Result<(), NotJson> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong());
        }
        self.string()?;
        self.space();
        if self.take(b':') { Ok(()) } else { Err(self.wrong()) }
    }

    fn string(&mut self) -> Result<(), NotJson> {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(0x20..) => self.at += 1,
                _ => return Err(self.wrong()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.wrong());
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.wrong()),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotJson> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _signed = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > begin { Ok(()) } else { Err(self.wrong()) }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), NotJson> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.wrong());
        }
        self.at += word.len();
        Ok(())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn wrong(&self) -> NotJson {
        NotJson::Malformed(self.at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn same_as_serde(text: &str) -> bool {
        check(text).is_ok() == serde_json::from_str::<IgnoredAny>(text).is_ok()
    }

    #[test]
    fn what_is_one_value_is_json_and_nothing_else_is() {
        for good in [
            "1",
            "-0",
            "0.5e+7",
            "1E9",
            " null ",
            "[]",
            "{}",
            "[1,[2],{}]",
            r#"{"a":{"b":[true,false]}}"#,
            "\"\\ud800\"",
            "\"é\u{7f}\"",
            "1e400",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
            assert!(same_as_serde(good), "{good}");
        }
        for bad in [
            "",
            " ",
            "hello, world",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{1:2}",
            "1 2",
            "[",
            "]",
            "{]",
            "[}",
            "tru",
            "nulls",
            "\"",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "'a'",
            "NaN",
            "\u{feff}1",
            "1\u{a0}",
            "\u{b}1",
            "//1",
            "\0",
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
            assert!(same_as_serde(bad), "{bad:?}");
        }
    }

    #[test]
    fn what_is_as_deep_as_may_be_passes_and_one_more_does_not() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(&nested(DEPTH)), Ok(()));
        assert_eq!(check(&nested(DEPTH + 1)), Err(NotJson::TooDeep));
        assert_eq!(check(&"[".repeat(1_000_000)), Err(NotJson::TooDeep));
        assert_eq!(check("[[],{}],"), Err(NotJson::Malformed(7)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn it_says_the_same_as_serde_of_whatever_looks_like_json(
            text in "([\\[\\]{}:,\" tfn0-2eE.+\\\\u/-]|true|null|\"a\"|\"a\":|\\\\ud8|\\t|\\n|é|\u{1}){0,12}",
        ) {
            prop_assert!(same_as_serde(&text), "{:?}", text);
        }
    }
}
