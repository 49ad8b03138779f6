//! Binds the sockets that the server listens on.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use chat_tokio_adapter::Listen;
use tokio::net::TcpListener;

/// Listens at every address of a place, on one port. An address that this machine does not have, such as an
/// IPv6 one without IPv6, is skipped if there is another.
///
/// # Errors
/// Fails if the name is unknown, if an address is in use or not permitted, or if none can be bound; the error
/// names the address.
pub(crate) async fn bind(place: &Listen) -> io::Result<Vec<TcpListener>> {
    let (mut all, mut lacking): (Vec<TcpListener>, _) = (Vec::new(), None);
    for mut address in place.addresses()? {
        if let Some(first) = all.first().filter(|_| address.port() == 0) {
            address.set_port(first.local_addr()?.port());
        }
        match TcpListener::bind(address).await {
            // One socket serves all addresses, IPv4 and IPv6.
            Ok(listener) if address.ip().is_unspecified() => return Ok(vec![listener]),
            Ok(listener) => all.push(listener),
            Err(error) if matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied) => {
                return Err(at(address, &error));
            }
            Err(error) => lacking = Some(at(address, &error)),
        }
    }
    match lacking.filter(|_| all.is_empty()) {
        Some(error) => Err(error),
        None => Ok(all),
    }
}

fn at(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{address}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn addresses(place: &str) -> io::Result<Vec<SocketAddr>> {
        let listeners = bind(&place.parse().expect("a place")).await?;
        listeners.iter().map(TcpListener::local_addr).collect()
    }

    #[tokio::test]
    async fn a_name_is_listened_at_with_all_its_addresses_on_one_port() {
        let all = addresses("localhost:0").await.expect("it listens");
        assert!(all.iter().all(|at| at.ip().is_loopback() && at.port() == all[0].port()), "{all:?}");
    }

    #[tokio::test]
    async fn everywhere_is_one_socket() {
        for place in [":0", "*:0"] {
            let all = addresses(place).await.expect("it listens");
            assert!(all.len() == 1 && all[0].ip().is_unspecified(), "{all:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_had_is_told_with_its_address() {
        let taken = bind(&"127.0.0.1:0".parse().expect("a place")).await.expect("it listens");
        let taken = taken[0].local_addr().expect("an address").to_string();
        let error = addresses(&taken).await.expect_err("it is taken");
        assert!(error.to_string().starts_with(&taken), "{error}");
        let error = addresses("192.0.2.1:0").await.expect_err("it is no address of this machine");
        assert!(error.to_string().starts_with("192.0.2.1:0: "), "{error}");
    }
}
