//! Walks, written step by step.

use std::net::IpAddr;

use skoop::model::{
    Encap, Evidence, Frame, MacAddr, NodeName, Packet, Place, Port, Protocol, Stage, Step, Transport, Vni,
};

pub const NODE_1: &str = "node-1";
pub const NODE_2: &str = "node-2";
pub const CLIENT: &str = "pod/default/client";

pub fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn syn(to: &str) -> Packet {
    Packet::tcp_syn(address("10.244.1.2"), Port(40_000), address(to), Port(80))
}

/// `packet` inside VXLAN from node-1 to `remote`.
pub fn in_tunnel(packet: &Packet, remote: &str) -> Packet {
    let transport = Transport::Udp { sport: Port(51_234), dport: Port(8472) };
    let frame = Frame {
        src_mac: MacAddr([0x5e, 0x0a, 0, 0, 1, 1]),
        dst_mac: MacAddr([0x5e, 0x0a, 0, 0, 2, 1]),
        packet: packet.clone(),
    };
    let mut outer =
        Packet::new(address("192.168.0.1"), address(remote), Protocol::UDP, transport, packet.length_bytes + 50);
    outer.dont_fragment = false;
    outer.encap = Some(Box::new(Encap { vni: Vni(1), frame }));
    outer
}

/// Writes a walk step by step.
pub struct Walk {
    packet: Packet,
    at: (String, String),
    conditional: bool,
    steps: Vec<Step>,
}

impl Walk {
    pub fn new(packet: Packet) -> Self {
        Self { packet, at: (String::new(), String::new()), conditional: false, steps: Vec::new() }
    }

    pub fn at(mut self, node: &str, namespace: &str) -> Self {
        self.at = (node.to_owned(), namespace.to_owned());
        self
    }

    pub fn step(mut self, stage: Stage, device: &str, decision: &str, by: (&str, &str)) -> Self {
        let after = Some(self.packet.clone());
        self.push(stage, device, decision, by, after);
        self
    }

    pub fn change(
        mut self,
        stage: Stage,
        device: &str,
        decision: &str,
        by: (&str, &str),
        change: impl FnOnce(&Packet) -> Packet,
    ) -> Self {
        let after = change(&self.packet);
        self.push(stage, device, decision, by, Some(after.clone()));
        self.packet = after;
        self
    }

    pub fn block(mut self, stage: Stage, device: &str, decision: &str, by: (&str, &str)) -> Self {
        self.push(stage, device, decision, by, None);
        if let Some(step) = self.steps.last_mut() {
            step.blocked = true;
        }
        self.conditional = true;
        self
    }

    fn push(&mut self, stage: Stage, device: &str, decision: &str, by: (&str, &str), after: Option<Packet>) {
        self.steps.push(Step {
            place: Place {
                node: NodeName::from(self.at.0.as_str()),
                namespace: self.at.1.clone(),
                device: device.to_owned(),
                stage,
            },
            before: self.packet.clone(),
            after,
            decision: decision.to_owned(),
            by: Evidence::new(by.0, by.1),
            conditional: self.conditional,
            blocked: false,
        });
    }

    pub fn done(self) -> Vec<Step> {
        self.steps
    }
}

pub fn from_client(packet: Packet) -> Walk {
    Walk::new(packet)
        .at(NODE_1, CLIENT)
        .step(Stage::Socket, "", "a TCP connection is opened", ("object", "pod/default/client"))
        .step(Stage::Routing, "eth0", "default by way of 10.244.1.1", ("route", "default via 10.244.1.1 dev eth0"))
        .step(
            Stage::Egress,
            "eth0",
            "out by the veth pair",
            ("link", "eth0@if7: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450"),
        )
        .at(NODE_1, "host")
        .step(
            Stage::Ingress,
            "veth3a1f9c2e",
            "in by the veth pair",
            ("link", "veth3a1f9c2e@if2: <BROADCAST,MULTICAST,UP,LOWER_UP>"),
        )
        .step(
            Stage::Bridge,
            "cni0",
            "for the bridge itself, goes up to routing",
            ("fdb", "0a:58:0a:f4:01:01 dev cni0 master cni0 permanent"),
        )
}

