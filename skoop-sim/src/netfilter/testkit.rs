//! What the tests of netfilter share: a namespace made of rule text, and packets walked through it.

use std::net::IpAddr;

use skoop_model::{
    Family, IfIndex, Item, Link, LinkKind, NetfilterDumps, OperState, Packet, Port, Protocol, RouteKind, TcpFlags,
    Transport,
};

use super::{Hook, HookPoint, HookResult, Netfilter, NetfilterEnv};
use crate::{Conntrack, Forks, PacketState, Tri, explore};

/// Addresses that are "local" to the namespace.
const LOCAL: [&str; 2] = ["192.168.0.1", "fd00::1"];
/// What MASQUERADE takes.
pub(crate) const MASQUERADE: &str = "192.168.0.1";

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Env {
    pub no_address: bool,
    /// Whether a transparent socket takes what TPROXY hands over.
    pub transparent: Option<Tri>,
}

impl NetfilterEnv for Env {
    fn address_kind(&self, address: IpAddr, _device: Option<IfIndex>) -> Option<RouteKind> {
        let text = address.to_string();
        Some(match address {
            IpAddr::V4(v4) if v4.is_broadcast() || text.ends_with(".255") => RouteKind::Broadcast,
            other if other.is_multicast() => RouteKind::Multicast,
            _ if LOCAL.contains(&text.as_str()) => RouteKind::Local,
            _ => RouteKind::Unicast,
        })
    }

    fn masquerade_address(&self, _out: IfIndex, packet: &Packet) -> Option<IpAddr> {
        let text = if packet.family() == Family::V4 { MASQUERADE } else { "fd00::1" };
        (!self.no_address).then(|| ip(text))
    }

    fn sysctl(&self, _path: &str) -> Option<i64> {
        None
    }

    fn transparent_socket(&self, _packet: &Packet, _device: IfIndex, _address: IpAddr, _port: Port) -> Tri {
        self.transparent.unwrap_or(Tri::Maybe)
    }

    fn primary_address(&self, _device: IfIndex, family: Family) -> Option<IpAddr> {
        Some(ip(if family == Family::V4 { "192.168.0.1" } else { "fd00::1" }))
    }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(crate) fn link(index: u32, name: &str) -> Link {
    Link {
        index: IfIndex(index),
        name: name.to_owned(),
        mac: None,
        mtu_bytes: 1500,
        up: true,
        lower_up: true,
        loopback: false,
        no_arp: false,
        point_to_point: false,
        promiscuous: false,
        oper_state: OperState::Up,
        kind: LinkKind::Physical,
        controller: None,
        bridge_port: None,
        group: index,
        hooks: Vec::new(),
    }
}

/// Dumps that were taken and are empty.
pub(crate) fn no_rules() -> NetfilterDumps {
    let empty = || Item::known(0, String::new());
    NetfilterDumps {
        legacy_v4: empty(),
        legacy_v6: empty(),
        nft_v4: empty(),
        nft_v6: empty(),
        nft_json: empty(),
        ipset: empty(),
        ..NetfilterDumps::not_collected()
    }
}

/// A table with all built-in chains, policy ACCEPT, and these lines.
pub(crate) fn table(name: &str, lines: &[&str]) -> String {
    let kind = super::table::TableKind::from_name(name).expect("a table");
    let mut text = format!("*{name}\n");
    for hook in kind.hooks() {
        text.extend([":", hook.chain(), " ACCEPT [0:0]\n"]);
    }
    let (chains, rules): (Vec<&str>, Vec<&str>) = lines.iter().copied().partition(|line| line.starts_with(':'));
    for line in chains.into_iter().chain(rules) {
        text += line;
        text.push('\n');
    }
    text + "COMMIT\n"
}

/// Rules of iptables-nft for IPv4.
pub(crate) fn nft_v4(text: String) -> Netfilter {
    Netfilter::compile(&NetfilterDumps { nft_v4: Item::known(0, text), ..no_rules() })
}

pub(crate) fn tcp(src: &str, sport: u16, dst: &str, dport: u16, flags: u8) -> Packet {
    let transport = Transport::Tcp { sport: Port(sport), dport: Port(dport), flags: TcpFlags(flags) };
    Packet::new(ip(src), ip(dst), Protocol::TCP, transport, 60)
}

pub(crate) fn syn(src: &str, sport: u16, dst: &str, dport: u16) -> Packet {
    tcp(src, sport, dst, dport, TcpFlags::SYN.0)
}

pub(crate) fn udp(src: &str, sport: u16, dst: &str, dport: u16) -> Packet {
    Packet::udp(ip(src), Port(sport), ip(dst), Port(dport), 100)
}

pub(crate) fn icmp(src: &str, dst: &str, kind: u8, code: u8) -> Packet {
    let (src, dst) = (ip(src), ip(dst));
    Packet::new(src, dst, Protocol::icmp(Family::of(dst)), Transport::Icmp { kind, code, id: 7 }, 84)
}

/// Walks packets through the hooks of one namespace: in by `eth0`, out by `eth1`, with `port0` and `port1` behind them if bridged.
pub(crate) struct Walk {
    pub netfilter: Netfilter,
    pub conntrack: Conntrack,
    pub state: PacketState,
    pub env: Env,
    pub bridged: bool,
    links: [Link; 4],
}

impl Walk {
    pub(crate) fn new(netfilter: Netfilter) -> Self {
        Self {
            netfilter,
            conntrack: Conntrack::default(),
            state: PacketState::default(),
            env: Env::default(),
            bridged: false,
            links: [link(1, "eth0"), link(2, "eth1"), link(3, "port0"), link(4, "port1")],
        }
    }

