//! Devices, with what their kinds, bridge ports and attached programs say.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netlink_packet_core::{DecodeError, Parseable};
use netlink_packet_route::link::{
    BridgePortState, BridgeStpState, InfoBridge, InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoVxlan,
    LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage, LinkXdp, State, VxlanDf, XdpAttached,
};
use rustix::io::Errno;
use skoop_model::{
    BridgeConfig, BridgePort, IfIndex, Link, LinkKind, MacAddr, NetnsId, OperState, OuterDf, Port, PortState, VethPeer,
    Vni, VxlanConfig,
};

use super::netlink::{Netlink, NetlinkError, attributes, emit, incomplete, number, readable, retain, text};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWQDISC: u16 = 36;
const RTM_GETQDISC: u16 = 38;
const RTM_NEWTFILTER: u16 = 44;
const RTM_GETTFILTER: u16 = 46;
/// Length of `struct ifinfomsg`.
const LINK_HEADER: usize = 16;
/// Length of `struct tcmsg`.
const QDISC_HEADER: usize = 20;
/// Offset of `tcm_parent` in it.
const TCM_PARENT: usize = 12;
/// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)` and `TC_H_MIN_EGRESS` (`include/uapi/linux/pkt_sched.h`): the filters on the way in and out.
const FILTER_PARENTS: [u32; 2] = [0xffff_fff2, 0xffff_fff3];
/// `TC_H_INGRESS`: the filters of a plain ingress qdisc.
const INGRESS_PARENT: u32 = 0xffff_0000;

const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
/// `IFLA_ADDRESS`, `MTU`, `LINK`, `MASTER`, `OPERSTATE`, `GROUP`, `LINK_NETNSID`, `XDP`.
const LINK_ATTRIBUTES: [u16; 8] = [1, 4, 5, 10, 16, 27, 37, 43];
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const TCA_KIND: u16 = 1;

/// A device, and the kernel's number for the namespace of its veth peer where that is another one.
#[derive(Debug)]
pub(super) struct LinkRead {
    pub(super) link: Link,
    /// `IFLA_LINK_NETNSID`, in the numbering of the namespace that the device is in.
    pub(super) peer_nsid: Option<i32>,
}

/// The devices of the namespace `here`, by index.
pub(super) fn read(netlink: &mut Netlink, here: NetnsId) -> Result<Vec<LinkRead>, NetlinkError> {
    let mut request = LinkMessage::default();
    request.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let mut links = netlink.dump("dump links", RTM_GETLINK, &emit(&request), |kind, payload| {
        if kind == RTM_NEWLINK { parse(payload, here).map(Some) } else { Ok(None) }
    })?;
    let mut hooks = hooks(netlink)?;
    for read in &mut links {
        read.link.hooks.extend(hooks.remove(&read.link.index).unwrap_or_default());
    }
    links.sort_by_key(|read| read.link.index);
    Ok(links)
}

/// Kinds of the qdiscs that run programs on packets and have any attached, by device.
fn hooks(netlink: &mut Netlink) -> Result<BTreeMap<IfIndex, Vec<String>>, NetlinkError> {
    let dumped = netlink.dump("dump qdiscs", RTM_GETQDISC, &[0; QDISC_HEADER], |kind, payload| {
        let index = payload.get(4..8).and_then(number);
        let name = attributes(payload, QDISC_HEADER).find(|(kind, _)| *kind == TCA_KIND).map(|(_, value)| text(value));
        Ok(index.zip(name).filter(|(_, name)| kind == RTM_NEWQDISC && ["clsact", "ingress"].contains(&name.as_str())))
    });
    let mut hooks = BTreeMap::<IfIndex, Vec<String>>::new();
    match dumped {
        // A kernel without traffic control has no hooks.
        Err(error) if error.is(Errno::OPNOTSUPP) => {}
        dumped => {
            for (index, name) in dumped? {
                let parents: &[u32] = if name == "clsact" { &FILTER_PARENTS } else { &[INGRESS_PARENT] };
                for parent in parents {
                    if has_filter(netlink, index, *parent)? {
                        hooks.entry(IfIndex(index)).or_default().push(name.clone());
                        break;
                    }
                }
            }
        }
    }
    Ok(hooks)
}

/// Whether any filter is attached at a qdisc's `parent` of a device.
fn has_filter(netlink: &mut Netlink, device: u32, parent: u32) -> Result<bool, NetlinkError> {
    let mut request = [0; QDISC_HEADER];
    for (offset, value) in [(4, device), (TCM_PARENT, parent)] {
        if let Some(field) = request.get_mut(offset..offset + 4) {
            field.copy_from_slice(&value.to_ne_bytes());
        }
    }
    let dumped =
        netlink.dump("dump filters", RTM_GETTFILTER, &request, |kind, _| Ok((kind == RTM_NEWTFILTER).then_some(())));
    match dumped {
        // The qdisc went while it was being looked at.
        Err(error) if error.is(Errno::NODEV) || error.is(Errno::INVAL) => Ok(false),
        dumped => Ok(!dumped?.is_empty()),
    }
}

