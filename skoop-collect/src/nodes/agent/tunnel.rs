//! The way to an agent: its pod, a stream to it, TLS within.

use std::io;
use std::sync::Arc;

use ::kube::Client;
use ::kube::api::{Api, ListParams};
use k8s_openapi::api::core::v1::Pod;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use skoop_model::{Reason, Unavailable};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::http::told;
use super::{AGENT_LABEL, CLIENT_SECRET, SERVER_NAME, Target};
use crate::error::reason_of;
use crate::kube::failure::{Failure, Request};

/// Trusts the authority in `ca_pem` and no other.
pub(super) fn connector(ca_pem: &str) -> Result<TlsConnector, Unavailable> {
    let malformed = |what: String| Unavailable::new(Reason::Malformed, format!("the agents' authority: {what}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        let certificate = certificate.map_err(|error| malformed(error.to_string()))?;
        roots.add(certificate).map_err(|error| malformed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(malformed(format!("no certificate in PEM form; key `ca.crt` of Secret {CLIENT_SECRET} is one")));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| malformed(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// TLS to an agent over `stream`.
pub(super) async fn secured<S>(connector: &TlsConnector, stream: S, agent: &str) -> Result<TlsStream<S>, Unavailable>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = ServerName::try_from(SERVER_NAME)
        .map_err(|error| Unavailable::new(Reason::Failed, format!("{agent}: {error}")))?;
    connector.connect(name, stream).await.map_err(|error| {
        let text = if is_of_certificate(&error) {
            let hint =
                format!("its certificate is not of the authority in Secret {CLIENT_SECRET}: install both at once");
            format!("{agent}: {hint} ({error})")
        } else {
            format!("{agent}: TLS: {}; see the agent's log", told(&error))
        };
        Unavailable::new(Reason::Failed, text)
    })
}

fn is_of_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

/// A connection to `HOST:PORT`.
pub(super) async fn connect(authority: &str) -> Result<TcpStream, Unavailable> {
    TcpStream::connect(authority).await.map_err(|error| {
        Unavailable::new(reason_of(&error), format!("agent {authority}: cannot connect: {error}; is it running?"))
    })
}

/// Name of the agent's pod on a node.
pub(super) async fn agent_of(client: &Client, namespace: &str, node: &Target) -> Result<String, Unavailable> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let params = ListParams::default().labels(AGENT_LABEL).fields(&format!("spec.nodeName={}", node.name));
    let pods = api.list(&params).await.map_err(|error| {
        let request = request("list", "pods", format!("in namespace {namespace}"));
        Failure::Refused(error).unavailable(&request)
    })?;
    choose(&pods.items, namespace, node)
}

/// The ready one of these.
fn choose(pods: &[Pod], namespace: &str, node: &Target) -> Result<String, Unavailable> {
    let name = |pod: &Pod| pod.metadata.name.clone().unwrap_or_default();
    let alive = || pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    if let Some(pod) = alive().find(|pod| is_ready(pod)) {
        return Ok(name(pod));
    }
    let Some(pod) = alive().next() else {
        let text = format!("no agent runs on node {} (namespace {namespace}, label {AGENT_LABEL})", node.name);
        return Err(Unavailable::new(Reason::NotFound, text));
    };
    let phase = pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_else(|| "Unknown".to_owned());
    let name = name(pod);
    let see = format!("see `kubectl --namespace {namespace} describe pod {name}`");
    Err(Unavailable::new(Reason::Failed, format!("agent {namespace}/{name} is not ready, its phase is {phase}: {see}")))
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// A stream to a port of a pod, through the API server.
pub(super) async fn forward(
    client: &Client,
    namespace: &str,
    pod: &str,
    port: u16,
) -> Result<DuplexStream, Unavailable> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let forwarder = api.portforward(pod, &[port]).await;
    let mut forwarder = forwarder.map_err(|error| {
        let request = request("create", "pods/portforward", format!("{namespace}/{pod}"));
        Failure::Refused(error).unavailable(&request)
    })?;
    forwarder.take_stream(port).ok_or_else(|| {
        Unavailable::new(
            Reason::Failed,
            format!("agent {namespace}/{pod}: the API server opened no stream to port {port}"),
        )
    })
}

/// A request, for messages.
pub(super) fn request(verb: &'static str, resource: &str, object: String) -> Request {
    Request { verb, group: String::new(), resource: resource.to_owned(), object: Some(object) }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::serde_json::{from_value, json};
    use skoop_model::NodeName;

    use super::*;

    fn pod(name: &str, ready: &str, deleted: bool) -> Pod {
        let deleted = deleted.then_some("2026-01-01T00:00:00Z");
        from_value(json!({
            "metadata": {"name": name, "deletionTimestamp": deleted},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
        }))
        .unwrap()
    }

    fn chosen(pods: &[Pod]) -> Result<String, (Reason, String)> {
        let node = Target { name: NodeName::from("a"), addresses: Vec::new(), ready: None };
        choose(pods, "skoop", &node).map_err(|why| (why.reason, why.detail))
    }

    #[test]
    fn the_ready_agent_is_taken() {
        let pods = [pod("old", "True", true), pod("slow", "False", false), pod("good", "True", false)];
        assert_eq!(chosen(&pods), Ok("good".to_owned()));
        let (reason, text) = chosen(&pods[..2]).unwrap_err();
        assert_eq!(reason, Reason::Failed);
        assert!(text.contains("agent skoop/slow is not ready") && text.contains("describe pod slow"), "{text}");
        let text = "no agent runs on node a (namespace skoop, label app.kubernetes.io/name=skoop-exporter)";
        assert_eq!(chosen(&pods[..1]), Err((Reason::NotFound, text.to_owned())));
    }

    #[test]
    fn an_authority_is_a_certificate() {
        for text in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert_eq!(connector(text).err().map(|why| why.reason), Some(Reason::Malformed), "{text}");
        }
    }
}
