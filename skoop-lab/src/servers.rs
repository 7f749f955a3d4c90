//! Listeners inside pods: TCP and UDP echo servers, of this process, or of one in each pod's namespace.

mod child;
mod echo;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::background::Background;
use crate::netns;

pub(crate) use child::Children;
pub use child::serve_main;

/// One listener. Text form: `tcp:0.0.0.0:80`, `udp:[::]:80`; `tcp:[::]:80,v6only` takes no IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Listen {
    /// UDP instead of TCP.
    pub udp: bool,
    /// Address and port bound.
    pub address: SocketAddr,
    /// `IPV6_V6ONLY`.
    pub v6only: bool,
}

impl FromStr for Listen {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let form =
            || format!("`{text}` is no listener: use tcp:ADDRESS:PORT or udp:ADDRESS:PORT, with `,v6only` if wanted");
        let (body, v6only) = text.strip_suffix(",v6only").map_or((text, false), |body| (body, true));
        let (protocol, address) = body.split_once(':').with_context(form)?;
        let udp = match protocol {
            "tcp" => false,
            "udp" => true,
            _ => bail!(form()),
        };
        let address: SocketAddr = address.parse().with_context(form)?;
        if v6only && address.is_ipv4() {
            bail!(form());
        }
        Ok(Self { udp, address, v6only })
    }
}

impl TryFrom<String> for Listen {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        let protocol = if listen.udp { "udp" } else { "tcp" };
        format!("{protocol}:{}{}", listen.address, if listen.v6only { ",v6only" } else { "" })
    }
}

/// Whoever runs the listeners.
pub(crate) trait Servers: Send + Sync {
    /// Makes exactly these listeners run in a namespace; when it returns, they are open, and earlier ones closed.
    fn set(&self, netns: &str, listens: &[Listen]) -> Result<()>;

    /// Lets them run on when this process has ended, and returns the processes that do so.
    fn stay(&self) -> Result<Vec<u32>>;
}

/// Listeners of this process: gone with it.
#[derive(Default)]
pub(crate) struct InProcess(Mutex<HashMap<String, Serving>>);

impl Servers for InProcess {
    fn set(&self, netns: &str, listens: &[Listen]) -> Result<()> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let serving = match all.entry(netns.to_owned()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Serving::start()?),
        };
        serving.set(listens, |new| netns::enter(netns, || open_all(new))?)
    }

    fn stay(&self) -> Result<Vec<u32>> {
        bail!("listeners of this process end with it")
    }
}

/// Opens listeners in the calling thread's namespace.
fn open_all(listens: &[Listen]) -> Result<Vec<echo::Open>> {
    listens.iter().map(echo::open).collect()
}

/// Sockets that are being served.
struct Serving {
    background: Background,
    tasks: Vec<(Listen, JoinHandle<()>)>,
}

impl Serving {
    fn start() -> Result<Self> {
        Ok(Self { background: Background::start()?, tasks: Vec::new() })
    }

    /// Makes exactly these listeners run. One that runs already goes on: a socket that is closed and opened again may find its port
    /// taken, while a process that was being started holds a copy of what was closed.
    fn set(&mut self, listens: &[Listen], open: impl FnOnce(&[Listen]) -> Result<Vec<echo::Open>>) -> Result<()> {
        let (kept, ended) =
            std::mem::take(&mut self.tasks).into_iter().partition(|(listen, _)| listens.contains(listen));
        self.tasks = kept;
        for (_, task) in ended {
            task.abort();
            // An aborted task has closed its socket only when it has ended.
            let _aborted = self.background.wait(task)?;
        }
        let is_new = |listen: &&Listen| !self.tasks.iter().any(|(known, _)| known == *listen);
        let new: Vec<Listen> = listens.iter().filter(is_new).copied().collect();
        let sockets = open(&new)?;
        let _guard = self.background.handle()?.enter();
        for (listen, socket) in new.into_iter().zip(sockets) {
            self.tasks.push((listen, echo::serve(socket)?));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_have_one_text_form() {
        for text in ["tcp:0.0.0.0:80", "udp:127.0.0.1:53", "tcp:[::]:80", "tcp:[::]:80,v6only"] {
            let listen: Listen = text.parse().expect("a listener");
            assert_eq!(String::from(listen), text);
        }
        for text in ["", "tcp", "tcp:80", "sctp:0.0.0.0:80", "tcp:0.0.0.0:80,v6only", "tcp:0.0.0.0"] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }
}
