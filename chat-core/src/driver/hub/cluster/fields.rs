//! Writes fields and a content as one text, and reads them again.
//!
//! The text has a line for each field, `key value`, then an empty line, and then the content as it stands. In
//! a value `\n` stands for a line break and `\\` for a backslash. The first field is the version, `v 1`.

use std::fmt::{Display, Write};

/// Names the version in which texts are written. A reader drops a text of any other.
const VERSION: &str = "1";

/// Holds a text that is being written.
pub(super) struct Writer(String);

impl Writer {
    pub(super) fn new() -> Self {
        let mut writer = Self(String::with_capacity(256));
        writer.field("v", &VERSION);
        writer
    }

    pub(super) fn field(&mut self, key: &str, value: &dyn Display) {
        let value = escape(&value.to_string());
        let _ = writeln!(self.0, "{key} {value}");
    }

    pub(super) fn maybe<T: Display>(&mut self, key: &str, value: Option<T>) {
        if let Some(value) = value {
            self.field(key, &value);
        }
    }

    pub(super) fn with_content(mut self, content: &str) -> String {
        self.0.push('\n');
        self.0.push_str(content);
        self.0
    }
}

/// Holds a text that was read.
pub(super) struct Fields<'a> {
    lines: &'a str,
    pub(super) content: &'a str,
}

impl<'a> Fields<'a> {
    /// Reads a text; returns none if it is not of this version.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (lines, content) = text.split_once("\n\n")?;
        let fields = Self { lines, content };
        (fields.raw("v")? == VERSION).then_some(fields)
    }

    fn raw(&self, key: &str) -> Option<&'a str> {
        self.lines.split('\n').find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
    }

    /// Returns a field as it was written.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        unescape(self.raw(key)?)
    }

    /// Parses a field that has to be there.
    pub(super) fn need<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.text(key)?.parse().ok()
    }

    /// Parses a field that may be left out; none if it is there and cannot be parsed.
    pub(super) fn may<T: std::str::FromStr>(&self, key: &str) -> Option<Option<T>> {
        match self.raw(key) {
            None => Some(None),
            Some(_) => self.need(key).map(Some),
        }
    }
}

/// Writes a text without line breaks.
pub(super) fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

/// Reads a text that was written so.
pub(super) fn unescape(text: &str) -> Option<String> {
    let mut value = String::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match (next, next == '\\') {
            (_, true) => value.push(if rest.next()? == 'n' { '\n' } else { '\\' }),
            (other, false) => value.push(other),
        }
    }
    Some(value)
}

/// Writes bytes as hexadecimal digits.
pub(super) fn base16(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads bytes that were written so.
pub(super) fn from_base16(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let even = digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit);
    even.then(|| digits.chunks(2).map(byte).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_content_come_back_as_they_were() {
        let values = ["", " ", "a\\n\\", "\n\n", "v 2\nx y", "\\\\n"];
        for value in values {
            let mut writer = Writer::new();
            writer.field("a", &value);
            writer.field("ab", &7);
            let text = writer.with_content(&format!("\n\n{value}"));
            let fields = Fields::read(&text).expect("it can be read");
            assert_eq!((fields.text("a").as_deref(), fields.need("ab")), (Some(value), Some(7_u64)));
            assert_eq!(
                (fields.content, fields.may::<u64>("b")),
                (format!("\n\n{value}").as_str(), Some(None))
            );
            assert_eq!(fields.may::<u64>("a"), None, "{value:?} is no number");
        }
    }

    #[test]
    fn a_text_of_another_version_or_of_none_is_told_apart() {
        for text in ["", "v 1", "v 1\n", "v 2\n\n", "a 1\n\n", "v 11\n\n", "vv 1\n\n"] {
            assert!(Fields::read(text).is_none(), "{text:?}");
        }
        assert!(Fields::read("v 1\n\n").is_some());
    }
}
