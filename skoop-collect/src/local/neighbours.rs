//! Neighbour tables (ARP, NDP), their proxy entries, and forwarding databases.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netlink_packet_core::{DecodeError, Parseable};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState as State,
};
use skoop_model::{FdbEntry, IfIndex, MacAddr, Neighbour, NeighbourState, Vni};

use super::netlink::{Netlink, NetlinkError, emit, retain};
use super::nexthops::address;

const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
/// Length of `struct ndmsg`.
const HEADER: usize = 12;
/// `NDA_DST`, `LLADDR`, `VLAN`, `PORT`, `VNI`, `IFINDEX`, `MASTER`.
const ATTRIBUTES: [u16; 7] = [1, 2, 5, 6, 7, 8, 9];
const NUD_VALID_BITS: [(u16, NeighbourState); 8] = [
    (0x80, NeighbourState::Permanent),
    (0x40, NeighbourState::NoArp),
    (0x02, NeighbourState::Reachable),
    (0x04, NeighbourState::Stale),
    (0x08, NeighbourState::Delay),
    (0x10, NeighbourState::Probe),
    (0x01, NeighbourState::Incomplete),
    (0x20, NeighbourState::Failed),
];

/// The neighbours of both families, then the proxy entries of both.
pub(super) fn read(netlink: &mut Netlink) -> Result<Vec<Neighbour>, NetlinkError> {
    let mut neighbours = Vec::new();
    for proxy in [false, true] {
        let mut request = NeighbourMessage::default();
        request.header.flags = if proxy { NeighbourFlags::Proxy } else { NeighbourFlags::empty() };
        neighbours.extend(netlink.dump("dump neighbours", RTM_GETNEIGH, &emit(&request), |kind, payload| {
            if kind == RTM_NEWNEIGH && super::is_ip(payload) { neighbour(payload) } else { Ok(None) }
        })?);
    }
    Ok(neighbours)
}

/// The forwarding databases of bridges and of the VXLAN devices `vxlans`. The kernel also lists every device's own multicast
/// and secondary addresses there, which forward nothing; they are left out.
pub(super) fn read_fdb(netlink: &mut Netlink, vxlans: &BTreeSet<IfIndex>) -> Result<Vec<FdbEntry>, NetlinkError> {
    let mut request = NeighbourMessage::default();
    request.header.family = AddressFamily::Bridge;
    netlink.dump("dump forwarding databases", RTM_GETNEIGH, &emit(&request), |kind, payload| {
        if kind != RTM_NEWNEIGH || payload.first() != Some(&u8::from(AddressFamily::Bridge)) {
            return Ok(None);
        }
        Ok(fdb(payload)?.filter(|entry| entry.controller.is_some() || vxlans.contains(&entry.link)))
    })
}

fn message(payload: &[u8]) -> Result<NeighbourMessage, DecodeError> {
    NeighbourMessage::parse(&retain(payload, HEADER, |kind, value| ATTRIBUTES.contains(&kind).then(|| value.to_vec())))
}

fn neighbour(payload: &[u8]) -> Result<Option<Neighbour>, DecodeError> {
    let message = message(payload)?;
    let (mut destination, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(found) => destination = ip(found),
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = mac_of(bytes),
            _ => {}
        }
    }
    Ok(destination.map(|address| Neighbour {
        link: IfIndex(message.header.ifindex),
        address,
        mac,
        state: state(message.header.state),
        proxy: message.header.flags.contains(NeighbourFlags::Proxy),
    }))
}

fn fdb(payload: &[u8]) -> Result<Option<FdbEntry>, DecodeError> {
    let message = message(payload)?;
    let (mut mac, mut vlan, mut controller, mut dst) = (None, None, None, None);
    let (mut vni, mut port, mut via) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(found) => dst = ip(found),
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = mac_of(bytes),
            NeighbourAttribute::Vlan(id) => vlan = Some(*id),
            NeighbourAttribute::Controller(index) => controller = Some(IfIndex(*index)),
            NeighbourAttribute::Vni(id) => vni = Some(Vni(*id)),
            NeighbourAttribute::Port(number) => port = Some(*number),
            NeighbourAttribute::IfIndex(index) => via = Some(IfIndex(*index)),
            _ => {}
        }
    }
    let state = state(message.header.state);
    Ok(mac.map(|mac| FdbEntry {
        link: IfIndex(message.header.ifindex),
        mac,
        vlan,
        controller,
        dst,
        vni,
        port,
        via,
        // `fdb_to_nud` of net/bridge/br_fdb.c: permanent is the bridge's own, noarp is set by hand. A VXLAN device calls
        // permanent what is set by hand.
        local: controller.is_some() && state == NeighbourState::Permanent,
        is_static: state.is_static(),
    }))
}

fn mac_of(bytes: &[u8]) -> Option<MacAddr> {
    <[u8; 6]>::try_from(bytes).ok().map(MacAddr)
}

fn ip(found: &NeighbourAddress) -> Option<IpAddr> {
    match found {
        NeighbourAddress::Inet(address) => Some(IpAddr::V4(*address)),
        NeighbourAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        NeighbourAddress::Other(bytes) => address(bytes),
        _ => None,
    }
}

fn state(state: State) -> NeighbourState {
    let bits = u16::from(state);
    NUD_VALID_BITS.iter().find(|(bit, _)| bits & bit != 0).map_or(NeighbourState::None, |(_, state)| *state)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn combined_states_are_the_strongest() {
        assert_eq!(state(State::from(0x00)), NeighbourState::None);
        assert_eq!(state(State::from(0x04)), NeighbourState::Stale);
        assert_eq!(state(State::from(0xc0)), NeighbourState::Permanent);
    }

    proptest! {
        #[test]
        fn any_payload_is_an_entry_or_an_error(payload: Vec<u8>) {
            let _ = neighbour(&payload);
            let _ = fdb(&payload);
        }
    }
}
