//! Echo servers. A socket belongs to the namespace in which it was opened, wherever it is read from.

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{JoinHandle, JoinSet};

use super::Listen;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 256;
/// Larger than any packet.
const BUFFER: usize = 65_536;

/// An open socket, not yet served.
pub(super) enum Open {
    Tcp(std::net::TcpListener),
    Udp(std::net::UdpSocket),
}

/// Opens a listener in the calling thread's namespace.
pub(super) fn open(listen: &Listen) -> Result<Open> {
    let name = || format!("listen at {}", String::from(*listen));
    let (kind, protocol) = if listen.udp { (Type::DGRAM, Protocol::UDP) } else { (Type::STREAM, Protocol::TCP) };
    let socket = Socket::new(Domain::for_address(listen.address), kind, Some(protocol)).with_context(name)?;
    if listen.address.is_ipv6() {
        socket.set_only_v6(listen.v6only).with_context(name)?;
    }
    socket.set_reuse_address(!listen.udp).with_context(name)?;
    socket.bind(&listen.address.into()).with_context(name)?;
    socket.set_nonblocking(true).with_context(name)?;
    if listen.udp {
        return Ok(Open::Udp(socket.into()));
    }
    socket.listen(BACKLOG).with_context(name)?;
    Ok(Open::Tcp(socket.into()))
}

/// Serves until the task is aborted. Must be called within a runtime.
pub(super) fn serve(open: Open) -> Result<JoinHandle<()>> {
    Ok(match open {
        Open::Tcp(listener) => tokio::spawn(serve_tcp(TcpListener::from_std(listener).context("serve TCP")?)),
        Open::Udp(socket) => tokio::spawn(serve_udp(UdpSocket::from_std(socket).context("serve UDP")?)),
    })
}

async fn serve_tcp(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(echo(stream));
                }
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(buffer.get(..length).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}

async fn serve_udp(socket: UdpSocket) {
    let mut buffer = vec![0; BUFFER];
    loop {
        // An error is that of an earlier answer which found nobody.
        if let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let _unanswerable = socket.send_to(buffer.get(..length).unwrap_or_default(), peer).await;
        }
    }
}
