//! Topologies: what a CNI plugin writes on nodes and in pods. One file each, one line in [`TOPOLOGIES`].

mod base;
mod build;
mod flannel;
mod flannel_vxlan;
#[cfg(test)]
mod recorded;

use std::net::IpAddr;

use anyhow::{Result, anyhow};
use serde_json::Value;
use skoop_model::Family;

use crate::plan::{NodePlan, Plan, PodPlan};

pub(crate) use build::{build, restore};

/// Every topology.
pub const TOPOLOGIES: &[&dyn Topology] = &[&flannel_vxlan::FlannelVxlan];

/// What one CNI plugin writes. It writes only what the real plugin writes; a diagnosis sees nothing of it but the result.
pub trait Topology: Send + Sync {
    /// Its name in scenario files.
    fn id(&self) -> &'static str;

    /// What it does in a node's own namespace, whose `eth0` exists already. Pods' veth pairs are made here.
    fn node(&self, plan: &Plan, node: &NodePlan) -> Setup;

    /// What it does in a pod's namespace, whose `eth0` exists already.
    fn pod(&self, plan: &Plan, pod: &PodPlan) -> Setup;

    /// Its own API objects: namespace, config map, daemon set, and the like.
    fn objects(&self, plan: &Plan) -> Vec<Value>;

    /// Annotations that it writes at a node's API object.
    fn node_annotations(&self, plan: &Plan, node: &NodePlan) -> Vec<(String, String)>;

    /// The address of a node's tunnel device, if it has one.
    fn vtep(&self, node: &NodePlan, family: Family) -> Option<IpAddr>;
}

/// Steps in one namespace, in this order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Setup {
    /// Values for paths under `/proc/sys`.
    pub sysctls: Vec<(String, String)>,
    /// Lines for `ip -batch`.
    pub ip: String,
    /// Lines for `bridge -batch`.
    pub bridge: String,
    /// Input for `iptables-restore --noflush`, one a family.
    pub restore: Vec<(Family, String)>,
}

/// The topology with this name.
///
/// # Errors
///
/// There is none; the message lists those that there are.
pub fn topology(id: &str) -> Result<&'static dyn Topology> {
    let known: Vec<&str> = TOPOLOGIES.iter().map(|topology| topology.id()).collect();
    let found = TOPOLOGIES.iter().copied().find(|topology| topology.id() == id);
    found.ok_or_else(|| anyhow!("no topology `{id}`; there are: {}", known.join(", ")))
}
