//! Reads the frames of a WebSocket server, and writes those of a client.

/// Masks every frame; a server cannot tell the key from a random one.
const KEY: [u8; 4] = [0x5a, 0xc3, 0x17, 0x88];

pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
/// Holds the opcode of a pong.
pub(crate) const PONG: u8 = 10;

/// Reads the lengths of a server's frame: the bytes of the header and of the payload.
pub(super) fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes.get(1)? & 0x7f {
        126 => Some((4, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)))),
        127 => Some((10, usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?)),
        length => Some((2, usize::from(length))),
    }
}

/// Writes a client's frame of up to 65,535 bytes.
pub(crate) fn masked(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    if payload.len() < 126 {
        out.push(0x80 | payload.len() as u8);
    } else {
        out.push(0x80 | 126);
        out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    }
    out.extend_from_slice(&KEY);
    out.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_frames_carry_their_length_and_unmask() {
        for (length, head) in [(5, 2), (125, 2), (126, 4), (300, 4)] {
            let (payload, mut out) = (vec![7; length], Vec::new());
            masked(&mut out, PONG, &payload);
            assert_eq!(out[0], 0x8a);
            assert_eq!(header(&out), Some((head, length)));
            let open = out[head + 4..].iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key);
            assert!(open.eq(payload));
        }
    }
}
