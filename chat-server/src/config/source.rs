//! Reads the text of a file, and says at which line and column something in it is wrong.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Bounds the bytes of a file.
const BYTES: u64 = 1024 * 1024;

/// Holds the text of a file, and the name under which errors tell of it.
pub(super) struct Source {
    name: String,
    text: String,
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// Says why the file cannot be read.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(BYTES + 1).read_to_end(&mut bytes));
        read.map_err(|error| format!("{name}: {error}"))?;
        if bytes.len() as u64 > BYTES {
            return Err(format!("{name}: a file has at most {BYTES} bytes"));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid =
                String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
            let end = valid.len();
            Self { name: name.clone(), text: valid }.wrong(end..end, "this is not UTF-8")
        })?;
        Ok(Self { name, text })
    }

    #[cfg(test)]
    pub(super) fn of(text: &str) -> Self {
        Self { name: "chat.toml".to_owned(), text: text.to_owned() }
    }

    /// Reads the text as TOML.
    ///
    /// # Errors
    /// Says where it is none.
    pub(super) fn table(&self) -> Result<DeTable<'_>, String> {
        let table = DeTable::parse(&self.text).map_err(|error| {
            let end = self.text.len();
            self.wrong(error.span().unwrap_or(end..end), error.message())
        })?;
        Ok(table.into_inner())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Says what is wrong at a place of the text, after the file's name, the line and the column.
    pub(super) fn wrong(&self, place: Range<usize>, why: impl AsRef<str>) -> String {
        let before = self.text.get(..place.start).unwrap_or(&self.text);
        let (line, last) = (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or_default());
        format!("{}:{line}:{}: {}", self.name, last.chars().count() + 1, why.as_ref())
    }

    /// Says what is wrong at a value.
    pub(super) fn wrong_at<T>(&self, value: &Spanned<T>, why: impl AsRef<str>) -> String {
        self.wrong(value.span(), why)
    }
}

/// Names the kind of a value, as an error tells of it.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Returns a whole number that is not negative; none for any other value.
pub(super) fn whole(value: &DeValue<'_>) -> Option<u64> {
    let DeValue::Integer(number) = value else { return None };
    u64::from_str_radix(number.as_str().trim_start_matches('+'), number.radix()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_by_line_and_column_in_characters() {
        let source = Source::of("a = 1\r\nünï = [\n  \"x\", 2 ]\n");
        for (at, place) in [("a", "1:1"), ("1", "1:5"), ("nï", "2:2"), ("2", "3:8")] {
            let start = source.text.find(at).expect("it is there");
            assert_eq!(source.wrong(start..start, "odd"), format!("chat.toml:{place}: odd"));
        }
        assert_eq!(source.wrong(999..999, "odd"), "chat.toml:4:1: odd", "behind the end");
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_place() {
        for (text, place) in
            [("a = \n", "1:"), ("\n[[channel]\n", "2:"), ("a = 1\na = 2\n", "2:1"), ("x", "1:")]
        {
            let told = Source::of(text).table().expect_err(text);
            assert!(told.starts_with(&format!("chat.toml:{place}")), "{text:?}: {told}");
        }
        let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Source::of(&deep).table().is_err(), "no depth ends the process");
    }

    #[test]
    fn a_whole_number_is_read_in_every_form_of_toml() {
        for (text, number) in [
            ("7", Some(7)),
            ("+7", Some(7)),
            ("1_000", Some(1000)),
            ("0xff", Some(255)),
            ("-1", None),
            ("1.0", None),
            ("99999999999999999999", None),
            ("'7'", None),
        ] {
            let source = Source::of(&format!("a = {text}"));
            let table = source.table().expect("TOML");
            assert_eq!(whole(table["a"].get_ref()), number, "{text}");
        }
    }
}
