//! A transport of one's own: the plain protocol as lines over TCP. `tokio_lines 127.0.0.1:9003`, then `nc
//! 127.0.0.1 9003`.

use std::sync::Arc;

use chat_core::protocol::Credentials;
use chat_core::transport::{Connection, Frame, Incoming, InputError, Kind};
use chat_core::{Hub, OpenChat};
use chat_protocol::json::Json;
use chat_tokio_adapter::{Listen, TokioRuntime};
use futures::{Sink, Stream, sink, stream};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "it tells people where it is")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9003".into());
    let hub = Hub::builder(OpenChat::default()).build(TokioRuntime::current());
    let place: Listen = address.parse().map_err(std::io::Error::other)?;
    let listener = TcpListener::bind(&*place.addresses()?).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(run(hub.clone(), socket));
    }
}

async fn run(hub: Hub, socket: TcpStream) {
    let Ok(permit) = hub.acceptor().permit() else { return };
    let (read, write) = socket.into_split();
    let most = hub.limits().message_bytes as u64;
    Connection::over_sink(
        permit,
        Arc::new(Json),
        Credentials::Later,
        Box::pin(lines(read, most)),
        Box::pin(sink(write)),
    )
    .await;
}

/// A line is a message; one over the bound, or that is no UTF-8, ends the session.
fn lines(read: OwnedReadHalf, most: u64) -> impl Stream<Item = Result<Incoming, InputError>> {
    stream::unfold(BufReader::new(read), move |mut read| async move {
        let mut line = String::new();
        let item = match (&mut read).take(most + 1).read_line(&mut line).await {
            Ok(0) => return None,
            Ok(_) if line.ends_with('\n') => Ok(Incoming::Text(line.trim_end().to_owned())),
            _ => Err(InputError::Disconnected),
        };
        Some((item, read))
    })
}

/// Line breaks in JSON stand only between its tokens, where a space does as well. A close has no line: the
/// end says it.
fn sink(write: OwnedWriteHalf) -> impl Sink<Frame, Error = std::io::Error> {
    sink::unfold(write, |mut write, frame: Frame| async move {
        if frame.kind() == Kind::Text {
            let line = frame.as_str().unwrap_or_default().replace(['\r', '\n'], " ");
            write.write_all(format!("{line}\n").as_bytes()).await?;
        }
        Ok(write)
    })
}
