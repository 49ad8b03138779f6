//! Starts a server for a test, and nodes on it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_channel::Receiver;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chat_broker_nats::NatsBroker;
use chat_core::broker::{Broker, BrokerError, Draft, Heard, Join, Joined, Placed, Stand};
use chat_core::{ChannelId, HistoryOptions};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Bounds the time in which what must come comes.
pub(crate) const SOON: Duration = Duration::from_secs(40);

/// Is a server of its own, on a port that is free, with a folder of its own. It ends when it is dropped.
pub(crate) struct Server {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Server {
    /// Starts a server with JetStream, unless the lines of its configuration say that there is none.
    pub(crate) fn start(lines: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        for _ in 0..20 {
            // None of the ports that the system hands out: while the server is away, nobody else gets it.
            let port = fastrand::u16(10_000..32_000);
            let store = folder.path().join("store");
            let jetstream = if lines.contains("jetstream") {
                String::new()
            } else {
                format!("jetstream {{ store_dir: {store:?}, max_file: 8G, max_mem: 64M }}\n")
            };
            let config = format!("host: 127.0.0.1\nport: {port}\n{jetstream}{lines}\n");
            fs::write(folder.path().join("server.conf"), config).expect("it is written");
            if TcpListener::bind(("127.0.0.1", port)).is_ok()
                && let Some(child) = launched(&folder)
            {
                return Self { child, port, folder };
            }
        }
        panic!("the server does not start with {lines:?}");
    }

    /// Returns a URL with this prefix, behind which other parameters may stand.
    pub(crate) fn url(&self, prefix: &str) -> String {
        self.url_at(self.port, prefix)
    }

    /// Returns a URL that leads to this server by another port.
    pub(crate) fn url_at(&self, port: u16, prefix: &str) -> String {
        format!("nats://127.0.0.1:{port}?max_bytes=67108864&key_bytes=4194304&prefix={prefix}")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Names the folder of what the server stores.
    pub(crate) fn store(&self) -> std::path::PathBuf {
        self.folder.path().join("store")
    }

    /// Kills the server with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it has ended");
    }

    /// Ends the server in order.
    pub(crate) fn end(&mut self) {
        self.signal("TERM");
        self.child.wait().expect("it has ended");
    }

    /// Starts the server again in its folder, with what it has saved there.
    pub(crate) fn start_again(&mut self) {
        self.child = launched(&self.folder).expect("the port is still free");
    }

    /// Sends a signal, such as STOP or CONT.
    pub(crate) fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    }

    /// Returns a client of NATS, for what no node does.
    pub(crate) async fn client(&self) -> async_nats::Client {
        async_nats::connect(format!("127.0.0.1:{}", self.port)).await.expect("it connects")
    }

    /// Asks JetStream something.
    pub(crate) async fn ask(&self, question: &str, body: &str) -> String {
        let client = self.client().await;
        let asked = client.request(format!("$JS.API.{question}"), body.to_owned().into()).await;
        String::from_utf8_lossy(&asked.expect("an answer").payload).into_owned()
    }
}

impl Server {
    /// Names the subject on which nodes hear a channel.
    pub(crate) fn said(&self, prefix: &str, name: &str) -> String {
        format!("{prefix}.h.{}", BASE64.encode(name))
    }

    /// Names the subject of an idempotency key.
    pub(crate) fn key(&self, prefix: &str, name: &str, key: &str) -> String {
        let hash = Sha256::new().chain_update(name).chain_update([0]).chain_update(key).finalize();
        format!("{prefix}.k.{}", BASE64.encode(hash))
    }

    /// Names the subject of a channel in the stream.
    pub(crate) fn placed(&self, prefix: &str, name: &str) -> String {
        format!("{prefix}.p.{}", BASE64.encode(name))
    }