fn parse(payload: &[u8], here: NetnsId) -> Result<LinkRead, DecodeError> {
    let message = LinkMessage::parse(&retain(payload, LINK_HEADER, |kind, value| match kind {
        IFLA_IFNAME => Some(readable(value)),
        IFLA_LINKINFO => Some(link_info(value)),
        _ => LINK_ATTRIBUTES.contains(&kind).then(|| value.to_vec()),
    }))?;
    let flags = message.header.flags;
    let mut link = Link {
        index: IfIndex(message.header.index),
        name: String::new(),
        mac: None,
        mtu_bytes: 0,
        up: flags.contains(LinkFlags::Up),
        lower_up: flags.contains(LinkFlags::LowerUp),
        loopback: flags.contains(LinkFlags::Loopback),
        no_arp: flags.contains(LinkFlags::Noarp),
        point_to_point: flags.contains(LinkFlags::Pointopoint),
        promiscuous: flags.contains(LinkFlags::Promisc),
        oper_state: OperState::Unknown,
        kind: if flags.contains(LinkFlags::Loopback) { LinkKind::Loopback } else { LinkKind::Physical },
        controller: None,
        bridge_port: None,
        group: 0,
        hooks: Vec::new(),
    };
    let (mut peer, mut peer_nsid, mut infos) = (None, None, Vec::new());
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Address(bytes) => link.mac = <[u8; 6]>::try_from(bytes).ok().map(MacAddr),
            LinkAttribute::Mtu(mtu) => link.mtu_bytes = mtu,
            LinkAttribute::Link(index) => peer = Some(IfIndex(index)),
            LinkAttribute::LinkNetNsId(nsid) => peer_nsid = Some(nsid),
            LinkAttribute::Controller(index) => link.controller = Some(IfIndex(index)),
            LinkAttribute::OperState(state) => link.oper_state = oper_state(state),
            LinkAttribute::Group(group) => link.group = group,
            LinkAttribute::LinkInfo(found) => infos = found,
            LinkAttribute::Xdp(xdp) if xdp.iter().any(attached) => link.hooks.push("xdp".to_owned()),
            _ => {}
        }
    }
    if link.name.is_empty() {
        return Err(incomplete("a link without a name"));
    }
    link_kind(&mut link, infos);
    if let LinkKind::Veth { peer: end } = &mut link.kind {
        // Without a namespace id the peer is in the same namespace. A kernel before 4.20 leaves an index out that is the
        // device's own in another namespace; zero is a peer that is going away.
        let peer = peer.or(peer_nsid.map(|_| link.index)).filter(|index| index.0 != 0);
        *end = peer.map(|index| VethPeer { index, netns: peer_nsid.is_none().then_some(here) });
    } else {
        peer_nsid = None;
    }
    Ok(LinkRead { link, peer_nsid })
}

/// `IFLA_LINKINFO` with the data of those kinds only that are read.
fn link_info(value: &[u8]) -> Vec<u8> {
    let named = |wanted, names: &[&str]| {
        attributes(value, 0).any(|(kind, name)| kind == wanted && names.contains(&text(name).as_str()))
    };
    let data = named(IFLA_INFO_KIND, &["bridge", "vxlan"]);
    let port = named(IFLA_INFO_SLAVE_KIND, &["bridge"]);
    retain(value, 0, |kind, value| {
        let keep = match kind {
            IFLA_INFO_KIND | IFLA_INFO_SLAVE_KIND => true,
            IFLA_INFO_DATA => data,
            IFLA_INFO_SLAVE_DATA => port,
            _ => false,
        };
        keep.then(|| value.to_vec())
    })
}

fn link_kind(link: &mut Link, infos: Vec<LinkInfo>) {
    for info in infos {
        match info {
            LinkInfo::Kind(InfoKind::Veth) => link.kind = LinkKind::Veth { peer: None },
            LinkInfo::Kind(InfoKind::Bridge) => link.kind = LinkKind::Bridge(BridgeConfig::default()),
            LinkInfo::Kind(InfoKind::Vxlan) => link.kind = LinkKind::Vxlan(vxlan(Vec::new())),
            LinkInfo::Kind(kind) => link.kind = LinkKind::Other { kind: kind.to_string() },
            LinkInfo::Data(InfoData::Bridge(settings)) => link.kind = LinkKind::Bridge(bridge(settings)),
            LinkInfo::Data(InfoData::Vxlan(settings)) => link.kind = LinkKind::Vxlan(vxlan(settings)),
            LinkInfo::PortData(InfoPortData::BridgePort(settings)) => link.bridge_port = Some(bridge_port(settings)),
            _ => {}
        }
    }
}

