//! What a CNI plugin is expected to have set up.
//!
//! The walk needs none of this: it follows the kernel. A [`CniPlugin`] says afterwards what *should* be there, which turns a wrong
//! turn into a cause with a fix. [`Generic`] knows no plugin: it infers the pattern from what the plugin did elsewhere on the node.

mod generic;

use std::net::IpAddr;

use ipnet::IpNet;
use skoop_model::{ClusterSnapshot, KubeNode};
use skoop_sim::{Namespace, Tri};

pub use generic::Generic;

/// Knowledge of a CNI plugin.
pub trait CniPlugin: std::fmt::Debug + Send + Sync {
    /// Name for people.
    fn name(&self) -> &'static str;

    /// Whether this plugin runs the cluster's pod network.
    fn detect(&self, cluster: &ClusterSnapshot) -> bool;

    /// The address of [`PodView::address`] with the prefix length that a pod should have it with, and its device.
    fn pod_address(&self, pod: &PodView<'_>) -> Option<(IpNet, String)>;

    /// Routes that a pod should have, if it has that address.
    fn pod_routes(&self, pod: &PodView<'_>) -> Vec<ExpectedRoute>;

    /// The route on a node to the pods of another node.
    fn remote_route(&self, view: &NodeView<'_>, remote: &KubeNode) -> Option<ExpectedRoute>;

    /// Whether the network between nodes delivers packets to pod addresses that are not encapsulated.
    fn underlay_carries_pods(&self, view: &NodeView<'_>) -> Tri;

    /// Who restores what the plugin set up on a node: "the flannel pod on the node".
    fn agent(&self) -> &'static str;
}

/// A pod as seen from its node.
#[derive(Debug, Clone, Copy)]
pub struct PodView<'a> {
    /// The pod's namespace.
    pub pod: &'a Namespace,
    /// The node's namespace.
    pub host: &'a Namespace,
    /// The pod's address.
    pub address: IpAddr,
}

/// A node and its cluster.
#[derive(Debug, Clone, Copy)]
pub struct NodeView<'a> {
    /// The node's namespace.
    pub host: &'a Namespace,
    /// The node.
    pub node: &'a KubeNode,
    /// The cluster.
    pub cluster: &'a ClusterSnapshot,
}

/// A route that should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedRoute {
    /// Destination.
    pub dst: IpNet,
    /// Gateway.
    pub gateway: Option<IpAddr>,
    /// Device.
    pub device: String,
    /// Preferred source.
    pub source: Option<IpAddr>,
    /// The gateway counts as on the link.
    pub onlink: bool,
}

impl ExpectedRoute {
    /// The command that installs it.
    pub fn command(&self) -> Vec<String> {
        let mut words: Vec<String> = ["ip", "route", "replace"].map(str::to_owned).into();
        words.push(if self.dst.prefix_len() == 0 { "default".to_owned() } else { self.dst.to_string() });
        if let Some(gateway) = self.gateway {
            words.extend(["via".to_owned(), gateway.to_string()]);
        }
        words.extend(["dev".to_owned(), self.device.clone()]);
        if let Some(source) = self.source {
            words.extend(["src".to_owned(), source.to_string()]);
        }
        if self.onlink {
            words.push("onlink".to_owned());
        }
        if self.dst.addr().is_ipv6() {
            words.insert(1, "-6".to_owned());
        }
        words
    }
}

/// The plugin that runs a cluster; [`Generic`] if none is known.
pub fn detect(cluster: &ClusterSnapshot) -> &'static dyn CniPlugin {
    PLUGINS.iter().copied().find(|plugin| plugin.detect(cluster)).unwrap_or(&Generic)
}

/// Every plugin, the most particular first.
static PLUGINS: &[&dyn CniPlugin] = &[&Generic];
