//! What all kinds share: keys, labels, and values that are texts or wide integers in the API.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use skoop_model::{ObjectKey, Port, Protocol, TargetPort};

/// Name of an object; none if it has no name.
pub(super) fn name(metadata: &ObjectMeta) -> Option<String> {
    metadata.name.clone().filter(|name| !name.is_empty())
}

/// Key of a namespaced object.
pub(super) fn key(metadata: &ObjectMeta) -> Option<ObjectKey> {
    let namespace = metadata.namespace.clone().filter(|namespace| !namespace.is_empty())?;
    Some(ObjectKey { namespace, name: name(metadata)? })
}

/// Labels of an object.
pub(super) fn labels(metadata: &ObjectMeta) -> BTreeMap<String, String> {
    metadata.labels.clone().unwrap_or_default()
}

/// An address, as the API server reads it: with leading zeros as decimal numbers (`ParseIPSloppy` of k8s.io/utils/net). `None` of a
/// headless service is no address.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    text.parse().ok().or_else(|| without_leading_zeros(text)?.parse().ok())
}

/// Those of the texts that are addresses.
pub(super) fn addresses<'a>(texts: impl IntoIterator<Item = &'a String>) -> Vec<IpAddr> {
    texts.into_iter().filter_map(|text| address(text)).collect()
}

/// A prefix, host bits kept, as the API server reads it (`ParseCIDRSloppy`).
pub(super) fn prefix(text: &str) -> Option<IpNet> {
    let (base, length) = text.trim().split_once('/')?;
    IpNet::new(address(base)?, length.parse().ok()?).ok()
}

/// Those of the texts that are prefixes.
pub(super) fn prefixes<'a>(texts: impl IntoIterator<Item = &'a String>) -> Vec<IpNet> {
    texts.into_iter().filter_map(|text| prefix(text)).collect()
}

fn without_leading_zeros(text: &str) -> Option<String> {
    let octets: Option<Vec<String>> =
        text.split('.').map(|octet| octet.parse::<u8>().ok().map(|number| number.to_string())).collect();
    Some(octets?.join("."))
}

/// A port that is set: 1 to 65535.
pub(super) fn port(number: i32) -> Option<Port> {
    u16::try_from(number).ok().filter(|number| *number > 0).map(Port)
}

/// A transport protocol; unset is TCP.
pub(super) fn protocol(text: Option<&String>) -> Option<Protocol> {
    text.map_or(Some(Protocol::TCP), |text| match text.as_str() {
        "TCP" => Some(Protocol::TCP),
        "UDP" => Some(Protocol::UDP),
        "SCTP" => Some(Protocol::SCTP),
        _ => None,
    })
}

/// A port by number or name.
pub(super) fn target_port(value: &IntOrString) -> Option<TargetPort> {
    match value {
        IntOrString::Int(number) => port(*number).map(TargetPort::Number),
        IntOrString::String(name) => Some(name.clone()).filter(|name| !name.is_empty()).map(TargetPort::Name),
    }
}
