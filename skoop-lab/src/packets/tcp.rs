//! TCP: a connection, some bytes, the same bytes back.

use futures::future::join_all;
use socket2::Socket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::{Attempt, PATIENCE, Probe};

pub(super) async fn attempts(sockets: Vec<Socket>, probe: Probe) -> Vec<Attempt> {
    join_all(sockets.into_iter().map(|socket| attempt(socket, &probe))).await
}

async fn attempt(socket: Socket, probe: &Probe) -> Attempt {
    match timeout(PATIENCE, exchange(socket, probe)).await {
        Ok(Ok(())) => Attempt::Answered,
        Ok(Err(error)) => Attempt::of_error(&error),
        Err(_elapsed) => Attempt::TimedOut,
    }
}

async fn exchange(socket: Socket, probe: &Probe) -> std::io::Result<()> {
    let mut stream = TcpSocket::from_std_stream(socket.into()).connect(probe.destination()).await?;
    let sent = probe.payload();
    stream.write_all(&sent).await?;
    let mut received = vec![0; sent.len()];
    stream.read_exact(&mut received).await?;
    Ok(())
}
