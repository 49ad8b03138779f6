//! Runs a ready-made chat server.

mod admin;
mod api;
mod claims;
mod config;
mod endpoint;
mod guard;
mod jose;
mod listen;
mod metrics;
mod page;
mod readiness;
mod routes;
mod rules;
mod target;
mod tokens;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "nats")]
use chat_broker_nats::NatsBroker;
#[cfg(feature = "postgres")]
use chat_broker_postgres::PostgresBroker;
#[cfg(feature = "redis")]
use chat_broker_redis::RedisBroker;
use chat_core::{Hub, HubBuilder};
use chat_tokio_adapter::{HttpHub, Listener, TokioRuntime, serve_http};
use config::{ClientAddress, Config, Settings, Task};
use endpoint::Chat;
use futures::future::{join_all, pending};
use hyper_util::service::TowerToHyperService;
use readiness::Readiness;
use rules::Rules;
use tokens::Tokens;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

/// Holds the reason why the server could not run.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let config = match config::read(std::env::args_os()) {
        Ok(Task::Serve(config)) => *config,
        Ok(Task::Tell(told)) => return tell(&told),
        Err(error) => {
            let told = error.print();
            return told.map_or(ExitCode::FAILURE, |()| {
                u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
            });
        }
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn tell(text: &str) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(config: Config) -> Result<(), Failure> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if config.settings.workers > 0 {
        runtime.worker_threads(config.settings.workers.into());
    }
    // The server runs in a task, since a connection that this thread accepted would have to wake a worker.
    let serving = async { tokio::spawn(serve(config)).await? };
    runtime.enable_all().build()?.block_on(serving)
}

async fn serve(Config { settings, rules }: Config) -> Result<(), Failure> {
    let rules = Arc::new(rules);
    let hub = hub(&settings, &rules).await?;
    let http = HttpHub::try_new(hub.clone(), settings.http_limits())?;
    let origins = settings.origins()?;
    let listeners = listen::bind(&settings.listen).await?;
    let addresses: Vec<_> = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
    let hosts = settings.hosts(&addresses)?;
    for address in addresses {
        info!("listening on http://{address}");
    }
    let readiness = Readiness::of(&hub);
    let api = api::routes(&http, settings.api_key.as_deref(), &rules);
    let admin = admin::routes(&http, settings.admin_key.as_deref());
    let all = routes::routes(&http, &origins).merge(api).merge(admin);
    let all = routes::watched(&hub, &readiness, guard::guarded(hosts, &origins, &hub, all));
    let all = match settings.client_address()? {
        ClientAddress::Connection => all,
        ClientAddress::Off => routes::behind(None, all),
        ClientAddress::Proxies(proxies) => routes::behind(Some(proxies), all),
    };
    let service = TowerToHyperService::new(target::plainly(all));
    let serve = |listener| {
        let listener = Listener::from(listener).proxy_protocol(settings.proxy_protocol());
        serve_http(listener, http.clone(), service.clone(), pending())
    };
    let stopping = stop(&hub, &readiness, settings.drain())?;
    // The listeners are open until the end, so that a load balancer hears that the server is stopping.
    tokio::select! {
        _ = join_all(listeners.into_iter().map(serve)) => {}
        () = stopping => {}
    }
    Ok(())
}

async fn hub(settings: &Settings, rules: &Arc<Rules>) -> Result<Hub, Failure> {
    let tokens = settings.jwt_secret.as_deref().map(|secret| Tokens::new(secret, settings.token_terms()));
    let hub = Hub::builder(Chat::new(rules.clone(), tokens)).limits(settings.limits());
    let hub = match settings.open_store()? {
        Some(store) => hub.store(store),
        None => hub,
    };
    let hub = match settings.broker() {
        Some(address) => with_broker(hub, address).await?,
        None => hub,
    };
    Ok(hub.build(TokioRuntime::current()))
}

/// Connects to the broker at this address, which the settings have checked.
#[cfg_attr(
    not(any(feature = "nats", feature = "postgres", feature = "redis")),
    expect(unused_variables, clippy::unused_async, reason = "there is nothing to connect to")
)]
async fn with_broker(hub: HubBuilder, address: &str) -> Result<HubBuilder, Failure> {
    #[cfg(feature = "nats")]
    if address.starts_with("nats://") || address.starts_with("tls://") {
        let broker = NatsBroker::connect(address).await.map_err(|error| format!("--broker: {error}"))?;
        return Ok(hub.broker(broker));
    }
    #[cfg(feature = "postgres")]
    if address.starts_with("postgres://") || address.starts_with("postgresql://") {
        let broker = PostgresBroker::connect(address).await.map_err(|error| format!("--broker: {error}"))?;
        return Ok(hub.broker(broker));
    }
    #[cfg(feature = "redis")]
    if address.starts_with("redis://") || address.starts_with("rediss://") {
        let broker = RedisBroker::connect(address).await.map_err(|error| format!("--broker: {error}"))?;
        return Ok(hub.broker(broker));
    }
    Err("this server is built without this broker".into())
}

/// Waits for a signal, then drains the hub; a second signal ends that at once.
fn stop(hub: &Hub, readiness: &Readiness, patience: Duration) -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        let mut stop = async || tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} };
        stop().await;
        readiness.end();
        info!("stopping: {} sessions are told; a second signal ends at once", hub.stats().sessions);
        tokio::select! {
            left = hub.drain(patience) => info!("stopped, {left} sessions left behind"),
            () = stop() => info!("stopped at once"),
        }
    })
}