    /// Returns the last message of a channel.
    pub(crate) async fn last(&self, prefix: &str, name: &str) -> String {
        let subject = self.placed(prefix, name);
        let client = self.client().await;
        let question = format!("$JS.API.DIRECT.GET.{prefix}_places.{subject}");
        let last = client.request(question, bytes::Bytes::new()).await.expect("an answer");
        String::from_utf8_lossy(&last.payload).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launched(folder: &TempDir) -> Option<Child> {
    let mut server = Command::new(program());
    let mut child = server
        .arg("--config")
        .arg(folder.path().join("server.conf"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("nats-server is installed");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let is_ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains("Server is ready"));
    // A pipe that nobody reads would stop the server in the end.
    std::thread::spawn(move || lines.for_each(drop));
    if !is_ready {
        let _ = child.wait();
    }
    is_ready.then_some(child)
}

/// Returns the server, which Debian puts where not everybody looks.
fn program() -> &'static str {
    const DEBIAN: &str = "/usr/sbin/nats-server";
    if Path::new(DEBIAN).exists() { DEBIAN } else { "nats-server" }
}

/// Is a node that listens.
pub(crate) struct Node {
    pub(crate) broker: Arc<NatsBroker>,
    pub(crate) heard: Receiver<Heard>,
    runs: JoinHandle<()>,
}

impl Node {
    pub(crate) async fn on(url: &str) -> Self {
        Self::hearing(url, 1024).await
    }

    /// Returns a node that takes so many events in advance.
    pub(crate) async fn hearing(url: &str, events: usize) -> Self {
        let broker = Arc::new(NatsBroker::connect(url).await.expect("it connects"));
        let (sender, heard) = async_channel::bounded(events);
        let runs = broker.clone();
        let runs = tokio::spawn(async move { runs.run(sender).await });
        let node = Self { broker, heard, runs };
        assert_eq!(node.hear().await, Heard::Back);
        node
    }

    pub(crate) async fn hear(&self) -> Heard {
        timeout(SOON, self.heard.recv()).await.expect("something comes").expect("it runs")
    }

    /// Checks that these bodies come next, with offsets that grow by one from the first.
    pub(crate) async fn hears(&self, name: &str, first: u64, bodies: &[String]) {
        for (must, at) in bodies.iter().zip(first..) {
            match self.hear().await {
                Heard::Published { channel: on, stand, body, .. } => {
                    assert_eq!((on, stand.offset.0, &*body), (channel(name), at, &**must));
                }
                other => panic!("{other:?} came where {must} is due"),
            }
        }
    }

    pub(crate) async fn join(&self, name: &str) -> Result<Joined, BrokerError> {
        let joined = self.broker.join(vec![Join::new(channel(name), kept())]).await;
        joined.map(|mut joined| joined.remove(0))
    }

    pub(crate) async fn publish(&self, name: &str, body: &str) -> Result<Placed, BrokerError> {
        self.place(draft(name, body)).await
    }

    pub(crate) async fn place(&self, draft: Draft) -> Result<Placed, BrokerError> {
        let lane = self.broker.lane(&draft.channel);
        self.broker.publish(lane, vec![draft]).await.remove(0)
    }

    pub(crate) async fn stand(&self, name: &str) -> Result<Stand, BrokerError> {
        self.broker.stands(vec![channel(name)]).await.map(|stands| stands[0])
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.runs.abort();
    }
}

pub(crate) fn channel(name: &str) -> ChannelId {
    name.parse().expect("a name")
}

pub(crate) fn kept() -> HistoryOptions {
    HistoryOptions::of(10_000, Duration::from_secs(600)).with_bytes(64 * 1024 * 1024)
}

pub(crate) fn draft(name: &str, body: &str) -> Draft {
    Draft::new(channel(name), body, kept())
}

pub(crate) fn numbered(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

/// Returns random numbers from a seed that it prints.
pub(crate) fn seeded() -> fastrand::Rng {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::Rng::with_seed(seed)
}
