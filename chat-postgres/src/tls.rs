//! Encrypts connections, where the feature `rustls` is on.

#[cfg(feature = "rustls")]
pub(crate) use self::rustls::Tls;
#[cfg(not(feature = "rustls"))]
pub(crate) use tokio_postgres::NoTls as Tls;

use crate::error::DatabaseError;

#[cfg(not(feature = "rustls"))]
pub(crate) fn tls() -> Result<Tls, DatabaseError> {
    Ok(Tls)
}

/// Trusts the certificates that the system trusts.
#[cfg(feature = "rustls")]
pub(crate) fn tls() -> Result<Tls, DatabaseError> {
    use std::sync::Arc;

    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::crypto::ring::default_provider;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    use crate::error::unavailable;

    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unavailable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Tls(TlsConnector::from(Arc::new(config))))
}

#[cfg(feature = "rustls")]
mod rustls {
    //! Fits rustls to tokio-postgres.

    use std::io::{self, IoSlice};
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio_postgres::Socket;
    use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::ServerName;

    type Connecting = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    /// Makes connections encrypted ones.
    #[derive(Clone)]
    pub(crate) struct Tls(pub(super) TlsConnector);

    /// Encrypts a connection to a server of this name.
    pub(crate) struct Named(TlsConnector, String);

    /// Is an encrypted connection.
    pub(crate) struct Encrypted(Box<tokio_rustls::client::TlsStream<Socket>>);

    impl MakeTlsConnect<Socket> for Tls {
        type Stream = Encrypted;
        type TlsConnect = Named;
        type Error = io::Error;

        fn make_tls_connect(&mut self, host: &str) -> io::Result<Named> {
            Ok(Named(self.0.clone(), host.to_owned()))
        }
    }

    impl TlsConnect<Socket> for Named {
        type Stream = Encrypted;
        type Error = io::Error;
        type Future = Connecting;

        fn connect(self, socket: Socket) -> Connecting {
            Box::pin(async move {
                let name = ServerName::try_from(self.1).map_err(io::Error::other)?;
                Ok(Encrypted(Box::new(self.0.connect(name, socket).await?)))
            })
        }
    }

    impl TlsStream for Encrypted {
        // The certificate is verified, which says more of the server than a channel binding does.
        fn channel_binding(&self) -> ChannelBinding {
            ChannelBinding::none()
        }
    }

    impl AsyncRead for Encrypted {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            room: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut *self.0).poll_read(context, room)
        }
    }

    impl AsyncWrite for Encrypted {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut *self.0).poll_write(context, bytes)
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut *self.0).poll_write_vectored(context, slices)
        }

        fn is_write_vectored(&self) -> bool {
            self.0.is_write_vectored()
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut *self.0).poll_flush(context)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut *self.0).poll_shutdown(context)
        }
    }
}
