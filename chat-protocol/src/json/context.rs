//! Keeps the id of a request as the client wrote it: all that the reply needs.

use chat_core::Refusal;
use chat_core::protocol::RequestId;
use serde_json::value::RawValue;

/// Bounds the bytes of an id, as it stands in the request.
const ID_BYTES: usize = 64;

/// Reads an integer or a string.
///
/// # Errors
/// 107 if it is neither, or longer than 64 bytes.
pub(super) fn read(raw: &RawValue) -> Result<RequestId, Refusal> {
    let text = raw.get();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !integer && !text.starts_with('"') {
        return Err(Refusal::bad_request("id: neither an integer nor a string"));
    }
    let quotes = if integer { 0 } else { 2 };
    if text.len() > ID_BYTES + quotes {
        return Err(Refusal::bad_request(format!("id: more than {ID_BYTES} bytes")));
    }
    Ok(RequestId(text.into()))
}

/// Writes the id as a field; nothing for a request that has none, and for what the server sends unasked.
pub(super) fn write(id: Option<&RequestId>, out: &mut Vec<u8>) {
    if let Some(RequestId(id)) = id {
        out.extend(br#","id":"#);
        out.extend(id.as_bytes());
    }
}
