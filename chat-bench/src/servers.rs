//! Lists the servers that are compared: how each is started, and which workloads it runs.

use crate::workload::Workload;
use clap::ValueEnum;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Server {
    /// Raw epoll without any protocol, the measure of all others.
    Floor,
    /// chat-server on Tokio, one worker on one core.
    Tokio,
    /// chat-server on Tokio, two workers on two cores.
    Tokio2,
    /// This project on async-std, one thread.
    AsyncStd,
    /// This project on smol, one thread.
    Smol,
    /// chat-server on Tokio, one worker, with clients of Centrifuge.
    Centrifuge,
    /// chat-server on Tokio, one worker, with clients of Phoenix.
    Phoenix,
    /// axum and a broadcast channel of Tokio's.
    Axum,
    /// tokio-tungstenite and a sender for each subscriber.
    Tungstenite,
    /// The rooms of socketioxide.
    Socketioxide,
    /// The server of npm's ws.
    Ws,
    /// nats-server over WebSocket.
    Nats,
    /// The core alone, in process.
    Core,
}

/// Finds the programs that are servers.
pub(crate) struct Programs {
    own: PathBuf,
    chat_server: PathBuf,
    /// Holds the configuration files of servers that need one, a file for each port.
    settings: tempfile::TempDir,
}

impl Programs {
    /// Finds the programs; builds chat-server if cargo runs this program.
    pub(crate) fn find() -> io::Result<Self> {
        let own = std::env::current_exe()?;
        let chat_server = own.with_file_name("chat-server");
        if let Ok(cargo) = std::env::var("CARGO") {
            let build = ["build", "--release", "--locked", "--package", "chat-server"];
            let done = Command::new(cargo).current_dir(root()).args(build).status()?;
            if !done.success() {
                return Err(io::Error::other("chat-server could not be built"));
            }
        }
        Ok(Self { own, chat_server, settings: tempfile::tempdir()? })
    }

    /// Returns the path of chat-server.
    pub(crate) fn chat_server(&self) -> &Path {
        &self.chat_server
    }

    /// Returns the path of this program.
    pub(crate) fn own(&self) -> &Path {
        &self.own
    }
}

