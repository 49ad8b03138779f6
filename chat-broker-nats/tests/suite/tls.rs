//! Tests TLS with a certificate that this system does not trust, and with one that it does.

use std::path::Path;
use std::process::Command;

use chat_broker_nats::{ConnectError, NatsBroker};
use chat_core::broker::BrokerFault;

use crate::server::{Node, Server, numbered};

/// Names the variable that holds the URL in the process that trusts the certificate.
const URL: &str = "CHAT_TLS_URL";

fn openssl(folder: &Path, words: &str) {
    let mut openssl = Command::new("openssl");
    let made = openssl.current_dir(folder).args(words.split(' ')).output().expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[tokio::test]
async fn over_tls_all_is_the_same_and_a_certificate_that_nobody_trusts_is_refused() {
    if let Ok(url) = std::env::var(URL) {
        let node = Node::on(&url).await;
        node.join("room").await.expect("it is joined");
        let long = vec!["x".repeat(1 << 20)];
        node.publish("room", &long[0]).await.expect("it is placed");
        node.hears("room", 1, &long).await;
        node.publish("room", "0").await.expect("it is placed");
        return node.hears("room", 2, &numbered(0..1)).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let key = "req -x509 -newkey rsa:2048 -nodes -days 2";
    openssl(folder.path(), &format!("{key} -keyout ca.key -out ca.pem -subj /CN=ca"));
    let leaf =
        "-CA ca.pem -CAkey ca.key -addext subjectAltName=DNS:localhost -addext basicConstraints=CA:FALSE";
    openssl(folder.path(), &format!("{key} -keyout key.pem -out cert.pem -subj /CN=localhost {leaf}"));
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let (ca, cert, key) = (path("ca.pem"), path("cert.pem"), path("key.pem"));
    let server = Server::start(&format!("tls {{ cert_file: {cert:?}, key_file: {key:?} }}"));
    let url = format!("tls://localhost:{}/?max_bytes=67108864", server.port());
    match NatsBroker::connect(&url).await {
        Err(ConnectError::Broker(error)) => assert_eq!(error.fault(), BrokerFault::Unavailable, "{error}"),
        other => panic!("{other:?}"),
    }
    // What a process trusts is said in its environment, which a test cannot change for itself.
    let mut trusting = Command::new(std::env::current_exe().expect("a program"));
    trusting
        .args(["--exact", "tls::over_tls_all_is_the_same_and_a_certificate_that_nobody_trusts_is_refused"]);
    let run = trusting.env(URL, &url).env("SSL_CERT_FILE", &ca).output().expect("it runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}