pub fn over_tunnel(walk: Walk, remote: &str) -> Walk {
    walk.step(
        Stage::Routing,
        "flannel.1",
        "10.244.2.0/24 by way of 10.244.2.0",
        ("route", "10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink"),
    )
    .step(
        Stage::Forward,
        "",
        "accepted",
        ("iptables", "-A FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment \"flanneld forward\" -j ACCEPT"),
    )
    .step(
        Stage::Neighbour,
        "flannel.1",
        "10.244.2.0 is at 5e:0a:00:00:02:01",
        ("neighbour", "10.244.2.0 dev flannel.1 lladdr 5e:0a:00:00:02:01 PERMANENT"),
    )
    .change(
        Stage::Tunnel,
        "flannel.1",
        "to 192.168.0.2",
        ("fdb", "5e:0a:00:00:02:01 dev flannel.1 dst 192.168.0.2 self permanent"),
        |packet| in_tunnel(packet, remote),
    )
    .step(
        Stage::Routing,
        "eth0",
        "192.168.0.0/24 on link",
        ("route", "192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.1"),
    )
    .step(Stage::Egress, "eth0", "out to the underlay", ("link", "eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500"))
    .at(NODE_1, "")
    .step(Stage::Underlay, "", "one network, delivered by MAC address", ("object", "flat network"))
    .at(NODE_2, "host")
    .step(Stage::Ingress, "eth0", "in from the underlay", ("link", "eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500"))
    .change(
        Stage::Tunnel,
        "flannel.1",
        "VNI 1 is flannel.1's",
        ("link", "flannel.1: vxlan id 1 local 192.168.0.2 dev eth0 dstport 8472 nolearning"),
        |packet| packet.encap.as_ref().map_or_else(|| packet.clone(), |encap| encap.frame.packet.clone()),
    )
}

pub fn to_server(walk: Walk, pod: &str) -> Walk {
    walk.step(
        Stage::Routing,
        "cni0",
        "10.244.2.0/24 on link",
        ("route", "10.244.2.0/24 dev cni0 proto kernel scope link src 10.244.2.1"),
    )
    .step(Stage::Bridge, "cni0", "to port veth77b0e1d4", ("fdb", "5e:0a:f4:00:02:02 dev veth77b0e1d4 master cni0"))
    .at(NODE_2, pod)
    .step(
        Stage::Ingress,
        "eth0",
        "in by the veth pair",
        ("link", "eth0@if9: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450"),
    )
    .step(Stage::Input, "", "no rules", ("iptables", "-P INPUT ACCEPT"))
    .step(Stage::Delivery, "", "a socket listens on 0.0.0.0:80", ("socket", "tcp LISTEN 0.0.0.0:80"))
}

/// The rest of the way, walked as if the entry were there.
pub fn over_tunnel_again(walk: Walk) -> Walk {
    walk.change(
        Stage::Tunnel,
        "flannel.1",
        "to 192.168.0.2, as the node's object says",
        ("object", "node/node-2 InternalIP 192.168.0.2"),
        |packet| in_tunnel(packet, "192.168.0.2"),
    )
    .step(Stage::Egress, "eth0", "out to the underlay", ("link", "eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500"))
    .at(NODE_2, "host")
    .step(Stage::Ingress, "eth0", "in from the underlay", ("link", "eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500"))
    .change(
        Stage::Tunnel,
        "flannel.1",
        "VNI 1 is flannel.1's",
        ("link", "flannel.1: vxlan id 1 local 192.168.0.2 dev eth0 dstport 8472 nolearning"),
        |packet| packet.encap.as_ref().map_or_else(|| packet.clone(), |encap| encap.frame.packet.clone()),
    )
}

/// From the client to a server whose FDB entry is missing.
pub fn blocked_at_tunnel() -> Vec<Step> {
    let steps = from_client(syn("10.244.2.2"))
        .step(
            Stage::Routing,
            "flannel.1",
            "10.244.2.0/24 by way of 10.244.2.0",
            ("route", "10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink"),
        )
        .step(
            Stage::Forward,
            "",
            "accepted",
            ("iptables", "-A FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment \"flanneld forward\" -j ACCEPT"),
        )
        .step(
            Stage::Neighbour,
            "flannel.1",
            "10.244.2.0 is at 5e:0a:00:00:02:01",
            ("neighbour", "10.244.2.0 dev flannel.1 lladdr 5e:0a:00:00:02:01 PERMANENT"),
        )
        .block(
            Stage::Tunnel,
            "flannel.1",
            "no forwarding entry for 5e:0a:00:00:02:01: dropped",
            ("fdb", "5e:0a:00:00:02:01 dev flannel.1 dst 192.168.0.2   (missing)"),
        );
    to_server(over_tunnel_again(steps), "pod/default/server").done()
}
