//! What a step did to the packet's headers, in words.

use std::net::IpAddr;

use skoop_model::{Packet, Port, Step};

/// One change of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// What kind it is.
    pub(crate) kind: ChangeKind,
    /// For people: `10.96.0.10:80 → 10.244.2.2:8080`.
    pub(crate) text: String,
}

/// Kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    /// Destination rewritten.
    Dnat,
    /// Source rewritten.
    Snat,
    /// Put into a tunnel packet.
    Encap,
    /// Taken out of one.
    Decap,
    /// Mark set.
    Mark,
    /// TTL, TOS and the like: of interest to few.
    Minor,
}

impl ChangeKind {
    /// The word in front of the change.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Dnat => "DNAT",
            Self::Snat => "SNAT",
            Self::Encap => "encap",
            Self::Decap => "decap",
            Self::Mark => "mark",
            Self::Minor => "set",
        }
    }
}

/// The changes that a step made, in the order of the headers; empty if it made none or the packet ended.
pub(crate) fn changes(step: &Step) -> Vec<Change> {
    match &step.after {
        Some(after) if *after != step.before => between(&step.before, after),
        _ => Vec::new(),
    }
}

fn between(before: &Packet, after: &Packet) -> Vec<Change> {
    if let Some(encap) = after.encap.as_ref().filter(|_| before.encap.is_none()) {
        let text = format!("VXLAN vni {}: {}", encap.vni, flow(after));
        return vec![Change { kind: ChangeKind::Encap, text }];
    }
    if let Some(encap) = before.encap.as_ref().filter(|_| after.encap.is_none()) {
        let text = format!("VXLAN vni {}: {}", encap.vni, flow(after));
        return vec![Change { kind: ChangeKind::Decap, text }];
    }
    let mut changes = Vec::new();
    let mut push = |kind, text| changes.push(Change { kind, text });
    if (before.dst, before.dport()) != (after.dst, after.dport()) {
        let text = rewritten((before.dst, before.dport()), (after.dst, after.dport()));
        push(ChangeKind::Dnat, text);
    }
    if (before.src, before.sport()) != (after.src, after.sport()) {
        let text = rewritten((before.src, before.sport()), (after.src, after.sport()));
        push(ChangeKind::Snat, text);
    }
    if before.mark != after.mark {
        push(ChangeKind::Mark, format!("{} → {}", before.mark, after.mark));
    }
    if before.ttl != after.ttl {
        push(ChangeKind::Minor, format!("ttl {} → {}", before.ttl, after.ttl));
    }
    if before.tos != after.tos {
        push(ChangeKind::Minor, format!("tos {:#04x} → {:#04x}", before.tos, after.tos));
    }
    if before.dont_fragment != after.dont_fragment {
        push(ChangeKind::Minor, format!("DF {}", if after.dont_fragment { "set" } else { "cleared" }));
    }
    if before.length_bytes != after.length_bytes {
        push(ChangeKind::Minor, format!("length {} → {} bytes", before.length_bytes, after.length_bytes));
    }
    changes
}

fn rewritten(before: (IpAddr, Option<Port>), after: (IpAddr, Option<Port>)) -> String {
    format!("{} → {}", endpoint(before.0, before.1), endpoint(after.0, after.1))
}

/// A packet as `10.244.1.2:40000 → 10.244.2.2:80`, without what a tunnel carries.
pub(crate) fn flow(packet: &Packet) -> String {
    format!("{} → {}", endpoint(packet.src, packet.sport()), endpoint(packet.dst, packet.dport()))
}

/// An address with its port: `10.0.0.1:80`, `[fd00::1]:80`, `10.0.0.1`.
pub(crate) fn endpoint(address: IpAddr, port: Option<Port>) -> String {
    match (address, port) {
        (address, None) => address.to_string(),
        (address, Some(port)) => std::net::SocketAddr::new(address, port.0).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use skoop_model::{Encap, Frame, MacAddr, Mark, Protocol, Transport, Vni};

    use super::*;

    fn syn() -> Packet {
        Packet::tcp_syn(IpAddr::from([10, 244, 1, 2]), Port(40_000), IpAddr::from([10, 96, 0, 10]), Port(80))
    }

    fn texts(before: &Packet, after: &Packet) -> Vec<String> {
        between(before, after).into_iter().map(|change| format!("{} {}", change.kind.label(), change.text)).collect()
    }

    #[test]
    fn rewritten_headers_are_named() {
        let mut after = syn();
        after.dst = IpAddr::from([10, 244, 2, 2]);
        after.set_dport(Port(8080));
        after.mark = Mark(0x4000);
        after.ttl = 63;
        assert_eq!(
            texts(&syn(), &after),
            ["DNAT 10.96.0.10:80 → 10.244.2.2:8080", "mark 0x0 → 0x4000", "set ttl 64 → 63"]
        );
    }

    #[test]
    fn tunnels_show_the_packet_that_goes_on() {
        let frame = Frame { src_mac: MacAddr::ZERO, dst_mac: MacAddr::ZERO, packet: syn() };
        let mut outer = Packet::new(
            IpAddr::from([192, 168, 0, 1]),
            IpAddr::from([192, 168, 0, 2]),
            Protocol::UDP,
            Transport::Udp { sport: Port(1), dport: Port(8472) },
            110,
        );
        outer.encap = Some(Box::new(Encap { vni: Vni(1), frame }));
        assert_eq!(texts(&syn(), &outer), ["encap VXLAN vni 1: 192.168.0.1:1 → 192.168.0.2:8472"]);
        assert_eq!(texts(&outer, &syn()), ["decap VXLAN vni 1: 10.244.1.2:40000 → 10.96.0.10:80"]);
    }
}
