//! Writes and reads what nodes say to each other and keep in the streams.
//!
//! Each text begins with a line of a version, a kind and fields:
//!
//! ```text
//! 1p run epoch offset bytes first entries kept-bytes age after trail count    publications; a line of each
//! p|e inline length pieces key                                                entry follows, then all bodies
//! 1e epoch offset pieces                                                      a signal, then its body
//! 1t pieces                                                                   a word, then its body
//! ```
//!
//! A later version may add fields at the end of a line; one that changes those there are has another number.

use std::fmt::Write;
use std::str::{FromStr, Split};

use bytes::Bytes;
use chat_core::broker::{BODY_BYTES, Stand};
use chat_core::{Epoch, HistoryOptions, Offset};

use crate::trail::Trail;

/// Bounds the entries of one message.
pub(crate) const ENTRIES: usize = 256;
/// Bounds the bytes of a message beside the bodies.
pub(crate) const HEAD_BYTES: usize = 48 * 1024;
/// Bounds numbers, so that they can be added up.
const MOST: u64 = 1 << 60;
/// Bounds the pieces of a text: as many as the longest body has where messages are the shortest.
const PIECES: usize = 9;

/// Is a body, the beginning of which may stand in other messages of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    /// Lists the sequence numbers of the messages that the body begins with.
    pub(crate) pieces: Vec<u64>,
    /// Holds the rest.
    pub(crate) inline: Bytes,
}

/// Is a publication, or a signal that stands between two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) ephemeral: bool,
    /// Is the length of the whole body.
    pub(crate) length: usize,
    pub(crate) text: Text,
    /// Is the last token of the subject of its idempotency key.
    pub(crate) key: Option<String>,
}

/// Tells where a channel stands after a message, and how what is kept of it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Names the run of the server.
    pub(crate) run: u64,
    pub(crate) stand: Stand,
    /// Counts the bytes of all publications of this epoch.
    pub(crate) bytes: u64,
    /// Is the lowest offset that is kept, by the number of publications.
    pub(crate) first: u64,
    pub(crate) keep: HistoryOptions,
    /// Is the sequence number of the channel's message before this one; 0 if there was none.
    pub(crate) after: u64,
    pub(crate) trail: Trail,
}

/// Is a message of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) head: Head,
    pub(crate) entries: Vec<Entry>,
}

/// Is what a node has said without a place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Signal(Stand, Text),
    Word(Text),
}

impl Placed {
    /// Returns the offset before the first entry.
    pub(crate) fn before(&self) -> u64 {
        self.head.stand.offset.0 - self.entries.iter().filter(|entry| !entry.ephemeral).count() as u64
    }

    pub(crate) fn text(&self) -> Bytes {
        let Head { run, stand, bytes, first, keep, after, trail } = &self.head;
        let (age, trail) = (keep.age.as_millis(), trail.text(self.before(), *after));
        let mut head = format!(
            "1p {run:016x} {} {} {bytes} {first} {} {} {age} {after} {trail} {}\n",
            stand.epoch,
            stand.offset.0,
            keep.entries,
            keep.bytes,
            self.entries.len()
        );
        for Entry { ephemeral, length, text, key } in &self.entries {
            let (kind, inline) = (if *ephemeral { 'e' } else { 'p' }, text.inline.len());
            let (pieces, key) = (listed(&text.pieces), key.as_deref().unwrap_or("-"));
            writeln!(head, "{kind} {inline} {length} {pieces} {key}").expect("a text takes any text");
        }
        let bodies = self.entries.iter().map(|entry| &*entry.text.inline);
        let mut text = head.into_bytes();
        bodies.for_each(|body| text.extend_from_slice(body));
        text.into()
    }

    /// Returns none for what no node of this version writes.
    pub(crate) fn read(text: &Bytes) -> Option<Self> {
        let (line, mut rest) = line(text)?;
        let mut fields = line.strip_prefix("1p ")?.split(' ');
        let run = u64::from_str_radix(fields.next()?, 16).ok()?;
        let stand = stand(&mut fields)?;
        let (bytes, first) = (number(&mut fields)?, number(&mut fields)?);
        let (entries, kept, age) = (number(&mut fields)?, number(&mut fields)?, number(&mut fields)?);
        let (after, trail, count) = (number(&mut fields)?, fields.next()?, number(&mut fields)?);
        let mut all = Vec::new();
        for _ in 0..Some(count).filter(|count| *count <= ENTRIES as u64)? {
            let (line, below) = self::line(&rest)?;
            all.push(read_entry(line)?);
            rest = below;
        }
        for (Entry { text, .. }, inline) in &mut all {
            text.inline = (rest.len() >= *inline).then(|| rest.split_to(*inline))?;
        }
        let all: Vec<_> = all.into_iter().map(|(entry, _)| entry).collect();
        let publications = all.iter().filter(|entry| !entry.ephemeral).count() as u64;
        let before = stand.offset.0.checked_sub(publications)?;
        let trail = Trail::read(trail, before, after)?;
        let keep = HistoryOptions::of(usize::try_from(entries).ok()?, std::time::Duration::from_millis(age))
            .with_bytes(usize::try_from(kept).ok()?);
        let head = Head { run, stand, bytes, first, keep, after, trail };
        (rest.is_empty() && stand.offset.0 <= MOST && bytes <= MOST).then_some(Self { head, entries: all })
    }
}

