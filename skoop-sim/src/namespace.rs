//! One namespace, compiled for walking.

use crate::mutation::{Mutation, is};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

use skoop_model::{
    Backend, Family, FdbEntry, IfIndex, Link, LinkKind, MacAddr, NamespaceSnapshot, Neighbour, Packet, Port, Protocol,
    Route, RouteKind, Sysctls, TcpFlags, Transport,
};

use crate::hash::{ByNumber, FastMap};
use crate::{
    Conntrack, Fib, Flow, Forks, KnownFlows, Lookup, Netfilter, NetfilterEnv, PatchError, Receiver, ReversePath, Tri,
    receiver,
};

/// A namespace with its lookup structures. Built once for a snapshot, then walked any number of times.
#[derive(Debug)]
pub struct Namespace {
    snapshot: NamespaceSnapshot,
    fib: Fib,
    netfilter: Netfilter,
    /// Places of devices in the snapshot.
    links: ByNumber,
    /// Of each device, in the order of the snapshot.
    switches: Vec<Switches>,
    /// How traces tell of each device, likewise.
    link_texts: Vec<Box<str>>,
    /// Places of neighbour entries, the first one of each device and address.
    neighbours: FastMap<(IfIndex, IpAddr), usize>,
    /// Places of forwarding entries by MAC address, in the order of the snapshot.
    fdb: FastMap<MacAddr, Vec<usize>>,
    /// Flows of the connection table, once a walk asked for them.
    flows: OnceLock<KnownFlows>,
}

/// What a device may do, by its sysctls.
#[derive(Debug, Clone, Copy)]
struct Switches {
    forwards_v4: Option<bool>,
    forwards_v6: Option<bool>,
    ipv6_disabled: bool,
}

impl Namespace {
    /// Compiles a snapshot.
    pub fn new(snapshot: NamespaceSnapshot) -> Self {
        let fib = Fib::new(&snapshot);
        let netfilter = Netfilter::compile(&snapshot.netfilter);
        let indexes: Vec<u32> = snapshot.links.elements().iter().map(|link| link.index.0).collect();
        let links = ByNumber::new(&indexes);
        let mut neighbours = FastMap::default();
        let entries = snapshot.neighbours.elements().iter().enumerate();
        for (position, entry) in entries.filter(|(_, entry)| !entry.proxy) {
            neighbours.entry((entry.link, entry.address)).or_insert(position);
        }
        let mut fdb: FastMap<MacAddr, Vec<usize>> = FastMap::default();
        for (position, entry) in snapshot.fdb.elements().iter().enumerate() {
            fdb.entry(entry.mac).or_default().push(position);
        }
        let sysctls = snapshot.sysctls.value();
        let on = |path: &str| sysctls?.number(path).map(|value| value != 0);
        let device = |family, name: &str, setting: &str| on(&Sysctls::device_path(family, name, setting));
        let forwards_v6 = device(Family::V6, "all", "forwarding");
        let switches = |link: &Link| Switches {
            forwards_v4: device(Family::V4, &link.name, "forwarding"),
            forwards_v6: device(Family::V6, &link.name, "force_forwarding").filter(|on| *on).or(forwards_v6),
            ipv6_disabled: device(Family::V6, &link.name, "disable_ipv6") == Some(true),
        };
        let switches = snapshot.links.elements().iter().map(switches).collect();
        let link_texts = snapshot.links.elements().iter().map(|link| link_text(link).into()).collect();
        Self { snapshot, fib, netfilter, links, switches, link_texts, neighbours, fdb, flows: OnceLock::new() }
    }

    /// The state that it was built from.
    pub fn snapshot(&self) -> &NamespaceSnapshot {
        &self.snapshot
    }

    /// Connection tracking for one question, over the entries of the snapshot; `place` is what people call the namespace.
    pub fn conntrack(&self, place: &str) -> Conntrack {
        let conntrack = Conntrack::of(place);
        match self.snapshot.conntrack.value() {
            Some(table) => conntrack.over(self.flows.get_or_init(|| KnownFlows::new(table))),
            None => conntrack,
        }
    }

    /// Routing.
    pub fn fib(&self) -> &Fib {
        &self.fib
    }

    /// Netfilter.
    pub fn netfilter(&self) -> &Netfilter {
        &self.netfilter
    }

