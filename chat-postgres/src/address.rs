//! Reads a URL: where the server is, who asks, and in which schema.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use crate::error::ConnectError;

/// Bounds a schema's name, in bytes. It also names a channel of notifications, which has at most 63.
const SCHEMA_BYTES: usize = 48;

/// Ends connections of clients that are gone, within about half a minute, and calls that nobody waits for.
/// The functions of the schema see what others commit while they wait for a lane, which other isolations
/// hide.
const SETTINGS: &str = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 \
                        -c tcp_user_timeout=30000 -c statement_timeout=10000 -c client_min_messages=warning \
                        -c idle_in_transaction_session_timeout=10000 -c search_path=pg_catalog,pg_temp \
                        -c default_transaction_isolation=read\\ committed -c default_transaction_read_only=off";

/// Tells where a server is, and how it is spoken to.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) config: Config,
    pub(crate) schema: String,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, ConnectError> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(ConnectError::Url);
        }
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        // The parser's own words may show a part of the address, such as the password.
        let mut config: Config = place.parse().map_err(|_| ConnectError::Url)?;
        let (mut schema, mut mode) = ("chat".to_owned(), SslMode::Disable);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match (&*name, &*value) {
                ("schema", value) => schema = value.to_owned(),
                ("sslmode", "disable") => mode = SslMode::Disable,
                ("sslmode", "require" | "verify-full") if cfg!(feature = "rustls") => mode = SslMode::Require,
                ("sslmode", "require" | "verify-full") => return Err(ConnectError::NoTls),
                ("host", folder) if folder.starts_with('/') => _ = config.host_path(folder),
                // Its value may be a password.
                _ => return Err(ConnectError::Parameter(name.into_owned())),
            }
        }
        if config.get_hosts().is_empty() {
            return Err(ConnectError::Url);
        }
        if !is_schema(&schema) {
            return Err(ConnectError::Schema(schema));
        }
        config.ssl_mode(mode).options(SETTINGS).application_name("chat");
        config.connect_timeout(Duration::from_secs(5)).tcp_user_timeout(Duration::from_secs(30));
        config.keepalives_idle(Duration::from_secs(10));
        Ok(Self { config, schema })
    }

    /// Names the schema of the deployment in a text of SQL, in which `chat.` stands for it.
    pub(crate) fn sql(&self, text: &str) -> String {
        text.replace("chat.", &format!("\"{}\".", self.schema))
    }
}

fn is_schema(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let begins = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    begins && name.len() <= SCHEMA_BYTES && name.bytes().all(plain) && !name.starts_with("pg_")
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::Host;

    use super::*;

    fn refused(url: &str) -> ConnectError {
        match Address::parse(url) {
            Err(error) => error,
            Ok(_) => panic!("{url} is taken"),
        }
    }

    #[test]
    fn a_url_says_where_and_who_and_in_which_schema() {
        let address = Address::parse("postgres://bob:pa%40ss@example.org:7000/db?schema=room_1");
        let Ok(Address { config, schema }) = address else { panic!("it is a URL") };
        assert_eq!((config.get_user(), config.get_password()), (Some("bob"), Some(&b"pa@ss"[..])));
        assert_eq!((config.get_ports(), config.get_dbname(), &*schema), (&[7000][..], Some("db"), "room_1"));
        let socket = Address::parse("postgresql://bob@/db?host=/run/postgresql");
        let Ok(Address { config, schema }) = socket else { panic!("it is a URL") };
        assert_eq!(config.get_hosts(), [Host::Unix("/run/postgresql".into())]);
        assert_eq!(&*schema, "chat");
    }

    #[test]
    fn a_url_that_is_not_understood_is_refused_without_a_word_of_the_password() {
        for url in ["", "postgres", "http://a", "postgres://", "redis://a", "postgres://u:secret@a:port/b"] {
            assert!(matches!(refused(url), ConnectError::Url), "{url}");
            assert!(!refused(url).to_string().contains("secret"));
        }
        let wrong = ["prefix=a", "sslmode=prefer", "sslmode=verify-ca", "host=b", "options=-c", "password=x"];
        for parameter in wrong {
            assert!(matches!(refused(&format!("postgres://a?{parameter}")), ConnectError::Parameter(_)));
        }
        for schema in ["", "1a", "A", "a-b", "a%22", "a.b", "pg_a", "%D0%B6", &"x".repeat(49)] {
            assert!(matches!(refused(&format!("postgres://a?schema={schema}")), ConnectError::Schema(_)));
        }
    }

    #[test]
    fn tls_is_a_feature() {
        let required = Address::parse("postgres://a?sslmode=require");
        #[cfg(not(feature = "rustls"))]
        assert!(matches!(required, Err(ConnectError::NoTls)));
        #[cfg(feature = "rustls")]
        assert!(required.is_ok_and(|address| address.config.get_ssl_mode() == SslMode::Require));
    }

    #[test]
    fn the_schema_of_a_text_is_that_of_the_deployment() {
        let Ok(address) = Address::parse("postgres://a?schema=user") else { panic!("it is a URL") };
        assert_eq!(address.sql("SELECT chat.place($1)"), "SELECT \"user\".place($1)");
    }
}