fn read_entry(line: &str) -> Option<(Entry, usize)> {
    let mut fields = line.split(' ');
    let ephemeral = match fields.next()? {
        "p" => false,
        "e" => true,
        _ => return None,
    };
    let (inline, length) = (number(&mut fields)?, number(&mut fields)?);
    let pieces = read_pieces(fields.next()?)?;
    let key = Some(fields.next()?).filter(|key| *key != "-").map(str::to_owned);
    let fits = inline <= length && length <= BODY_BYTES as u64 && (inline == length || !pieces.is_empty());
    let text = Text { pieces, inline: Bytes::new() };
    fits.then_some((Entry { ephemeral, length: length as usize, text, key }, inline as usize))
}

impl Said {
    pub(crate) fn text(&self) -> Bytes {
        let (head, text) = match self {
            Self::Signal(stand, text) => {
                (format!("1e {} {} {}\n", stand.epoch, stand.offset.0, listed(&text.pieces)), text)
            }
            Self::Word(text) => (format!("1t {}\n", listed(&text.pieces)), text),
        };
        [head.as_bytes(), &text.inline].concat().into()
    }

    /// Returns none for what no node of this version says.
    pub(crate) fn read(text: &Bytes) -> Option<Self> {
        let (line, inline) = line(text)?;
        let mut fields = line.split(' ');
        let kind = fields.next()?;
        let stand = if kind == "1e" { Some(stand(&mut fields)?) } else { None };
        let pieces = read_pieces(fields.next()?)?;
        let text = Text { pieces, inline };
        match (kind, stand) {
            _ if text.inline.len() > BODY_BYTES => None,
            ("1e", Some(stand)) => Some(Self::Signal(stand, text)),
            ("1t", None) => Some(Self::Word(text)),
            _ => None,
        }
    }
}

/// Returns the first line, and what follows it.
fn line(text: &Bytes) -> Option<(&str, Bytes)> {
    let end = text.iter().take(HEAD_BYTES).position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&text[..end]).ok()?, text.slice(end + 1..)))
}

fn number(fields: &mut Split<'_, char>) -> Option<u64> {
    u64::from_str(fields.next()?).ok()
}

fn stand(fields: &mut Split<'_, char>) -> Option<Stand> {
    let epoch: Epoch = fields.next()?.parse().ok()?;
    let offset = Offset(number(fields)?);
    (epoch != Epoch::NONE).then(|| Stand::new(epoch, offset))
}

fn listed(pieces: &[u64]) -> String {
    let all: Vec<_> = pieces.iter().map(u64::to_string).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(",") }
}

fn read_pieces(text: &str) -> Option<Vec<u64>> {
    if text == "-" {
        return Some(Vec::new());
    }
    let pieces: Option<Vec<_>> = text.split(',').map(|piece| u64::from_str(piece).ok()).collect();
    pieces.filter(|pieces| pieces.len() <= PIECES && pieces.iter().all(|piece| *piece > 0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn placed() -> Placed {
        let keep = HistoryOptions::of(7, Duration::from_secs(60)).with_bytes(99);
        let trail = Trail::default().after(3, 20, 1).after(5, 30, 1);
        let stand = Stand::new(Epoch(10), Offset(7));
        let entry = |ephemeral, body: &'static str, key: Option<&str>| Entry {
            ephemeral,
            length: body.len(),
            text: Text { pieces: Vec::new(), inline: body.into() },
            key: key.map(str::to_owned),
        };
        let mut long = entry(false, "rest", None);
        (long.length, long.text.pieces) = (1000, vec![4, 5]);
        let entries = vec![entry(false, "a\nb", Some("k")), entry(true, "", None), long];
        Placed { head: Head { run: 1, stand, bytes: 12, first: 1, keep, after: 30, trail }, entries }
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let placed = placed();
        assert_eq!(Placed::read(&placed.text()), Some(placed.clone()));
        assert_eq!(placed.before(), 5);
        let stand = Stand::new(Epoch(1), Offset(0));
        let text = Text { pieces: vec![9], inline: "a\nb".into() };
        for said in [Said::Word(text.clone()), Said::Signal(stand, text)] {
            assert_eq!(Said::read(&said.text()), Some(said));
        }
    }

    #[test]
    fn what_a_later_version_adds_is_passed_over_and_what_it_changes_is_not_read() {
        let text = String::from_utf8(placed().text().to_vec()).expect("a text");
        let read = |text: &str| Placed::read(&Bytes::from(text.to_owned()));
        assert!(read(&text.replacen(" 3\n", " 3 more\n", 1)).is_some());
        assert!(read(&text.replacen(" k\n", " k more\n", 1)).is_some());
        for (old, new) in [("1p", "2p"), ("p 3", "q 3"), ("p 3", "p 4"), (" 7 12", " 1 12"), ("1000", "3")] {
            assert_eq!(read(&text.replacen(old, new, 1)), None, "{old} as {new}");
        }
        for other in ["", "1t\na", "2t -\na", "1e 0000000000000000 1 -\na", "1t 0\na", "1t -", "1t x\na"] {
            assert_eq!(Said::read(&Bytes::from(other)), None, "{other:?}");
        }
        let long = format!("1t -\n{}", "x".repeat(BODY_BYTES + 1));
        assert_eq!(Said::read(&Bytes::from(long)), None);
    }
}
