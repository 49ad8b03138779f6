//! Writes and reads the texts of notifications.
//!
//! Anybody who may connect to a database may notify there, and listen. So a notification is nothing but a
//! reason to look: what is said stands in tables, which have rights.

/// Bounds the words of one notification, whose numbers then have room in it.
pub(crate) const WORDS: usize = 256;

/// Is what a notification says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Says that something was published; with the tag of a node, by that one.
    Published(Option<u32>),
    /// Names the rows in which words stand.
    Words(Vec<i64>),
    /// Is nothing that a node of this version says.
    Corrupt,
}

/// Returns the text by which the node of a tag says that it has published something.
pub(crate) fn published(tag: u32) -> String {
    format!("p{tag}")
}

/// Returns what a notification says.
pub(crate) fn read(text: &str) -> Notice {
    let found = match (text.get(..1), text.get(1..)) {
        (Some("p"), Some("")) => Some(Notice::Published(None)),
        (Some("p"), Some(tag)) => tag.parse().ok().map(|tag| Notice::Published(Some(tag))),
        (Some("W"), Some(numbers)) => words(numbers).map(Notice::Words),
        _ => None,
    };
    found.unwrap_or(Notice::Corrupt)
}

fn words(numbers: &str) -> Option<Vec<i64>> {
    let numbers: Vec<_> = numbers.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
    (numbers.len() <= WORDS).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_says_is_told_apart() {
        assert_eq!(read("p"), Notice::Published(None));
        assert_eq!(read(&published(9)), Notice::Published(Some(9)));
        assert_eq!(read("W17"), Notice::Words(vec![17]));
        assert_eq!(read("W17,19"), Notice::Words(vec![17, 19]));
        for other in ["", "px", "p-1", "q", "w", "wroom\nx", "W", "Wx", "W1,", "W1,x", "ж", "P"] {
            assert_eq!(read(other), Notice::Corrupt, "{other:?}");
        }
        let [most, more] =
            [WORDS, WORDS + 1].map(|many| format!("W{}", vec![i64::MAX.to_string(); many].join(",")));
        assert!(most.len() < 8000 && matches!(read(&most), Notice::Words(_)));
        assert_eq!(read(&more), Notice::Corrupt);
    }
}
