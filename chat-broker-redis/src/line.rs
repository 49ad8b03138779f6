//! Opens connections, plain or with TLS.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::address::Address;

/// Is a connection.
pub(crate) trait Line: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Line for T {}

pub(crate) async fn dial(address: &Address) -> io::Result<Box<dyn Line>> {
    let socket = TcpStream::connect((&*address.host, address.port)).await?;
    socket.set_nodelay(true)?;
    if address.tls { tls(address, socket).await } else { Ok(Box::new(socket)) }
}

#[cfg(not(feature = "rustls"))]
async fn tls(_: &Address, _: TcpStream) -> io::Result<Box<dyn Line>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Trusts the certificates that the system trusts.
#[cfg(feature = "rustls")]
async fn tls(address: &Address, socket: TcpStream) -> io::Result<Box<dyn Line>> {
    use std::sync::Arc;

    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::crypto::ring::default_provider;
    use tokio_rustls::rustls::pki_types::ServerName;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
    let line = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
    Ok(Box::new(line))
}
