//! Connections: taken, limited, ended.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::command::told;
use crate::files::Guard;
use crate::routes::{App, router};
use crate::snapshots::Snapshots;
use crate::{Config, Look};

/// Connections at the same time; more wait to be taken.
const CONNECTIONS: usize = 64;
/// Time for TLS, and for the head of a request.
const GREETING: Duration = Duration::from_secs(10);
/// Time for one connection altogether.
const CONNECTION: Duration = Duration::from_mins(2);
/// Time for connections to end by themselves when the server does.
const LEAVE: Duration = Duration::from_secs(5);
/// How often files are read again, and a node that could not be seen is looked at again.
const AGAIN: Duration = Duration::from_secs(30);
/// Pause after a connection could not be taken: no more files may be open.
const PAUSE: Duration = Duration::from_millis(100);

/// Why the server cannot start or go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Other hosts could ask unseen, or anybody could.
    #[error(
        "{listen} can be reached from other hosts: give --tls-cert, --tls-key and --token-file, or listen on 127.0.0.1"
    )]
    Unsafe {
        /// The address.
        listen: SocketAddr,
    },
    /// A file cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A certificate or its key is none, or they do not fit.
    #[error("{path}: {what}: give certificate and key of one another, in PEM form")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A token is too short.
    #[error("{path}: a token has at least {length} characters")]
    Token {
        /// The file.
        path: PathBuf,
        /// Shortest length.
        length: usize,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// The address cannot be had.
    #[error("cannot listen on {listen}: is another one running there?")]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// The system refuses.
    #[error("cannot {operation}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl ServeError {
    /// Whether other arguments or files are what it takes.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Unsafe { .. } | Self::File { .. } | Self::Certificate { .. } | Self::Token { .. } | Self::Bind { .. }
        )
    }
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    app: Arc<App>,
    look: Arc<dyn Look>,
    address: SocketAddr,
}

/// Serves what `look` sees until `stop` is over; requests that are being answered then are ended first.
///
/// # Errors
///
/// [`ServeError`] if a file is unusable or the address cannot be had.
pub async fn serve(config: Config, look: Arc<dyn Look>, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
    Server::bind(config, look).await?.run(stop).await
}

impl Server {
    /// Reads the files and takes the address. Connections wait until [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// [`ServeError`] if a file is unusable or the address cannot be had.
    pub async fn bind(config: Config, look: Arc<dyn Look>) -> Result<Self, ServeError> {
        let guard = Guard::read(config.secured())?;
        let tls = guard.acceptor()?;
        let listen = config.listen();
        let bind = |source| ServeError::Bind { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let app = App { guard, snapshots: Snapshots::new(look.clone()), ready: AtomicBool::new(false) };
        Ok(Self { listener, tls, app: Arc::new(app), look, address })
    }

    /// Where it listens: `https://127.0.0.1:9690`.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.address)
    }

    /// Answers until `stop` is over.
    ///
    /// # Errors
    ///
    /// None as yet; what goes wrong with one connection ends that one.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Self { listener, tls, app, look, .. } = self;
        let keeper = tokio::spawn(keep(app.clone(), look));
        let (router, graceful) = (router(app), GracefulShutdown::new());
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        tokio::pin!(stop);
        loop {
            let (stream, place) = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&listener, &places) => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        eprintln!("skoop-exporter: cannot take a connection: {error}");
                        sleep(PAUSE).await;
                        continue;
                    }
                },
            };
            let (router, tls, watcher) = (router.clone(), tls.clone(), graceful.watcher());
            tokio::spawn(async move {
                // Who is too slow is left; who makes mistakes knows it.
                let _ = timeout(CONNECTION, connection(stream, tls, router, watcher)).await;
                drop(place);
            });
        }
        keeper.abort();
        drop(listener);
        let _ = timeout(LEAVE, graceful.shutdown()).await;
        Ok(())
    }
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    Ok((listener.accept().await?.0, place))
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, watcher: Watcher) {
    match tls {
        None => answer(stream, router, watcher).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(GREETING, tls.accept(stream)).await {
                answer(stream, router, watcher).await;
            }
        }
    }
}

async fn answer<S>(stream: S, router: Router, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(GREETING)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // How a connection ends is the caller's business.
    let _ = watcher.watch(connection).await;
}

/// Reads files again, and looks at the node until it can be seen.
async fn keep(app: Arc<App>, look: Arc<dyn Look>) {
    let mut ticks = interval(AGAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = String::new();
    loop {
        // The first tick comes at once.
        ticks.tick().await;
        let mut problems = Vec::new();
        if !app.ready.load(Ordering::Relaxed) {
            match look.check().await {
                Ok(()) => app.ready.store(true, Ordering::Relaxed),
                Err(error) => problems.push(told(&error)),
            }
        }
        problems.extend(app.guard.read_again().err().map(|error| told(&error)));
        let told = problems.join("; ");
        if told != last && !told.is_empty() {
            eprintln!("skoop-exporter: {told}");
        }
        last = told;
    }
}