fn bridge(settings: Vec<InfoBridge>) -> BridgeConfig {
    let mut config = BridgeConfig::default();
    for setting in settings {
        match setting {
            InfoBridge::VlanFiltering(on) => config.vlan_filtering = on,
            InfoBridge::StpState(state) => config.stp = state != BridgeStpState::Disabled,
            InfoBridge::NfCallIpTables(on) => config.nf_call_iptables = on,
            InfoBridge::NfCallIp6Tables(on) => config.nf_call_ip6tables = on,
            _ => {}
        }
    }
    config
}

fn bridge_port(settings: Vec<InfoBridgePort>) -> BridgePort {
    let mut port = BridgePort {
        state: PortState::Disabled,
        hairpin: false,
        learning: false,
        unicast_flood: false,
        // Older than the attribute (Linux 4.12), a kernel always floods broadcast.
        broadcast_flood: true,
        isolated: false,
        neighbour_suppress: false,
    };
    for setting in settings {
        match setting {
            InfoBridgePort::State(state) => {
                port.state = match state {
                    BridgePortState::Listening => PortState::Listening,
                    BridgePortState::Learning => PortState::Learning,
                    BridgePortState::Forwarding => PortState::Forwarding,
                    BridgePortState::Blocking => PortState::Blocking,
                    _ => PortState::Disabled,
                }
            }
            InfoBridgePort::HairpinMode(on) => port.hairpin = on,
            InfoBridgePort::Learning(on) => port.learning = on,
            InfoBridgePort::UnicastFlood(on) => port.unicast_flood = on,
            InfoBridgePort::BroadcastFlood(on) => port.broadcast_flood = on,
            InfoBridgePort::Isolated(on) => port.isolated = on,
            InfoBridgePort::NeighSupress(on) => port.neighbour_suppress = on,
            _ => {}
        }
    }
    port
}

fn vxlan(settings: Vec<InfoVxlan>) -> VxlanConfig {
    let mut config = VxlanConfig {
        vni: Vni(0),
        port: Port(0),
        local: None,
        remote: None,
        underlay: None,
        learning: false,
        ttl: 0,
        dont_fragment: OuterDf::Unset,
        collect_metadata: false,
    };
    for setting in settings {
        match setting {
            InfoVxlan::Id(vni) => config.vni = Vni(vni),
            InfoVxlan::Port(port) => config.port = Port(port),
            InfoVxlan::Local(address) => config.local = Some(IpAddr::V4(address)),
            InfoVxlan::Local6(address) => config.local = Some(IpAddr::V6(address)),
            InfoVxlan::Group(address) => config.remote = Some(IpAddr::V4(address)),
            InfoVxlan::Group6(address) => config.remote = Some(IpAddr::V6(address)),
            InfoVxlan::Link(index) if index != 0 => config.underlay = Some(IfIndex(index)),
            InfoVxlan::Learning(on) => config.learning = on,
            InfoVxlan::Ttl(ttl) => config.ttl = ttl,
            InfoVxlan::Df(df) => {
                config.dont_fragment = match df {
                    VxlanDf::Set => OuterDf::Set,
                    VxlanDf::Inherit => OuterDf::Inherit,
                    _ => OuterDf::Unset,
                }
            }
            InfoVxlan::CollectMetadata(on) => config.collect_metadata = on,
            _ => {}
        }
    }
    config
}

fn oper_state(state: State) -> OperState {
    match state {
        State::NotPresent => OperState::NotPresent,
        State::Down => OperState::Down,
        State::LowerLayerDown => OperState::LowerLayerDown,
        State::Testing => OperState::Testing,
        State::Dormant => OperState::Dormant,
        State::Up => OperState::Up,
        _ => OperState::Unknown,
    }
}

fn attached(xdp: &LinkXdp) -> bool {
    matches!(xdp, LinkXdp::Attached(mode) if *mode != XdpAttached::None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::local::netlink::attribute;

    const HERE: NetnsId = NetnsId(1);

    fn payload(attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut payload = vec![0; LINK_HEADER];
        payload.extend(attributes.concat());
        payload
    }

    #[test]
    fn a_name_that_is_no_text_is_made_readable() {
        let read = parse(&payload(&[attribute(IFLA_IFNAME, b"a\xffb\0")]), HERE).expect("a link");
        assert_eq!(read.link.name, "a\u{fffd}b");
    }

    #[test]
    fn data_of_unread_kinds_cannot_spoil_the_link() {
        let info = [attribute(IFLA_INFO_KIND, b"macvlan\0"), attribute(IFLA_INFO_DATA, b"\xff\xff\xff")].concat();
        let read =
            parse(&payload(&[attribute(IFLA_IFNAME, b"m\0"), attribute(IFLA_LINKINFO, &info)]), HERE).expect("a link");
        assert_eq!(read.link.kind, LinkKind::Other { kind: "macvlan".to_owned() });
    }

    proptest! {
        #[test]
        fn any_payload_is_a_link_or_an_error(payload: Vec<u8>) {
            let _ = parse(&payload, HERE);
        }
    }
}
