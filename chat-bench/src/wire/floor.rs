//! Speaks the protocol of the floor: lengths and bytes.

use super::kind::Kind;

/// Reads the length of a frame: the bytes of the header, and of the payload.
pub(super) fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    Some((4, u32::from_le_bytes(*bytes.first_chunk()?) as usize))
}

pub(super) fn kind(payload: &[u8]) -> Kind {
    if payload.is_empty() { Kind::Joined } else { Kind::Delivery }
}

pub(super) fn subscribe(out: &mut Vec<u8>, channel: usize) {
    out.extend_from_slice(format!("S {channel}\n").as_bytes());
}

pub(super) fn publish(out: &mut Vec<u8>, channel: usize, content: &str) {
    out.extend_from_slice(&(channel as u32).to_le_bytes());
    out.extend_from_slice(&(content.len() as u32).to_le_bytes());
    out.extend_from_slice(content.as_bytes());
}
