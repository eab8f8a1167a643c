//! Small servers on the loopback that a case may point health probes at.
//!
//! They accept, and answer HTTP with a fixed status or with nothing at all. Each connection becomes a note in the trace.

use std::rc::Rc;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use super::world::World;
use crate::judge::trace::Kind;
use crate::suite::Listener;

/// Opens a listener on a free port and serves it until the case is over; gives back its address.
pub(crate) async fn open(name: &str, listener: Listener, world: Rc<World>) -> std::io::Result<String> {
    let socket = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = socket.local_addr()?.to_string();
    let name = name.to_owned();
    spawn_local(async move {
        while let Ok((stream, _)) = socket.accept().await {
            world.record(
                "harness",
                Kind::Note,
                json!({"text": format!("listener {name} was connected to")}),
            );
            spawn_local(serve(stream, listener));
        }
    });
    Ok(address)
}

async fn serve(stream: TcpStream, listener: Listener) {
    let mut stream = BufReader::new(stream);
    match listener {
        Listener::Tcp => {}
        // Accepted and then left alone, until the other side has had enough.
        Listener::Silent => {
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|count| count > 0) {
                line.clear();
            }
        }
        Listener::Http(status) => {
            let mut line = String::new();
            // The request ends with an empty line; what it asks for does not matter.
            while stream.read_line(&mut line).await.is_ok_and(|count| count > 0)
                && !line.trim_end().is_empty()
            {
                line.clear();
            }
            let reply = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            // A probe that has hung up already got what it wanted.
            let _ = stream.get_mut().write_all(reply.as_bytes()).await;
            let _ = stream.get_mut().shutdown().await;
        }
    }
}
