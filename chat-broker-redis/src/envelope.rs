//! Writes and reads what nodes say to each other: a version, a kind, fields, a line feed, and a body.
//!
//! The script that places publications writes those. A later version may add fields before the line feed; one
//! that changes those there are has another number.

use std::sync::Arc;

use chat_core::broker::{BODY_BYTES, Stand};
use chat_core::{Epoch, Offset};

/// Bounds an envelope: a body, and some room for the fields.
pub(crate) const ENVELOPE_BYTES: usize = BODY_BYTES + 1024;

/// Is what a node has said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Published { stand: Stand, ephemeral: bool, body: Arc<str> },
    Told(Arc<str>),
}

/// Returns the envelope of a word without a place.
pub(crate) fn told(body: &str) -> String {
    format!("1t\n{body}")
}

/// Returns none for what no node of this version says.
pub(crate) fn read(envelope: &[u8]) -> Option<Said> {
    let (head, body) = std::str::from_utf8(envelope).ok()?.split_once('\n')?;
    if body.len() > BODY_BYTES {
        return None;
    }
    let mut fields = head.split(' ');
    let kind = fields.next()?;
    if kind == "1t" {
        return Some(Said::Told(body.into()));
    }
    let ephemeral = match kind {
        "1p" => false,
        "1e" => true,
        _ => return None,
    };
    let epoch: Epoch = fields.next()?.parse().ok()?;
    let offset = Offset(fields.next()?.parse().ok()?);
    let exists = epoch != Epoch::NONE && (ephemeral || offset != Offset(0));
    exists.then(|| Said::Published { stand: Stand::new(epoch, offset), ephemeral, body: body.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_version_adds_is_passed_over_and_what_it_changes_is_not_read() {
        let stand = Stand::new(Epoch(10), Offset(7));
        let published = Some(Said::Published { stand, ephemeral: false, body: "a\nb".into() });
        assert_eq!(read(b"1p 000000000000000a 7\na\nb"), published);
        assert_eq!(read(b"1p 000000000000000a 7 more=1\na\nb"), published);
        assert_eq!(read(b"1t more=1\na"), Some(Said::Told("a".into())));
        for other in [
            "",
            "\n",
            "1p\na",
            "2p 000000000000000a 7\na",
            "1p 0000000000000000 7\na",
            "1p 000000000000000a 0\na",
            "1p 000000000000000a -7\na",
            "1p 000000000000000a 99999999999999999999\na",
            "1q 000000000000000a 7\na",
            "1p 000000000000000a 7",
        ] {
            assert_eq!(read(other.as_bytes()), None, "{other:?}");
        }
        assert_eq!(read(b"1t\n\xff"), None);
        assert_eq!(read(format!("1t\n{}", "x".repeat(BODY_BYTES + 1)).as_bytes()), None);
    }
}