    /// Changes rules of iptables as [`Netfilter::patch`] does. The snapshot keeps the dumps that it had.
    pub fn patch_rules(&mut self, backend: Backend, family: Family, changes: &str) -> Result<(), PatchError> {
        self.netfilter.patch(backend, family, changes)
    }

    /// The device with this index.
    pub fn link(&self, index: IfIndex) -> Option<&Link> {
        self.snapshot.links.elements().get(self.links.place(index.0)?)
    }

    /// How traces tell of a device of the snapshot.
    pub(crate) fn link_text(&self, link: &Link) -> Option<&str> {
        self.link_texts.get(self.links.place(link.index.0)?).map(AsRef::as_ref)
    }

    /// The entry for a neighbour, proxy entries apart.
    pub fn neighbour(&self, link: IfIndex, address: IpAddr) -> Option<&Neighbour> {
        self.snapshot.neighbours.elements().get(*self.neighbours.get(&(link, address))?)
    }

    /// Forwarding entries for a MAC address, of all bridges and tunnels.
    pub fn fdb_entries(&self, mac: MacAddr) -> impl Iterator<Item = &FdbEntry> {
        let entries = self.snapshot.fdb.elements();
        self.fdb.get(&mac).into_iter().flatten().filter_map(|position| entries.get(*position))
    }

    /// Name of a device, or `ifN` for one that is not in the snapshot.
    pub fn device_name(&self, index: IfIndex) -> String {
        self.link(index).map_or_else(|| format!("if{index}"), |link| link.name.clone())
    }

    /// Number of a sysctl, if it was collected.
    pub fn sysctl(&self, path: &str) -> Option<i64> {
        self.snapshot.sysctls.value()?.number(path)
    }

    /// Whether a sysctl that is missing is one that the kernel does not have: some were seen that nobody picks out by hand.
    pub(crate) fn has_all_sysctls(&self) -> bool {
        self.sysctl("net/ipv4/conf/default/arp_ignore").is_some()
    }

    /// Whether an address is one of the namespace's own, and on which device.
    pub fn device_of_address(&self, address: IpAddr) -> Option<IfIndex> {
        let addresses = self.snapshot.addresses.elements();
        addresses.iter().find(|entry| entry.ip() == address).map(|entry| entry.link)
    }

    /// Devices that are ports of the bridge.
    pub fn bridge_ports(&self, bridge: IfIndex) -> impl Iterator<Item = &Link> {
        self.snapshot.links.elements().iter().filter(move |link| link.controller == Some(bridge))
    }

    /// The bridge that a device is a port of.
    pub fn bridge_of(&self, link: &Link) -> Option<&Link> {
        self.link(link.controller?).filter(|controller| matches!(controller.kind, LinkKind::Bridge(_)))
    }

    /// The route that a packet of this host's own to `destination` takes, with the first next hop of several.
    pub fn route_to(&self, destination: IpAddr) -> Option<&Route> {
        let probe = Packet::new(unspecified(destination), destination, Protocol::TCP, Transport::Other, 0);
        match self.fib.lookup(&Flow::of(&probe), &mut Forks::first()) {
            Lookup::Found(found) => Some(found.route),
            _ => None,
        }
    }

    /// Whether packets that come in by `link` may be forwarded. None: the sysctl was not collected.
    ///
    /// IPv4: `IN_DEV_FORWARD` (`include/linux/inetdevice.h`), the device's own value. IPv6: `conf.all.forwarding`
    /// decides, and since Linux 6.17 the device's own `force_forwarding` (`ip6_forward`, `net/ipv6/ip6_output.c`).
    pub(crate) fn forwards(&self, family: Family, link: &Link) -> Option<bool> {
        let switches = self.switches_of(link)?;
        match family {
            Family::V4 => switches.forwards_v4,
            Family::V6 => switches.forwards_v6,
        }
    }

    /// Whether `disable_ipv6` is set for a device.
    pub(crate) fn ipv6_disabled(&self, link: &Link) -> bool {
        self.switches_of(link).is_some_and(|switches| switches.ipv6_disabled)
    }

    fn switches_of(&self, link: &Link) -> Option<&Switches> {
        self.switches.get(self.links.place(link.index.0)?)
    }

