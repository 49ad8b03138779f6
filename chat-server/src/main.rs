//! Runs a ready-made chat server.

mod api;
mod bounds;
mod claims;
mod guard;
mod jose;
mod listen;
mod metrics;
mod page;
mod readiness;
mod routes;
mod settings;
mod target;
mod tokens;

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use chat_core::{Hub, OpenChat};
use chat_tokio_adapter::{TokioRuntime, serve_http};
use clap::Parser;
use futures::future::{join_all, pending};
use hyper_util::service::TowerToHyperService;
use readiness::Readiness;
use settings::{ClientAddress, Settings};
use tokens::TokenChat;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

/// Holds the reason why the server could not run.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let settings = Settings::parse();
    let checked = settings.check();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    checked?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if settings.workers > 0 {
        runtime.worker_threads(settings.workers.into());
    }
    // The server runs in a task, since a connection that this thread accepted would have to wake a worker.
    let serving = async { tokio::spawn(serve(settings)).await? };
    runtime.enable_all().build()?.block_on(serving)
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let open = OpenChat::default().with_open_publish(settings.open_publish);
    let mut hub = match &settings.jwt_secret {
        Some(secret) => Hub::builder(TokenChat::new(open, secret, settings.token_terms())),
        None => Hub::builder(open),
    }
    .limits(settings.limits())
    .channel(|_| settings.channel());
    if let Some(store) = settings.open_store()? {
        hub = hub.store(store);
    }
    let hub = hub.build(TokioRuntime::current());
    let origins = settings.origins()?;
    let listeners = listen::bind(&settings.listen).await?;
    let addresses: Vec<_> = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
    let hosts = settings.hosts(&addresses)?;
    for address in addresses {
        info!("listening on http://{address}");
    }
    let readiness = Readiness::default();
    let api = api::routes(&hub, settings.api_key.as_deref(), settings.channel());
    let all = routes::routes(&hub, &origins).merge(api);
    let all = routes::watched(&hub, &readiness, guard::guarded(hosts, &origins, &hub, all));
    let all = match settings.client_address()? {
        ClientAddress::Connection => all,
        ClientAddress::Off => routes::behind(None, all),
        ClientAddress::Proxies(proxies) => routes::behind(Some(proxies), all),
    };
    let service = TowerToHyperService::new(target::plainly(all));
    let serve = |listener| serve_http(listener, hub.clone(), service.clone(), pending());
    let stopping = stop(&hub, &readiness, settings.drain())?;
    // The listeners are open until the end, so that a load balancer hears that the server is stopping.
    tokio::select! {
        _ = join_all(listeners.into_iter().map(serve)) => {}
        () = stopping => {}
    }
    Ok(())
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
