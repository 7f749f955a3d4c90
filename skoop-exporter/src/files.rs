//! Certificate and token from files, read again when they change.

use std::fs;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::token::{MIN_LENGTH, Token};
use crate::{Secured, ServeError, TlsFiles};

/// A value that may be replaced while others use it.
#[derive(Debug)]
struct Current<T>(RwLock<T>);

impl<T: Clone> Current<T> {
    fn get(&self) -> T {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

/// Shows the certificate that the files hold now.
impl ResolvesServerCert for Current<Arc<CertifiedKey>> {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

/// What the files held when they were last read.
pub(crate) struct Guard {
    secured: Secured,
    certificate: Option<Arc<Current<Arc<CertifiedKey>>>>,
    token: Option<Current<Token>>,
}

impl Guard {
    pub(crate) fn read(secured: &Secured) -> Result<Self, ServeError> {
        let certificate = secured.tls.as_ref().map(certificate).transpose()?;
        let token = secured.token.as_deref().map(token).transpose()?;
        Ok(Self {
            secured: secured.clone(),
            certificate: certificate.map(|certificate| Arc::new(Current(RwLock::new(Arc::new(certificate))))),
            token: token.map(|token| Current(RwLock::new(token))),
        })
    }

    /// Reads the files again. Broken ones are told, and what held before goes on holding.
    pub(crate) fn read_again(&self) -> Result<(), ServeError> {
        if let (Some(current), Some(files)) = (&self.certificate, &self.secured.tls) {
            current.set(Arc::new(certificate(files)?));
        }
        if let (Some(current), Some(file)) = (&self.token, &self.secured.token) {
            current.set(token(file)?);
        }
        Ok(())
    }

    /// Whether a caller with this `Authorization` header may look.
    pub(crate) fn admits(&self, header: Option<&[u8]>) -> bool {
        self.token.as_ref().is_none_or(|token| token.get().admits(header))
    }

    /// Accepts TLS connections; none: they are plain.
    pub(crate) fn acceptor(&self) -> Result<Option<TlsAcceptor>, ServeError> {
        let Some(certificate) = &self.certificate else { return Ok(None) };
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(ServeError::Tls)?
            .with_no_client_auth()
            .with_cert_resolver(certificate.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    }
}

fn certificate(files: &TlsFiles) -> Result<CertifiedKey, ServeError> {
    let bad = |path: &Path, what: String| ServeError::Certificate { path: path.to_path_buf(), what };
    let text = bytes(&files.certificate)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| bad(&files.certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(bad(&files.certificate, "no certificate in PEM form".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&bytes(&files.key)?).map_err(|error| bad(&files.key, error.to_string()))?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
        .map_err(|error| bad(&files.certificate, error.to_string()))
}

fn token(path: &Path) -> Result<Token, ServeError> {
    let text = String::from_utf8_lossy(&bytes(path)?).into_owned();
    Token::of_text(&text).ok_or_else(|| ServeError::Token { path: path.to_path_buf(), length: MIN_LENGTH })
}

fn bytes(path: &Path) -> Result<Vec<u8>, ServeError> {
    fs::read(path).map_err(|source| ServeError::File { path: path.to_path_buf(), source })
}
