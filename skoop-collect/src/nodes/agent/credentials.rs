//! What agents and their callers know each other by.

use std::fmt;

use ::kube::Client;
use ::kube::api::Api;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use skoop_model::{Reason, Unavailable};
use thiserror::Error;

use super::tunnel::request;
use super::{CLIENT_SECRET, SERVER_NAME};
use crate::kube::failure::Failure;

/// Secret that is mounted in agents: `tls.crt`, `tls.key`, `token`.
const SERVER_SECRET: &str = "skoop-agent-server";
/// Years for which certificates hold.
const YEARS: i32 = 10;
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

/// What a caller needs to speak with agents. It is never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct AgentAccess {
    /// Bearer token.
    pub token: String,
    /// Certificate of the agents' authority, in PEM form.
    pub ca_pem: String,
}

impl fmt::Debug for AgentAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentAccess").finish_non_exhaustive()
    }
}

/// Credentials that could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// No certificate could be made.
    #[error("cannot make a certificate for agents")]
    Certificate(#[from] rcgen::Error),
    /// The system gives no random numbers.
    #[error("cannot make a token: the system gives no random numbers")]
    Random,
}

/// What one installation of agents and its callers share, made anew. The authority's own key is forgotten at once, so that nobody can make
/// another certificate. It is never shown by `Debug`.
#[derive(Clone)]
pub struct Credentials {
    /// What callers need.
    pub access: AgentAccess,
    /// Certificate of the agents, in PEM form.
    pub certificate_pem: String,
    /// Key of that certificate, in PEM form.
    pub key_pem: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// New credentials. `now_ms` is the time in milliseconds since the Unix epoch; certificates hold for ten years from then.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] if the system gives no random numbers.
    pub fn generate(now_ms: u64) -> Result<Self, CredentialError> {
        let year = year_of(now_ms);
        let mut authority = CertificateParams::default();
        authority.not_before = date_time_ymd(year - 1, 1, 1);
        authority.not_after = date_time_ymd(year + YEARS, 1, 1);
        authority.distinguished_name.push(DnType::CommonName, "skoop agents");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

        let mut server = CertificateParams::new(vec![SERVER_NAME.to_owned()])?;
        server.not_before = date_time_ymd(year - 1, 1, 1);
        server.not_after = date_time_ymd(year + YEARS, 1, 1);
        server.distinguished_name.push(DnType::CommonName, SERVER_NAME);
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &authority)?;
        Ok(Self {
            access: AgentAccess { token: token()?, ca_pem: authority.pem() },
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }

    /// The Secrets of an installation in `namespace`: that of the agents, and that of their callers.
    pub fn secrets(&self, namespace: &str) -> [Secret; 2] {
        let AgentAccess { token, ca_pem } = &self.access;
        let server = [("tls.crt", &self.certificate_pem), ("tls.key", &self.key_pem), ("token", token)];
        let client = [("ca.crt", ca_pem), ("token", token)];
        [secret(SERVER_SECRET, namespace, &server), secret(CLIENT_SECRET, namespace, &client)]
    }
}

fn secret(name: &str, namespace: &str, data: &[(&str, &String)]) -> Secret {
    let data = data.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())));
    let mut secret = Secret { data: Some(data.collect()), type_: Some("Opaque".to_owned()), ..Secret::default() };
    secret.metadata.name = Some(name.to_owned());
    secret.metadata.namespace = Some(namespace.to_owned());
    let label = ("app.kubernetes.io/name".to_owned(), "skoop-exporter".to_owned());
    secret.metadata.labels = Some([label].into());
    secret
}

/// Random, in hexadecimal digits.
fn token() -> Result<String, CredentialError> {
    let mut bytes = [0; TOKEN_BYTES];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| CredentialError::Random)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The year of a time, near enough for validity in whole years.
fn year_of(now_ms: u64) -> i32 {
    const YEAR_MS: u64 = 31_556_952_000;
    i32::try_from(now_ms / YEAR_MS).map_or(1970, |years| 1970 + years.min(1000))
}

/// Reads the callers' Secret.
pub(super) async fn from_secret(client: &Client, namespace: &str) -> Result<AgentAccess, Unavailable> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = api.get(CLIENT_SECRET).await.map_err(|error| {
        Failure::Refused(error).unavailable(&request("get", "secrets", format!("{namespace}/{CLIENT_SECRET}")))
    })?;
    access_of(&secret, namespace)
}

fn access_of(secret: &Secret, namespace: &str) -> Result<AgentAccess, Unavailable> {
    let value = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key)).map(|value| value.0.clone());
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).map(|text| text.trim().to_owned());
        text.filter(|text| !text.is_empty()).ok_or_else(|| {
            let text = format!("Secret {namespace}/{CLIENT_SECRET} has no usable key `{key}`: install the agents anew");
            Unavailable::new(Reason::Malformed, text)
        })
    };
    Ok(AgentAccess { token: value("token")?, ca_pem: value("ca.crt")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_new_each_time_and_come_back_from_the_secret() {
        let [one, two] = [0, 1].map(|_| Credentials::generate(1_790_000_000_000).unwrap());
        assert_ne!(one.access.token, two.access.token);
        assert_eq!(one.access.token.len(), 2 * TOKEN_BYTES);
        assert!(!format!("{one:?}{:?}", one.access).contains(&one.access.token));
        let [server, client] = one.secrets("skoop");
        let access = access_of(&client, "skoop").unwrap();
        assert_eq!((access.token, access.ca_pem), (one.access.token, one.access.ca_pem.trim().to_owned()));
        // No key leaves the agents.
        assert!(client.data.unwrap().values().all(|value| !String::from_utf8_lossy(&value.0).contains("PRIVATE")));
        assert_eq!(server.data.unwrap().len(), 3);
        assert!(access_of(&Secret::default(), "skoop").is_err());
    }

    #[test]
    fn years_are_counted_from_the_epoch() {
        assert_eq!((year_of(0), year_of(1_790_000_000_000), year_of(u64::MAX)), (1970, 2026, 2970));
    }
}
