//! Devices of a namespace with the settings that routing reads of them, looked up once and not for every packet.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use skoop_model::{Address, Family, IfIndex, Link, NamespaceSnapshot, Neighbour, NeighbourState, Sysctls};

use crate::hash::{ByNumber, FastMap};

/// Devices, by index.
#[derive(Debug, Clone)]
pub(super) struct Devices {
    /// In the order of the snapshot.
    known: Vec<Device>,
    places: ByNumber,
    /// Settings of a device that is not in the snapshot: those of `all`.
    unknown: Settings,
    /// Own addresses.
    own: HashSet<IpAddr>,
    /// Of neighbour entries, proxy entries apart, the first one of each device and address.
    neighbours: FastMap<(IfIndex, IpAddr), NeighbourState>,
}

#[derive(Debug, Clone)]
struct Device {
    link: Link,
    settings: Settings,
    /// Its IPv4 addresses.
    v4: Vec<Address>,
}

/// Settings of one device, IPv4 but for the last.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Settings {
    /// `IN_DEV_RPFILTER`: the greater one of `all` and the device's own; none if either was not collected.
    pub rp_filter: Option<i64>,
    /// It is the value of `all` that counts.
    pub rp_filter_of_all: bool,
    pub accept_local: bool,
    pub route_localnet: bool,
    pub src_valid_mark: bool,
    pub send_redirects: bool,
    /// `net.ipv6.conf.DEVICE.use_tempaddr` asks for temporary addresses.
    pub prefers_temporary: bool,
}

impl Settings {
    fn of(sysctls: &Sysctls, device: &str) -> Self {
        let number = |device: &str, name: &str| sysctls.device(Family::V4, device, name);
        // `IN_DEV_ORCONF` (`include/linux/inetdevice.h`); not known counts as the default, off.
        let either = |name: &str| ["all", device].iter().any(|device| number(device, name).is_some_and(|on| on != 0));
        let (all, own) = (number("all", "rp_filter"), number(device, "rp_filter"));
        Self {
            rp_filter: all.zip(own).map(|(all, own)| all.max(own)),
            rp_filter_of_all: all.zip(own).is_some_and(|(all, own)| all > own),
            accept_local: either("accept_local"),
            route_localnet: either("route_localnet"),
            src_valid_mark: either("src_valid_mark"),
            // `IN_DEV_TX_REDIRECTS`; on by default.
            send_redirects: number("all", "send_redirects").is_none() || either("send_redirects"),
            prefers_temporary: sysctls.device(Family::V6, device, "use_tempaddr").is_some_and(|value| value >= 2),
        }
    }
}

impl Devices {
    pub(super) fn new(namespace: &NamespaceSnapshot, sysctls: &Sysctls) -> Self {
        let links = namespace.links.elements();
        let addresses = namespace.addresses.elements();
        let mut v4: HashMap<IfIndex, Vec<Address>> = HashMap::new();
        for address in addresses.iter().filter(|address| address.ip().is_ipv4()) {
            v4.entry(address.link).or_default().push(address.clone());
        }
        let device = |link: &Link| Device {
            link: link.clone(),
            settings: Settings::of(sysctls, &link.name),
            v4: v4.remove(&link.index).unwrap_or_default(),
        };
        let indexes: Vec<u32> = links.iter().map(|link| link.index.0).collect();
        let mut neighbours = FastMap::default();
        let entries = namespace.neighbours.elements().iter().filter(|entry| !entry.proxy);
        for Neighbour { link, address, state, .. } in entries {
            neighbours.entry((*link, *address)).or_insert(*state);
        }
        Self {
            known: links.iter().map(device).collect(),
            places: ByNumber::new(&indexes),
            unknown: Settings::of(sysctls, "all"),
            own: addresses.iter().map(Address::ip).collect(),
            neighbours,
        }
    }

    fn device(&self, index: IfIndex) -> Option<&Device> {
        self.known.get(self.places.place(index.0)?)
    }

    pub(super) fn link(&self, index: IfIndex) -> Option<&Link> {
        self.device(index).map(|device| &device.link)
    }

    pub(super) fn settings(&self, index: IfIndex) -> &Settings {
        self.device(index).map_or(&self.unknown, |device| &device.settings)
    }

    /// IPv4 addresses of a device, in the kernel's order.
    pub(super) fn addresses_v4(&self, index: IfIndex) -> &[Address] {
        self.device(index).map_or(&[], |device| &device.v4)
    }

    /// All devices, in the order of the snapshot.
    pub(super) fn indexes(&self) -> impl Iterator<Item = IfIndex> {
        self.known.iter().map(|device| device.link.index)
    }

    /// Whether an address is one of the namespace's own, on any device (`inet_lookup_ifaddr_rcu`).
    pub(super) fn owns(&self, address: IpAddr) -> bool {
        self.own.contains(&address)
    }

    pub(super) fn neighbour_state(&self, link: IfIndex, address: IpAddr) -> Option<NeighbourState> {
        self.neighbours.get(&(link, address)).copied()
    }
}
