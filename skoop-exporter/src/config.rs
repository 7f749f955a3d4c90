//! Where to listen, and who may ask.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::ServeError;

/// Files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and what leads to its authority, in PEM form.
    pub certificate: PathBuf,
    /// Its key, in PEM form.
    pub key: PathBuf,
}

/// What protects the node's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Secured {
    /// TLS; none: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// File with the token that callers must show; none: nobody is asked for one.
    pub token: Option<PathBuf>,
}

/// Where to listen, safely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    listen: SocketAddr,
    secured: Secured,
}

impl Config {
    /// Listens on `listen`.
    ///
    /// # Errors
    ///
    /// [`ServeError::Unsafe`] for an address that other hosts may reach without TLS and a token.
    pub fn new(listen: SocketAddr, secured: Secured) -> Result<Self, ServeError> {
        let guarded = secured.tls.is_some() && secured.token.is_some();
        if !guarded && !listen.ip().to_canonical().is_loopback() {
            return Err(ServeError::Unsafe { listen });
        }
        Ok(Self { listen, secured })
    }

    /// Address to listen on.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// What protects it.
    pub fn secured(&self) -> &Secured {
        &self.secured
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_hosts_need_tls_and_token() {
        let tls = Some(TlsFiles { certificate: PathBuf::from("a"), key: PathBuf::from("b") });
        let token = Some(PathBuf::from("c"));
        for (listen, tls, token, safe) in [
            ("127.0.0.1:1", None, None, true),
            ("[::1]:1", None, None, true),
            ("[::ffff:127.0.0.1]:1", None, None, true),
            ("0.0.0.0:1", None, None, false),
            ("[::]:1", tls.clone(), None, false),
            ("192.0.2.1:1", None, token.clone(), false),
            ("0.0.0.0:1", tls, token, true),
        ] {
            let config = Config::new(listen.parse().unwrap(), Secured { tls, token });
            assert_eq!(config.is_ok(), safe, "{listen}");
        }
    }
}
