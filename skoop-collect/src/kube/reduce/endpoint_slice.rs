//! Endpoint slices.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::discovery::v1::{
    Endpoint as KubeEndpoint, EndpointConditions, EndpointPort as KubeEndpointPort, EndpointSlice as KubeEndpointSlice,
};
use skoop_model::{AddressType, Endpoint, EndpointPort, EndpointSlice, NodeName, ObjectKey};

use super::meta;

/// Label that names the service.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// An endpoint slice; none without namespace and name, or of an address type that is not known.
pub(in crate::kube) fn endpoint_slice(slice: &KubeEndpointSlice) -> Option<EndpointSlice> {
    let key = meta::key(&slice.metadata)?;
    let labels = slice.metadata.labels.as_ref();
    let address_type = match slice.address_type.as_str() {
        "IPv4" => AddressType::Ipv4,
        "IPv6" => AddressType::Ipv6,
        "FQDN" => AddressType::Fqdn,
        _ => return None,
    };
    Some(EndpointSlice {
        service: labels.and_then(|labels| labels.get(SERVICE_LABEL)).cloned(),
        address_type,
        ports: slice.ports.iter().flatten().filter_map(port).collect(),
        endpoints: slice.endpoints.iter().flatten().filter_map(|entry| endpoint(entry, address_type, &key)).collect(),
        key,
    })
}

/// A port. An unset one means all ports; one out of range is dropped, lest it become all.
fn port(entry: &KubeEndpointPort) -> Option<EndpointPort> {
    let port = match entry.port {
        None => None,
        Some(number) => Some(meta::port(number)?),
    };
    Some(EndpointPort {
        name: entry.name.clone().unwrap_or_default(),
        protocol: meta::protocol(entry.protocol.as_ref())?,
        port,
    })
}

/// An endpoint; none without a readable address, unless its addresses are names.
fn endpoint(entry: &KubeEndpoint, address_type: AddressType, slice: &ObjectKey) -> Option<Endpoint> {
    let addresses = meta::addresses(&entry.addresses);
    if addresses.is_empty() && address_type != AddressType::Fqdn {
        return None;
    }
    let unset = EndpointConditions::default();
    let conditions = entry.conditions.as_ref().unwrap_or(&unset);
    let ready = conditions.ready.unwrap_or(true);
    Some(Endpoint {
        addresses,
        ready,
        serving: conditions.serving.unwrap_or(ready),
        terminating: conditions.terminating.unwrap_or(false),
        node: entry.node_name.clone().filter(|name| !name.is_empty()).map(NodeName),
        pod: entry.target_ref.as_ref().and_then(|target| pod(target, slice)),
    })
}

fn pod(target: &ObjectReference, slice: &ObjectKey) -> Option<ObjectKey> {
    if target.kind.as_deref() != Some("Pod") {
        return None;
    }
    let namespace = target.namespace.clone().unwrap_or_else(|| slice.namespace.clone());
    Some(ObjectKey { namespace, name: target.name.clone()? })
}
