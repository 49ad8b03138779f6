//! Reads frame headers as bytes go by, and refuses a bad frame at its first wrong byte.

use crate::error::ReadError;

/// Bounds one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageLimits {
    /// Limits the bytes of a message: a longer one is refused with 1009, before its payload is read.
    pub message_bytes: usize,
    /// Limits the fragments of a message: one more is refused with 1009. 0 lifts the bound.
    pub fragments: u32,
}

impl MessageLimits {
    /// Bounds a message to so many bytes, and so many fragments.
    pub fn new(message_bytes: usize, fragments: u32) -> Self {
        Self { message_bytes, fragments }
    }
}

/// Follows the frames of a client. Keeps the header that is not whole yet and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    header: [u8; 14],
    filled: u8,
    /// Counts the payload bytes of the present frame that are still to come.
    payload: u64,
    /// Counts the fragments of the last message.
    fragments: u32,
    /// Counts the bytes of that message so far.
    message: u64,
    in_message: bool,
}

impl Scanner {
    /// Returns whether the bytes so far end with a whole message.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.filled == 0 && self.payload == 0 && !self.in_message
    }

    /// Returns the bytes of the message that is not whole yet, with all that its present frame announces.
    pub(crate) fn under_way(&self) -> u64 {
        if self.is_between_messages() { 0 } else { self.message }
    }

    /// Follows `bytes`. With an error, returns how many of them come before the wrong one.
    pub(crate) fn follow(&mut self, bytes: &[u8], limits: MessageLimits) -> Result<(), (usize, ReadError)> {
        let mut at = 0;
        while at < bytes.len() {
            if self.payload > 0 {
                let step = self.payload.min((bytes.len() - at) as u64);
                self.payload -= step;
                at += step as usize;
                continue;
            }
            self.header[usize::from(self.filled)] = bytes[at];
            self.filled += 1;
            self.look(limits).map_err(|refused| (at, refused))?;
            at += 1;
        }
        Ok(())
    }

    /// Checks the header as far as it is there (RFC 6455 §5.2 to §5.5).
    fn look(&mut self, limits: MessageLimits) -> Result<(), ReadError> {
        let [first, second, ..] = self.header;
        let control = first & 0x08 != 0;
        if self.filled == 1 {
            refuse(first & 0x70 != 0, "reserved bits are set")?;
            refuse(matches!(first & 0x0F, 0x3..=0x7 | 0xB..), "reserved opcode")?;
            refuse(control && first & 0x80 == 0, "fragmented control frame")?;
            refuse(!control && (first & 0x0F == 0) != self.in_message, "fragments out of order")?;
        }
        if self.filled == 2 {
            refuse(second & 0x80 == 0, "unmasked frame")?;
            refuse(control && second & 0x7F > 125, "control frame over 125 bytes")?;
        }
        let Some(length) = self.length()? else { return Ok(()) };
        self.begin(control, first & 0x80 != 0, length, limits)
    }

    /// Returns the payload's length, once the header is whole.
    fn length(&self) -> Result<Option<u64>, ReadError> {
        if self.filled < 2 {
            return Ok(None);
        }
        let short = self.header[1] & 0x7F;
        let extra: u8 = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if self.filled == 10 && extra == 8 {
            refuse(self.header[2] & 0x80 != 0, "a length with its top bit set")?;
        }
        if self.filled < 2 + extra + 4 {
            return Ok(None);
        }
        let long = &self.header[2..2 + usize::from(extra)];
        let long = long.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
        Ok(Some(if extra == 0 { u64::from(short) } else { long }))
    }

    fn begin(
        &mut self,
        control: bool,
        last: bool,
        length: u64,
        limits: MessageLimits,
    ) -> Result<(), ReadError> {
        self.filled = 0;
        self.payload = length;
        if control {
            return Ok(());
        }
        if !self.in_message {
            (self.fragments, self.message) = (0, 0);
        }
        self.fragments += 1;
        self.message = self.message.saturating_add(length);
        if self.message > limits.message_bytes as u64 {
            return Err(ReadError::TooBig);
        }
        if limits.fragments > 0 && self.fragments > limits.fragments {
            return Err(ReadError::TooManyFragments);
        }
        self.in_message = !last;
        Ok(())
    }
}

fn refuse(broken: bool, rule: &'static str) -> Result<(), ReadError> {
    if broken { Err(ReadError::Protocol(rule.into())) } else { Ok(()) }
}
