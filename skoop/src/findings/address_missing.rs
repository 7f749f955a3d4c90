//! An address that the API promises and no device has.

use std::net::IpAddr;

use skoop_model::{Evidence, Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};
use super::routing::ip;

/// `ADDRESS-MISSING`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "ADDRESS-MISSING",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "A pod, a node or the pods' gateway should have an address that no device there has.",
    remedy: "Give the address back to its device; a pod can be deleted, so that it is made anew.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    if let Stop::NoSourceAddress = case.stop() {
        return Some(Detail::new(format!("{} has no address to send from.", case.whereabouts())));
    }
    if !case.went_astray() && !matches!(case.stop(), Stop::BridgeNobody { .. } | Stop::ForwardingOff { .. }) {
        return None;
    }
    of_receiver(case).or_else(|| of_node(case)).or_else(|| of_gateway(case))
}

/// The pod that the packet is for lost its address.
fn of_receiver(case: &Case<'_>) -> Option<Detail> {
    let dst = case.packet().dst;
    let pod = *case.network.cluster().pods_with_address(dst).first()?;
    let node = &case.blocker().place.node;
    if pod.phase.is_over() || pod.node.as_ref() != Some(node) || case.owner(dst).is_some() {
        return None;
    }
    let evidence = Evidence::new("missing", format!("no device on {node} has {dst}, the address of pod/{}", pod.key));
    let message = format!("pod/{} should have {dst}, and no device of its node has it.", pod.key);
    let detail = Detail::new(message).on(evidence);
    let Some(host) = case.network.pod_host(pod) else { return Some(detail) };
    let fix = "Give the address back to the pod's device, and the routes that went with it; deleting the pod, so that it is made anew, \
               does the same.";
    Some(detail.at(host).fix(fix, case.restore_pod(host, case.packet().family())))
}

/// The node that the packet or its tunnel is for lost its address.
fn of_node(case: &Case<'_>) -> Option<Detail> {
    let addresses = [Some(case.packet().dst), case.neighbour_address()].into_iter().flatten();
    let lost = |address: IpAddr| {
        let node = case.network.cluster().node_with_address(address)?;
        let host = case.network.node_host(&node.name)?;
        let namespace = &case.network.host(host).namespace;
        let gone = namespace.snapshot().addresses.get().is_ok() && namespace.device_of_address(address).is_none();
        gone.then_some((address, node, host))
    };
    let (address, node, host) = addresses.into_iter().find_map(lost)?;
    let evidence = Evidence::new("missing", format!("no device of {} has {address}, the address of node/{0}", node.name));
    let message = format!("Node {} should have {address}, and none of its devices has it.", node.name);
    let fix = "Give the node's uplink its address again, and the routes that went with it.";
    Some(Detail::new(message).on(evidence).at(host).fix(fix, Vec::new()))
}

/// The bridge that the pod's gateway should be has no address in the pod's subnet.
fn of_gateway(case: &Case<'_>) -> Option<Detail> {
    let Stop::NoNeighbour { address, .. } = case.stop() else { return None };
    let (pod, device) = (case.namespace()?, case.device()?);
    let (host, port) = case.peer(case.blocked.host?, device)?;
    let node = &case.network.host(host).namespace;
    let bridge = node.bridge_of(port)?;
    let own = pod.snapshot().addresses.elements().iter();
    let mut nets = own.filter(|entry| entry.link == device.index).map(|entry| entry.net);
    let subnet = nets.find(|net| net.contains(address))?;
    let mut held = node.snapshot().addresses.elements().iter().filter(|entry| entry.link == bridge.index);
    if held.any(|entry| subnet.contains(&entry.ip())) || case.owner(*address).is_some() {
        return None;
    }
    let evidence = Evidence::new("missing", format!("{} has no address in {}, not {address}", bridge.name, subnet.trunc()));
    let message = format!("{}, the gateway {address} of {}, has no address in its subnet.", bridge.name, case.whereabouts());
    let net = format!("{address}/{}", subnet.prefix_len());
    let command = ip(case.packet().family(), &["addr", "add", &net, "dev", &bridge.name]);
    let fix = format!("Give {} its address again; a new pod on the node makes the bridge plugin do it.", bridge.name);
    Some(Detail::new(message).on(evidence).at(host).fix(fix, vec![command]))
}
