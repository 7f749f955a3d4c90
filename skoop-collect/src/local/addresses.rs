//! Addresses of devices.

use ipnet::IpNet;
use netlink_packet_core::{DecodeError, Parseable};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use skoop_model::{Address, AddressScope, IfIndex};

use super::netlink::{Netlink, NetlinkError, emit, incomplete, retain};

const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
/// Length of `struct ifaddrmsg`.
const HEADER: usize = 8;
/// `IFA_ADDRESS`, `IFA_LOCAL`, `IFA_FLAGS`.
const ATTRIBUTES: [u16; 3] = [1, 2, 8];

/// The addresses of all devices, both families, in the kernel's order.
pub(super) fn read(netlink: &mut Netlink) -> Result<Vec<Address>, NetlinkError> {
    netlink.dump("dump addresses", RTM_GETADDR, &emit(&AddressMessage::default()), |kind, payload| {
        if kind == RTM_NEWADDR { parse(payload) } else { Ok(None) }
    })
}

fn parse(payload: &[u8]) -> Result<Option<Address>, DecodeError> {
    if !super::is_ip(payload) {
        return Ok(None);
    }
    let message = AddressMessage::parse(&retain(payload, HEADER, |kind, value| {
        ATTRIBUTES.contains(&kind).then(|| value.to_vec())
    }))?;
    let (mut address, mut local) = (None, None);
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    for attribute in message.attributes {
        match attribute {
            AddressAttribute::Address(ip) => address = Some(ip),
            AddressAttribute::Local(ip) => local = Some(ip),
            AddressAttribute::Flags(all) => flags = all,
            _ => {}
        }
    }
    // `IFA_ADDRESS` is the other end where there is one, and the address itself where there is none (IPv6 then has no `IFA_LOCAL`).
    let ip = local.or(address).ok_or_else(|| incomplete("an address message without an address"))?;
    let net = IpNet::new(ip, message.header.prefix_len).map_err(|_| incomplete("a prefix longer than its address"))?;
    Ok(Some(Address {
        link: IfIndex(message.header.index),
        net,
        peer: address.filter(|peer| *peer != ip),
        scope: AddressScope::from(u8::from(message.header.scope)),
        secondary: flags.contains(AddressFlags::Secondary),
        deprecated: flags.contains(AddressFlags::Deprecated),
        tentative: flags.contains(AddressFlags::Tentative),
        dad_failed: flags.contains(AddressFlags::Dadfailed),
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::local::netlink::attribute;

    #[test]
    fn the_local_address_is_the_devices_and_the_other_is_the_peers() {
        let payload =
            [vec![2, 32, 0, 253, 5, 0, 0, 0], attribute(1, &[10, 0, 0, 2]), attribute(2, &[10, 0, 0, 1])].concat();
        let address = parse(&payload).expect("valid").expect("IPv4");
        assert_eq!(address.net.to_string(), "10.0.0.1/32");
        assert_eq!(address.peer, Some([10, 0, 0, 2].into()));
        assert_eq!((address.link, address.scope), (IfIndex(5), AddressScope::Link));
    }

    proptest! {
        #[test]
        fn any_payload_is_an_address_or_an_error(payload: Vec<u8>) {
            let _ = parse(&payload);
        }
    }
}
