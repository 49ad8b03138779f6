//! Writes the content of messages, and finds its number and time in frames of any protocol.

use std::io::Write;

/// Marks the place of the number and the time in the content of a message.
pub(super) const MARKER: &[u8] = b"~#";
/// Sets the digits of the number.
const SEQUENCE: usize = 12;
/// Sets the digits of the time.
const STAMP: usize = 16;
/// Sets the bytes of a message's content.
pub(crate) const CONTENT: usize = 128;

/// Writes the content of a message: the marker, its number, its time, and padding.
pub(crate) fn content(sequence: u64, nanos: u64) -> String {
    let mut text = Vec::with_capacity(CONTENT);
    text.extend_from_slice(MARKER);
    // Writing to a vector cannot fail.
    let _ = write!(text, "{sequence:0SEQUENCE$}{nanos:0STAMP$}");
    text.resize(CONTENT, b'x');
    String::from_utf8_lossy(&text).into_owned()
}

/// Finds the number and the time; looks first at the place of the last ones.
pub(crate) fn stamps(payload: &[u8], last: &mut usize) -> Option<(u64, u64)> {
    if payload.get(*last..*last + MARKER.len()) != Some(MARKER) {
        *last = payload.windows(MARKER.len()).position(|window| window == MARKER)?;
    }
    let digits = payload.get(*last + MARKER.len()..)?.get(..SEQUENCE + STAMP)?;
    Some((number(&digits[..SEQUENCE]), number(&digits[SEQUENCE..])))
}

fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit & 0x0f))
}

/// Finds each number and time, where one frame carries many messages.
pub(crate) fn all_stamps(mut payload: &[u8]) -> impl Iterator<Item = (u64, u64)> {
    std::iter::from_fn(move || {
        let mut at = 0;
        let found = stamps(payload, &mut at)?;
        payload = payload.get(at + CONTENT..).unwrap_or_default();
        Some(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_found_again_where_they_move() {
        let text = content(42, 1_234_567_890);
        assert_eq!(text.len(), CONTENT);
        let mut last = 0;
        for front in ["", "xyz", "xyz", "~", ""] {
            let payload = format!("{front}{text}");
            assert_eq!(stamps(payload.as_bytes(), &mut last), Some((42, 1_234_567_890)));
        }
        assert_eq!(stamps(b"no marker", &mut last), None);
        assert_eq!(stamps(b"~#12", &mut last), None);
    }

    #[test]
    fn all_of_a_frame_are_found() {
        let payload = [1, 2, 3].map(|number| format!("MSG c-0 1 128\r\n{}\r\n", content(number, 9))).concat();
        let numbers: Vec<u64> = all_stamps(payload.as_bytes()).map(|(number, _)| number).collect();
        assert_eq!(numbers, [1, 2, 3]);
        assert_eq!(all_stamps(b"nothing").count(), 0);
    }
}
