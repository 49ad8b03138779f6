//! Tests TLS with a certificate that this system does not trust, and with one that it does.

use std::path::Path;
use std::process::Command;

use chat_broker_postgres::{ConnectError, Fault, PostgresBroker};
use chat_postgres::testkit::Server;

use crate::node::{Node, numbered};

/// Names the variable that holds the URL in the process that trusts the certificate.
const URL: &str = "CHAT_TLS_URL";

fn openssl(folder: &Path, words: &str) {
    let mut openssl = Command::new("openssl");
    let made = openssl.current_dir(folder).args(words.split(' ')).output().expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

async fn refused(url: &str) {
    match PostgresBroker::connect(url).await {
        Err(ConnectError::Database(error)) => assert_ne!(error.fault(), Fault::Corrupt, "{error}"),
        other => panic!("{other:?}"),
    }
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
    let read = |name: &str| std::fs::read(folder.path().join(name)).expect("it is there");
    let server = Server::start(&[]);
    let (cert, key) = (server.put("cert.pem", &read("cert.pem")), server.put("key.pem", &read("key.pem")));
    for setting in [("ssl_cert_file", cert.to_str()), ("ssl_key_file", key.to_str()), ("ssl", Some("on"))] {
        let sql = format!("ALTER SYSTEM SET {} = '{}'", setting.0, setting.1.expect("a path"));
        server.ask(&sql).await.expect("it is set");
    }
    server.let_in("hostssl all all 127.0.0.1/32 trust\nhostssl all all ::1/128 trust");
    server.ask("SELECT pg_reload_conf()").await.expect("it is reloaded");
    let url = format!("postgres://chat@localhost:{}/postgres?sslmode=require", server.port());
    refused(&url).await;
    refused(&url.replace("require", "disable")).await;
    // What a process trusts is said in its environment, which a test cannot change for itself.
    let mut trusting = Command::new(std::env::current_exe().expect("a program"));
    trusting
        .args(["--exact", "tls::over_tls_all_is_the_same_and_a_certificate_that_nobody_trusts_is_refused"]);
    let ca = folder.path().join("ca.pem");
    let run = trusting.env(URL, &url).env("SSL_CERT_FILE", &ca).output().expect("it runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}
