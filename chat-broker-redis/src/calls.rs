//! Asks the server, over a connection that ends once and for all when it is lost.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use chat_core::broker::{BrokerError, BrokerFault};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Value, cmd};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::address::Address;
use crate::error::{self, unavailable};
use crate::line::dial;

/// Bounds each question, and each step of connecting.
pub(crate) const BOUND: Duration = Duration::from_secs(5);

/// Stands for the run id of a server whose log is durable: what it knew before is what it knows.
const ANY_RUN: &str = "-";

const SCRIPTS: [&str; 3] = [
    concat!(include_str!("common.lua"), include_str!("place.lua")),
    concat!(include_str!("common.lua"), include_str!("visit.lua")),
    concat!(include_str!("common.lua"), include_str!("page.lua")),
];

/// Names a script.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Script {
    Place,
    Visit,
    Page,
}

/// Is a connection to one run of the server.
pub(crate) struct Calls {
    connection: MultiplexedConnection,
    /// Is the name that the server gave to its run.
    run: String,
    /// Is what the scripts take for the run.
    incarnation: String,
    hashes: Vec<String>,
    /// Is closed once the connection is lost.
    open: Sender<()>,
    lost: Receiver<()>,
    driver: AbortHandle,
}

impl Calls {
    /// Connects, finds out which run of the server this is, and loads the scripts.
    pub(crate) async fn open(address: &Address) -> Result<Self, BrokerError> {
        let connecting = async {
            let line =
                dial(address).await.map_err(|error| BrokerError::of(BrokerFault::Unavailable, error))?;
            let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
            MultiplexedConnection::new_with_config(&address.login, line, config).await.map_err(error::of)
        };
        let (connection, driver) =
            timeout(BOUND, connecting).await.map_err(|_| unavailable("the server does not answer"))??;
        let (open, lost) = async_channel::bounded(1);
        let ends = open.clone();
        let driver = tokio::spawn(async move {
            driver.await;
            ends.close();
        });
        let driver = driver.abort_handle();
        let (run, incarnation, hashes) = (String::new(), String::new(), Vec::new());
        let mut calls = Self { connection, run, incarnation, hashes, open, lost, driver };
        calls.run = calls.run_id(address.durable).await?;
        calls.incarnation = if address.durable { ANY_RUN.to_owned() } else { calls.run.clone() };
        for script in SCRIPTS {
            calls.hashes.push(calls.load(script).await?);
        }
        Ok(calls)
    }

    /// Waits until the connection is lost.
    pub(crate) async fn lost(&self) {
        // Nothing is ever sent.
        let _ = self.lost.recv().await;
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.open.is_closed()
    }

    /// Returns true if the run of the server that says this of itself is that of this connection.
    pub(crate) fn is_run(&self, info: &[u8]) -> bool {
        let line = format!("run_id:{}\r\n", self.run);
        info.windows(line.len()).any(|some| some == line.as_bytes())
    }

    /// Gives the connection up: what is asked over it from now on is not answered.
    pub(crate) fn lose(&self) {
        self.open.close();
    }

    /// Calls a script with the run of the server as the first argument.
    pub(crate) async fn call(
        &self,
        script: Script,
        keys: &[String],
        arguments: &[Cow<'_, str>],
    ) -> Result<Value, BrokerError> {
        let mut call = cmd("EVALSHA");
        call.arg(&self.hashes[script as usize]).arg(keys.len());
        keys.iter().for_each(|key| _ = call.arg(key));
        call.arg(&self.incarnation);
        arguments.iter().for_each(|argument| _ = call.arg(&**argument));
        match self.ask(&call).await {
            Err(error) if error.code() == Some("NOSCRIPT") => {
                // Somebody has flushed the scripts. Nothing was done.
                self.load(SCRIPTS[script as usize]).await?;
                self.ask(&call).await.map_err(Asked::into)
            }
            answer => answer.map_err(Asked::into),
        }
    }

    pub(crate) async fn publish(&self, channel: &str, payload: &str) -> Result<(), BrokerError> {
        let mut call = cmd("PUBLISH");
        call.arg(channel).arg(payload);
        self.ask(&call).await.map(drop).map_err(Asked::into)
    }

    async fn load(&self, script: &str) -> Result<String, BrokerError> {
        let mut call = cmd("SCRIPT");
        call.arg("LOAD").arg(script);
        text(self.ask(&call).await?)
    }

    async fn ask(&self, call: &Cmd) -> Result<Value, Asked> {
        if self.is_lost() {
            return Err(Asked::Lost("the connection to the server is lost"));
        }
        let mut connection = self.connection.clone();
        let Ok(answer) = timeout(BOUND, connection.send_packed_command(call)).await else {
            self.lose();
            return Err(Asked::Lost("the server does not answer"));
        };
        let answer = answer.and_then(Value::extract_error).map_err(Asked::Failed);
        if let Err(Asked::Failed(error)) = &answer
            && (error.is_unrecoverable_error() || error.code().is_some_and(error::is_elsewhere))
        {
            self.lose();
        }
        answer
    }

    /// Returns the name of this run of the server, which must be of a kind that can be used.
    async fn run_id(&self, durable: bool) -> Result<String, BrokerError> {
        let mut call = cmd("INFO");
        call.arg("server").arg("replication").arg("persistence");
        let info = text(self.ask(&call).await?)?;
        let field = |name: &str| {
            let of = |line: &'_ str| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned);
            info.lines().find_map(of)
        };
        let refused = |why: &str| BrokerError::new(BrokerFault::Refused, why);
        let version = field("redis_version").unwrap_or_default();
        if version.split('.').next().and_then(|major| major.parse().ok()).is_none_or(|major: u32| major < 7) {
            return Err(refused("the server must be Redis 7 or newer, or Valkey"));
        }
        if field("role").is_some_and(|role| role != "master") {
            return Err(unavailable("the server is a replica"));
        }
        if durable && (field("aof_enabled").as_deref() != Some("1") || !self.syncs_always().await) {
            return Err(refused("durable=aof needs appendonly yes and appendfsync always"));
        }
        field("run_id").ok_or_else(|| refused("the server does not tell its run id"))
    }

    /// Returns false if the server tells that its log is not synced with each command. Where CONFIG is not
    /// allowed, the address is believed.
    async fn syncs_always(&self) -> bool {
        let mut call = cmd("CONFIG");
        call.arg("GET").arg("appendfsync");
        let answer =
            self.ask(&call).await.ok().and_then(|value| redis::from_redis_value::<Vec<String>>(value).ok());
        answer.is_none_or(|pair| pair.get(1).is_none_or(|sync| sync == "always"))
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").field("run", &self.run).field("lost", &self.is_lost()).finish_non_exhaustive()
    }
}

/// Tells why a question has no answer.
enum Asked {
    Lost(&'static str),
    Failed(redis::RedisError),
}

impl Asked {
    fn code(&self) -> Option<&str> {
        match self {
            Self::Lost(_) => None,
            Self::Failed(error) => error.code(),
        }
    }
}

impl From<Asked> for BrokerError {
    fn from(asked: Asked) -> Self {
        match asked {
            Asked::Lost(why) => unavailable(why),
            Asked::Failed(error) => error::of(error),
        }
    }
}

fn text(value: Value) -> Result<String, BrokerError> {
    redis::from_redis_value(value).map_err(|_| error::corrupt("the server answers with something else"))
}
