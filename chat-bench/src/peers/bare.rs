//! Reads the bare wire, which peers without a protocol speak: `S <channel>`, `P`, then `<channel> <content>`.

/// Names the first request of a client.
pub(super) enum Role {
    Subscriber(usize),
    Publisher,
}

pub(super) fn role(text: &str) -> Option<Role> {
    match text.strip_prefix("S ") {
        Some(channel) => channel.parse().ok().map(Role::Subscriber),
        None => (text == "P").then_some(Role::Publisher),
    }
}

/// Splits a publisher's frame into the channel and the content.
pub(super) fn said(text: &str) -> Option<(usize, &str)> {
    let (channel, content) = text.split_once(' ')?;
    Some((channel.parse().ok()?, content))
}