    pub(crate) fn hook(&mut self, hook: Hook, packet: &mut Packet, forks: &mut Forks) -> HookResult {
        let [eth0, eth1, port0, port1] = &self.links;
        let comes = matches!(hook, Hook::Prerouting | Hook::Input | Hook::Forward);
        let leaves = matches!(hook, Hook::Forward | Hook::Output | Hook::Postrouting);
        let at = HookPoint {
            hook,
            in_device: comes.then_some(eth0),
            out_device: leaves.then_some(eth1),
            in_port: self.bridged.then_some(port0),
            out_port: (self.bridged && leaves).then_some(port1),
        };
        self.netfilter.run(&at, packet, &mut self.state, &mut self.conntrack, &self.env, forks)
    }

    /// Passes some hooks with a fresh packet state. The results come together.
    pub(crate) fn hooks(&mut self, hooks: &[Hook], packet: &mut Packet, forks: &mut Forks) -> HookResult {
        self.state = PacketState::default();
        let mut all = HookResult::default();
        for hook in hooks {
            let result = self.hook(*hook, packet, forks);
            all.blockers.extend(result.blockers);
            all.events.extend(result.events);
            all.reroute |= result.reroute;
            all.tproxy = all.tproxy.or(result.tproxy);
        }
        all
    }

    pub(crate) fn forward(&mut self, packet: &mut Packet) -> HookResult {
        self.hooks(&FORWARDED, packet, &mut Forks::first())
    }
}

pub(crate) const FORWARDED: [Hook; 3] = [Hook::Prerouting, Hook::Forward, Hook::Postrouting];
pub(crate) const DELIVERED: [Hook; 2] = [Hook::Prerouting, Hook::Input];
pub(crate) const SENT: [Hook; 2] = [Hook::Output, Hook::Postrouting];

/// Whether `-A FORWARD {matches} -j DROP` stops the packet: "maybe" if the way forks and only some ways are stopped.
pub(crate) fn stops(netfilter: &Netfilter, packet: &Packet, hooks: &[Hook]) -> Tri {
    let (ways, _) = explore(64, |forks| {
        let mut walk = Walk::new(netfilter.clone());
        !walk.hooks(hooks, &mut packet.clone(), forks).blockers.is_empty()
    });
    match (ways.iter().any(|way| way.value), ways.iter().all(|way| way.value)) {
        (_, true) => Tri::Yes,
        (false, _) => Tri::No,
        _ => Tri::Maybe,
    }
}
