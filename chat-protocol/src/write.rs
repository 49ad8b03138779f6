//! Writes what every protocol of JSON writes alike.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chat_core::{Payload, Publication, Reference};
use chrono::{DateTime, Datelike, Timelike, Utc};

/// Writes the message of a publication as fields of an object, without its braces.
pub(crate) fn message_fields(publication: &Publication, out: &mut Vec<u8>) {
    let message = &publication.message;
    out.extend(br#""senderName":"#);
    string(message.sender_name.as_str(), out);
    out.extend(br#","content":"#);
    payload(&message.content, out);
    out.extend(br#","timestamp":""#);
    timestamp(&message.timestamp, out);
    out.push(b'"');
    publication.told_event().into_iter().for_each(|event| field("event", event.as_str(), out));
    match publication.refers {
        None => {}
        Some(Reference::Edit(offset)) => number_field("edits", offset.0, out),
        Some(Reference::Delete(offset)) => number_field("deletes", offset.0, out),
    }
}

pub(crate) fn list<T>(items: &[T], write: impl Fn(&T, &mut Vec<u8>), out: &mut Vec<u8>) {
    out.push(b'[');
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

pub(crate) fn field(name: &str, value: &str, out: &mut Vec<u8>) {
    out.extend([b",\"", name.as_bytes(), b"\":"].concat());
    string(value, out);
}

pub(crate) fn number_field(name: &str, value: u64, out: &mut Vec<u8>) {
    out.extend([b",\"", name.as_bytes(), b"\":"].concat());
    number(value, out);
}

/// Writes a field that is left out where it is false.
pub(crate) fn flag(name: &str, value: bool, out: &mut Vec<u8>) {
    if value {
        out.extend([b",\"", name.as_bytes(), b"\":true"].concat());
    }
}

/// Writes content; bytes, which no JSON can hold, as a string of base64.
pub(crate) fn payload(payload: &Payload, out: &mut Vec<u8>) {
    match payload {
        Payload::Json(text) => out.extend(text.as_bytes()),
        Payload::Binary(bytes) => string(&STANDARD.encode(bytes), out),
    }
}

pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string is JSON, and a Vec takes it");
}

pub(crate) fn number(number: u64, out: &mut Vec<u8>) {
    write!(out, "{number}").expect("a Vec takes it");
}

/// Writes a time as `2026-11-23T18:00:00.123Z`.
pub(crate) fn timestamp(time: &DateTime<Utc>, out: &mut Vec<u8>) {
    let (year, month, day) = (time.year(), time.month(), time.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    // A leap second counts on beyond 999 ms; it is shown as the last millisecond.
    let milli = time.timestamp_subsec_millis().min(999);
    write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
        .expect("a Vec takes it");
}
