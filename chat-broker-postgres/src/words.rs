//! Writes and reads the texts of notifications.
//!
//! Anybody who may connect to a database may notify there, and listen. So a notification is nothing but a
//! reason to look: what is said stands in tables, which have rights.

/// Says that something was published.
pub(crate) const PUBLISHED: &str = "p";

/// Is what a notification says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Says that something was published.
    Published,
    /// Names the row in which a word stands.
    Word(i64),
    /// Is nothing that a node of this version says.
    Corrupt,
}

/// Returns what a notification says.
pub(crate) fn read(text: &str) -> Notice {
    let found = match (text.get(..1), text.get(1..)) {
        (Some("p"), Some("")) => Some(Notice::Published),
        (Some("W"), Some(id)) => id.parse().ok().map(Notice::Word),
        _ => None,
    };
    found.unwrap_or(Notice::Corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_says_is_told_apart() {
        assert_eq!(read("p"), Notice::Published);
        assert_eq!(read("W17"), Notice::Word(17));
        for other in ["", "px", "q", "w", "wroom\nx", "W", "Wx", "ж", "P"] {
            assert_eq!(read(other), Notice::Corrupt, "{other:?}");
        }
    }
}