    /// As `forwards`, with the sysctl that says so, for a device by its name.
    pub fn forwarding(&self, family: Family, device: &str) -> Option<(bool, String)> {
        let of = |device: &str, name: &str| Sysctls::device_path(family, device, name);
        let path = match family {
            Family::V4 => of(device, "forwarding"),
            Family::V6 => {
                let forced = of(device, "force_forwarding");
                if self.sysctl(&forced).is_some_and(|value| value != 0) {
                    return Some((true, forced));
                }
                of("all", "forwarding")
            }
        };
        Some((self.sysctl(&path)? != 0, path))
    }
}

/// A device as `ip link` tells of it.
pub(crate) fn link_text(link: &Link) -> String {
    let mut flags = String::new();
    for (set, word) in [(link.up, "UP"), (link.lower_up, "LOWER_UP"), (link.up && !link.lower_up, "NO-CARRIER")] {
        if set {
            flags += if flags.is_empty() { "" } else { "," };
            flags += word;
        }
    }
    let state = if link.up { "up" } else { "down" };
    format!("{}: {} <{flags}> mtu {} {} {state}", link.index, link.name, link.mtu_bytes, link.kind.name())
}

fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

impl NetfilterEnv for Namespace {
    fn address_kind(&self, address: IpAddr, device: Option<IfIndex>) -> Option<RouteKind> {
        self.snapshot.routes.get().ok()?;
        Some(self.fib.address_kind(address, device))
    }

    fn masquerade_address(&self, out: IfIndex, packet: &Packet) -> Option<IpAddr> {
        let out = if is(Mutation::MasqueradeElsewhere) { IfIndex(2) } else { out };
        self.fib.masquerade_address(out, packet)
    }

    fn routes(&self, packet: &Packet, uid: Option<u32>) -> bool {
        let flow = Flow { uid, ..Flow::of(packet) };
        !matches!(self.fib.lookup(&flow, &mut Forks::first()), Lookup::Refused { .. } | Lookup::NoRoute { .. })
    }

    fn sysctl(&self, path: &str) -> Option<i64> {
        Self::sysctl(self, path)
    }

    fn fib_device(&self, flow: &Flow, device: Option<IfIndex>) -> Option<Option<&Link>> {
        // The device is asked for only where the address is of a link (`nft_fib6_flowi_init`). Else it is looked at afterwards: IPv4
        // wants a next hop that uses it (`fib_info_nh_uses_dev`).
        let link_local = matches!(flow.dst, IpAddr::V6(dst) if dst.is_unicast_link_local());
        let oif = device.filter(|_| link_local);
        let found = match self.fib.lookup(&Flow { oif, any_device: !link_local, ..flow.clone() }, &mut Forks::first()) {
            Lookup::Unknown(_) => return None,
            Lookup::Refused { .. } | Lookup::NoRoute { .. } => return Some(None),
            Lookup::Found(found) if found.kind() != RouteKind::Unicast => return Some(None),
            Lookup::Found(found) => found,
        };
        let uses = |device: IfIndex| found.route.nexthops.iter().any(|hop| hop.link == Some(device));
        let leaves_by = match device {
            Some(device) => Some(device).filter(|device| uses(*device)),
            None => found.device(),
        };
        Some(leaves_by.and_then(|device| self.link(device)))
    }

    fn reverse_path(&self, packet: &Packet, device: &Link, options: ReversePath) -> Tri {
        self.fib.netfilter_reverse_path(packet, device, options)
    }

    fn socket(&self, packet: &Packet, device: IfIndex) -> Option<Receiver> {
        Some(receiver(&self.snapshot.sockets, packet, device))
    }

    /// Whether a socket is transparent is not collected, nor are connected TCP sockets.
    fn transparent_socket(&self, packet: &Packet, device: IfIndex, address: IpAddr, port: Port) -> Tri {
        let mut towards = Packet { dst: address, ..packet.clone() };
        towards.set_dport(port);
        let begins = packet.tcp_flags().is_none_or(|flags| flags.contains(TcpFlags::SYN));
        match receiver(&self.snapshot.sockets, &towards, device) {
            Receiver::NoListener { .. } if begins => Tri::No,
            _ => Tri::Maybe,
        }
    }

    fn primary_address(&self, device: IfIndex, family: Family) -> Option<IpAddr> {
        let addresses = self.snapshot.addresses.elements().iter();
        let mut own =
            addresses.filter(|entry| entry.link == device && Family::of(entry.ip()) == family && !entry.secondary);
        own.next().map(skoop_model::Address::ip)
    }
}