/// Returns the folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Server {
    /// Tells whether the server can run this workload, and would tell something by it.
    pub(crate) fn runs(self, workload: Workload) -> bool {
        let own = matches!(self, Self::Tokio | Self::Tokio2 | Self::AsyncStd | Self::Smol);
        match workload {
            Workload::Process1 | Workload::Process16 => self == Self::Core,
            _ if self == Self::Core || workload == Workload::Hot => false,
            // The cost of another wire format shows best where one batch goes to many subscribers.
            _ if matches!(self, Self::Centrifuge | Self::Phoenix) => workload == Workload::W1x16,
            Workload::Large => own || self == Self::Floor,
            // One channel can delay another only on one core.
            Workload::Quiet | Workload::QuietBesideHot => {
                matches!(self, Self::Tokio | Self::Smol)
            }
            Workload::Storm => own,
            _ => true,
        }
    }

    /// Returns why the server cannot be started on this machine, if so.
    pub(crate) fn is_missing(self, programs: &Programs) -> Option<String> {
        let starts = |program: &str, option: &str| {
            Command::new(program).arg(option).output().is_ok_and(|output| output.status.success())
        };
        match self {
            Self::Tokio | Self::Tokio2 | Self::Centrifuge | Self::Phoenix
                if !programs.chat_server.exists() =>
            {
                Some(
                    "there is no chat-server beside this program: `cargo build --release -p chat-server`"
                        .into(),
                )
            }
            Self::Ws if !starts("node", "--version") => Some("there is no node".into()),
            Self::Ws if !root().join("tests/clients/node_modules/ws").exists() => {
                Some("there is no npm ws: `npm ci` in tests/clients".into())
            }
            Self::Nats if !starts("nats-server", "--version") => {
                Some("there is no nats-server: `apt-get install nats-server`".into())
            }
            _ => None,
        }
    }

    /// Returns the command that serves at this port of the loopback.
    pub(crate) fn command(self, programs: &Programs, workload: Workload, port: u16) -> io::Result<Command> {
        let listen = format!("127.0.0.1:{port}");
        let serve = |peer: &str| {
            let mut command = Command::new(&programs.own);
            command.args(["serve", peer, "--listen", &listen]);
            if workload.shares_a_shard() {
                command.args(["--shards", "1"]);
            }
            command.env("ASYNC_STD_THREAD_COUNT", "1").env("SMOL_THREADS", "1");
            command
        };
        Ok(match self {
            Self::Floor | Self::Core => {
                let mut command = Command::new(&programs.own);
                command.args(["floor", "--listen", &listen, "--join", &workload.join().to_string()]);
                command
            }
            Self::Tokio | Self::Tokio2 if workload.shares_a_shard() => serve("tokio"),
            Self::Tokio | Self::Tokio2 | Self::Centrifuge | Self::Phoenix => {
                let mut command = Command::new(&programs.chat_server);
                let workers = if self == Self::Tokio2 { "2" } else { "1" };
                command.args(["--listen", &listen, "--workers", workers]);
                command.args(["--store", "none", "--request-rate", "0"]);
                command
            }
            Self::AsyncStd => serve("async-std"),
            Self::Smol => serve("smol"),
            Self::Axum => serve("axum"),
            Self::Tungstenite => serve("tungstenite"),
            Self::Socketioxide => serve("socketioxide"),
            Self::Ws => {
                let mut command = Command::new("node");
                command.arg(root().join("chat-bench/peers/ws.mjs")).arg(port.to_string());
                command
            }
            Self::Nats => {
                let path = programs.settings.path().join(format!("{port}.conf"));
                std::fs::write(&path, nats_settings(port))?;
                let mut command = Command::new("nats-server");
                command.arg("--config").arg(path);
                command
            }
        })
    }

    /// Returns the target for the load.
    pub(crate) fn target(self, port: u16) -> String {
        match self {
            Self::Floor | Self::Core => format!("floor://127.0.0.1:{port}"),
            Self::Tokio | Self::Tokio2 | Self::AsyncStd | Self::Smol => format!("ws://127.0.0.1:{port}/ws"),
            Self::Centrifuge => format!("centrifuge://127.0.0.1:{port}/connection/websocket"),
            Self::Phoenix => format!("phoenix://127.0.0.1:{port}/socket/websocket?vsn=2.0.0"),
            Self::Axum | Self::Tungstenite | Self::Ws => format!("raw://127.0.0.1:{port}/ws"),
            Self::Socketioxide => format!("sio://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"),
            Self::Nats => format!("nats://127.0.0.1:{port}/"),
        }
    }

    /// Returns the cores to which the server is pinned.
    pub(crate) fn cores(self) -> &'static str {
        if self == Self::Tokio2 { "0,1" } else { "0" }
    }

    /// Returns the server's name for readers.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Floor => "the floor: raw epoll",
            Self::Tokio => "chat-core, Tokio",
            Self::Tokio2 => "chat-core, Tokio, 2 cores",
            Self::AsyncStd => "chat-core, async-std",
            Self::Smol => "chat-core, smol",
            Self::Centrifuge => "chat-core, Tokio, Centrifuge clients",
            Self::Phoenix => "chat-core, Tokio, Phoenix clients",
            Self::Axum => "axum + broadcast",
            Self::Tungstenite => "tokio-tungstenite + senders",
            Self::Socketioxide => "socketioxide",
            Self::Ws => "npm ws",
            Self::Nats => "nats-server",
            Self::Core => "chat-core, in process",
        }
    }

    /// Tells whether the server is this project's.
    pub(crate) fn is_own(self) -> bool {
        self.title().starts_with("chat-core")
    }

    /// Returns the server's name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Writes the configuration of nats-server. It needs a port for its own protocol too, and takes any.
fn nats_settings(port: u16) -> String {
    format!(
        "host: \"127.0.0.1\"\nport: -1\nmax_connections: 20000\n\
         websocket {{ host: \"127.0.0.1\", port: {port}, no_tls: true }}\n"
    )
}
