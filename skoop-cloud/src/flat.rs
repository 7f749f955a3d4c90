//! All nodes on one layer-2 network, with gateways to the rest of the world.

use skoop_model::ClusterSnapshot;

use crate::{Carried, CloudProvider, Sent};

/// A network that delivers each frame to whoever has the next hop's address, and filters nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct FlatNetwork;

impl CloudProvider for FlatNetwork {
    fn name(&self) -> &'static str {
        "flat network"
    }

    fn detect(&self, _cluster: &ClusterSnapshot) -> bool {
        true
    }

    fn carry(&self, sent: &Sent<'_>) -> Carried {
        let address = sent.next_hop.unwrap_or(sent.frame.packet.dst);
        match sent.cluster.node_with_address(address) {
            Some(node) if node.name != *sent.node => Carried::Node { node: node.name.clone(), address },
            _ => Carried::Gateway { next_hop: sent.next_hop },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use skoop_model::{Frame, Item, KubeNode, MacAddr, NodeName, Packet, Port};

    use super::*;

    fn node(name: &str, address: IpAddr) -> KubeNode {
        KubeNode {
            name: NodeName::from(name),
            addresses: vec![address],
            pod_cidrs: Vec::new(),
            ready: Some(true),
            labels: std::collections::BTreeMap::new(),
            provider_id: None,
        }
    }

    #[test]
    fn frames_reach_the_node_that_has_the_next_hop() {
        let [first, second, gateway] = [[192, 0, 2, 1], [192, 0, 2, 2], [192, 0, 2, 254]].map(IpAddr::from);
        let mut cluster = ClusterSnapshot::new("test", 0);
        cluster.nodes = Item::known(0, vec![node("a", first), node("b", second)]);
        let packet = Packet::tcp_syn(first, Port(1), second, Port(2));
        let frame = Frame { src_mac: MacAddr::ZERO, dst_mac: MacAddr::ZERO, packet };
        let name = NodeName::from("a");
        let carry = |next_hop| FlatNetwork.carry(&Sent { node: &name, frame: &frame, next_hop, cluster: &cluster });

        assert_eq!(carry(Some(second)), Carried::Node { node: NodeName::from("b"), address: second });
        assert_eq!(carry(None), Carried::Node { node: NodeName::from("b"), address: second });
        assert_eq!(carry(Some(gateway)), Carried::Gateway { next_hop: Some(gateway) });
        assert_eq!(
            carry(Some(first)),
            Carried::Gateway { next_hop: Some(first) },
            "a node never reaches itself by its NIC"
        );
    }
}
