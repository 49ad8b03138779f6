//! Starts servers for tests, on loopback, on a free port, with a folder of their own.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Names the user as whom servers run when the tests run as root, whom PostgreSQL refuses.
const NOBODY: &str = "nobody";

/// Bounds the attempts to start a server again: the port and the memory of one that was killed are free soon.
const ATTEMPTS: u32 = 100;

/// Is a server that ends when this is dropped. Its superuser is `chat`, without a password.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    folder: TempDir,
    options: Vec<String>,
}

impl Server {
    /// Starts a server with these settings, such as `fsync=off`.
    ///
    /// # Panics
    /// Panics if PostgreSQL is not installed, or cannot be started.
    pub fn start(options: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        give_away(folder.path());
        let data = folder.path().join("data");
        let mut init = program("initdb");
        init.args(["-U", "chat", "-A", "trust", "-E", "UTF8", "--locale=C", "-N", "-D"]).arg(&data);
        let made = init.current_dir(folder.path()).output().expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
        loop {
            // None of the ports that the system hands out: while the server is away, nobody else gets it.
            let port = fastrand::u16(10_000..32_000);
            if TcpListener::bind(("127.0.0.1", port)).is_ok()
                && let Some(child) = launch(port, folder.path(), &options)
            {
                return Self { child, port, folder, options };
            }
        }
    }

    /// Returns the address of a deployment in the database `postgres`.
    pub fn url(&self, schema: &str) -> String {
        format!("postgres://chat@127.0.0.1:{}/postgres?schema={schema}", self.port)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the id of the process that starts all others.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the folder, in which `data` holds what the server keeps.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills the server with SIGKILL, as a machine that crashes does.
    ///
    /// # Panics
    /// Panics if it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it has ended");
    }

    /// Stops the server in order, and ends its connections.
    ///
    /// # Panics
    /// Panics if it cannot be stopped.
    pub fn stop(&mut self) {
        self.signal("INT");
        self.child.wait().expect("it has ended");
    }

    /// Starts the server again with what is in its folder.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub fn start_again(&mut self) {
        for _ in 0..ATTEMPTS {
            if let Some(child) = launch(self.port, self.folder.path(), &self.options) {
                self.child = child;
                return;
            }
            // Processes of the server that was killed are just ending.
            thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the server does not start again");
    }

    /// Sends a signal to the server and to all of its processes, such as STOP or CONT.
    ///
    /// # Panics
    /// Panics if the server has ended.
    pub fn signal(&self, signal: &str) {
        assert!(self.try_signal(signal), "the server has ended");
    }

    /// Returns false if the server has ended.
    fn try_signal(&self, signal: &str) -> bool {
        let id = self.child.id();
        // One of its processes may end at any time; to stop in order is up to the first alone.
        let others = if signal == "INT" { "true" } else { "kill -$0 $(pgrep -P $1) 2>/dev/null; true" };
        let kill = format!("kill -$0 $1 && {{ {others}; }}");
        Command::new("sh").args(["-c", &kill, signal, &id.to_string()]).status().expect("a shell").success()
    }

    /// Copies what the server keeps to a folder beside it, or back. The server must be stopped.
    ///
    /// # Panics
    /// Panics if it cannot be copied.
    pub fn copy(&self, from: &str, to: &str) {
        let [from, to] = [from, to].map(|name| self.folder.path().join(name));
        let copy = "rm -rf \"$1\" && cp -a \"$0\" \"$1\"";
        let done = Command::new("sh").args(["-c", copy]).arg(from).arg(to).status();
        assert!(done.expect("a shell").success());
    }

    /// Says who may connect over TCP, in lines of `pg_hba.conf`; over the Unix socket all may. It counts
    /// once the server starts or is told to reload.
    ///
    /// # Panics
    /// Panics if the file cannot be written.
    pub fn let_in(&self, lines: &str) {
        let path = self.folder.path().join("data/pg_hba.conf");
        let mut file = std::fs::File::options().write(true).truncate(true).open(path).expect("it is ours");
        write!(file, "local all all trust\n{lines}\n").expect("it can be written");
    }

    /// Puts a file into the server's folder that only the server may read.
    ///
    /// # Panics
    /// Panics if it cannot be written.
    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("it can be written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("it is ours");
        give_away(&path);
        path
    }

    /// Connects as the superuser over a Unix socket, so also while the server refuses TCP.
    ///
    /// # Errors
    /// Fails if the server is away.
    pub async fn client(&self) -> Result<Client, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.folder.path()).port(self.port).user("chat").dbname("postgres");
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Runs statements on a connection of their own; returns the first column of all rows.
    ///
    /// # Errors
    /// Fails if the server is away, or refuses one.
    pub async fn ask(&self, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
        let said = self.client().await?.simple_query(sql).await?;
        let first = |message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        };
        Ok(said.into_iter().filter_map(first).collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Of those that were told to stop, none would hear of the end. One that was killed has ended already.
        self.try_signal("CONT");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the command for a program of PostgreSQL, as a user that it accepts.
fn program(name: &str) -> Command {
    let path = installed().join(name);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={NOBODY}"), "--regid=nogroup", "--clear-groups"]).arg(path);
    command
}

/// Returns the folder with the programs of the newest version, which Debian puts on no path.
fn installed() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.retain(|folder| folder.join("postgres").exists());
    folders.sort();
    folders.pop().unwrap_or_else(|| panic!("there is no PostgreSQL; ./test.sh installs it"))
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Gives a file or folder to the user as whom servers run.
fn give_away(path: &Path) {
    if is_root() {
        let id = |kind| {
            let said = Command::new("id").args([kind, NOBODY]).output().expect("id runs");
            String::from_utf8_lossy(&said.stdout).trim().parse().expect("a number")
        };
        chown(path, Some(id("-u")), Some(id("-g"))).expect("it is ours");
    }
}

/// Returns the server once it takes connections; none if it cannot have the port.
fn launch(port: u16, folder: &Path, options: &[String]) -> Option<Child> {
    let mut server = program("postgres");
    server.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
    server.args(["-h", "127.0.0.1", "-p", &port.to_string()]).current_dir(folder);
    for option in ["max_connections=200", "shared_buffers=32MB"].into_iter() {
        server.args(["-c", option]);
    }
    options.iter().for_each(|option| _ = server.args(["-c", option]));
    server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = server.spawn().expect("postgres runs");
    let said = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut lines = said.lines().map_while(io::Result::ok);
    let is_ready = lines.any(|line| line.contains("database system is ready to accept"));
    // A pipe that nobody reads would stop the server in the end.
    thread::spawn(move || lines.for_each(drop));
    if !is_ready {
        let _ = child.wait();
    }
    is_ready.then_some(child)
}
