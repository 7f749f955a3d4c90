//! A small runtime behind a synchronous face.

use std::future::Future;
use std::sync::mpsc;

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Handle, Runtime};

/// One worker thread that serves, sends and answers while the lab's own code stays synchronous. Unlike a runtime's own `block_on`,
/// [`Background::wait`] may be called, and the value dropped, on any thread.
#[derive(Debug)]
pub(crate) struct Background(Option<Runtime>);

impl Background {
    pub(crate) fn start() -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("skoop-lab").enable_all().build();
        Ok(Self(Some(runtime.context("start a runtime")?)))
    }

    /// Runs a future to its end and returns what it gives.
    pub(crate) fn wait<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Result<T> {
        let (sender, receiver) = mpsc::channel();
        self.handle()?.spawn(async move {
            // The receiver waits below; it is gone only if this thread is.
            let _ = sender.send(future.await);
        });
        receiver.recv().context("a task of the lab panicked")
    }

    /// Where to spawn tasks.
    pub(crate) fn handle(&self) -> Result<&Handle> {
        self.0.as_ref().map(Runtime::handle).context("the lab's runtime has ended")
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
