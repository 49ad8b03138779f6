//! Finds addresses that no other machine can reach.

use std::io;
use std::net::SocketAddr;

use chat_tokio_adapter::Listen;

/// Returns the first loopback address of a place.
///
/// # Errors
/// Fails if the place has none.
pub(crate) fn loopback(place: &Listen) -> io::Result<SocketAddr> {
    let address = place.addresses()?.into_iter().find(|address| address.ip().is_loopback());
    address.ok_or_else(|| io::Error::other(format!("{place} is not a loopback address")))
}
