//! Nexthop objects (`ip nexthop`), which routes may refer to by number. `netlink-packet-route` does not know them:
//! `include/uapi/linux/nexthop.h`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netlink_packet_core::DecodeError;
use rustix::io::Errno;
use skoop_model::{IfIndex, NextHop};

use super::netlink::{Netlink, NetlinkError, attributes, incomplete, number};

const RTM_NEWNEXTHOP: u16 = 104;
const RTM_GETNEXTHOP: u16 = 106;
/// Length of `struct nhmsg`.
const HEADER: usize = 8;
const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_BLACKHOLE: u16 = 4;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;
const NHA_ENCAP_TYPE: u16 = 7;
/// Length of `struct nexthop_grp`.
const MEMBER_BYTES: usize = 8;

pub(super) const RTNH_F_DEAD: u32 = 1;
pub(super) const RTNH_F_ONLINK: u32 = 4;
pub(super) const RTNH_F_LINKDOWN: u32 = 16;

/// All nexthop objects of a namespace, by number.
#[derive(Debug, Default)]
pub(super) struct NextHops(BTreeMap<u32, Object>);

#[derive(Debug, PartialEq)]
struct Object {
    id: u32,
    way: Way,
    encap: bool,
}

#[derive(Debug, PartialEq)]
enum Way {
    Blackhole,
    Hop(NextHop),
    /// Members by number, with their weights.
    Group(Vec<(u32, u32)>),
}

/// What a route that refers to a nexthop object does.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Resolved {
    pub(super) hops: Vec<NextHop>,
    pub(super) blackhole: bool,
    pub(super) encap: bool,
}

impl NextHops {
    /// Dumps the objects. A kernel older than 5.3 has none.
    pub(super) fn read(netlink: &mut Netlink) -> Result<Self, NetlinkError> {
        let dumped = netlink.dump("dump nexthops", RTM_GETNEXTHOP, &[0; HEADER], |kind, payload| {
            if kind == RTM_NEWNEXTHOP { parse(payload).map(Some) } else { Ok(None) }
        });
        match dumped {
            Err(error) if error.is(Errno::OPNOTSUPP) => Ok(Self::default()),
            dumped => Ok(Self(dumped?.into_iter().map(|object| (object.id, object)).collect())),
        }
    }

    /// What object `id` stands for; none if it is not there.
    pub(super) fn resolve(&self, id: u32) -> Option<Resolved> {
        let object = self.0.get(&id)?;
        let mut resolved = Resolved::default();
        match &object.way {
            Way::Group(members) => {
                // Groups hold no groups (`nh_check_attr_group`).
                for (member, weight) in members {
                    resolved.add(self.0.get(member)?, *weight);
                }
            }
            _ => resolved.add(object, 1),
        }
        Some(resolved)
    }
}

impl Resolved {
    fn add(&mut self, object: &Object, weight: u32) {
        self.encap |= object.encap;
        match &object.way {
            Way::Blackhole => self.blackhole = true,
            Way::Hop(hop) => self.hops.push(NextHop { weight, ..hop.clone() }),
            Way::Group(_) => {}
        }
    }
}

fn parse(payload: &[u8]) -> Result<Object, DecodeError> {
    let flags = payload.get(4..8).and_then(number).ok_or_else(|| incomplete("a cut nexthop"))?;
    let (mut id, mut blackhole, mut encap, mut group) = (None, false, false, None);
    let (mut link, mut gateway) = (None, None);
    for (kind, value) in attributes(payload, HEADER) {
        match kind {
            NHA_ID => id = number(value),
            NHA_GROUP => group = Some(members(value)),
            NHA_BLACKHOLE => blackhole = true,
            NHA_OIF => link = number(value).map(IfIndex),
            NHA_GATEWAY => gateway = address(value),
            NHA_ENCAP_TYPE => encap = true,
            _ => {}
        }
    }
    let way = match group {
        Some(members) => Way::Group(members),
        None if blackhole => Way::Blackhole,
        None => Way::Hop(NextHop {
            gateway,
            link,
            weight: 1,
            onlink: flags & RTNH_F_ONLINK != 0,
            dead: flags & RTNH_F_DEAD != 0,
            linkdown: flags & RTNH_F_LINKDOWN != 0,
        }),
    };
    Ok(Object { id: id.ok_or_else(|| incomplete("a nexthop without a number"))?, way, encap })
}

fn members(value: &[u8]) -> Vec<(u32, u32)> {
    value
        .chunks_exact(MEMBER_BYTES)
        .filter_map(|member| match member {
            // The weight is stored less one; its high byte came with Linux 6.13 and was zero before.
            [_, _, _, _, low, high, ..] => Some((number(member)?, u32::from(u16::from_le_bytes([*low, *high])) + 1)),
            _ => None,
        })
        .collect()
}

/// An address of either family by its length.
pub(super) fn address(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::local::netlink::attribute;

    fn object(id: u32, rest: &[Vec<u8>]) -> Object {
        let payload = [vec![0; HEADER], attribute(NHA_ID, &id.to_ne_bytes()), rest.concat()].concat();
        parse(&payload).expect("valid")
    }

    #[test]
    fn a_group_resolves_to_its_members_with_their_weights() {
        let member = |id: u32, less_one: u8| [id.to_ne_bytes().as_slice(), &[less_one, 0, 0, 0]].concat();
        let objects = [
            object(1, &[attribute(NHA_OIF, &7u32.to_ne_bytes()), attribute(NHA_GATEWAY, &[10, 0, 0, 1])]),
            object(2, &[attribute(NHA_OIF, &8u32.to_ne_bytes())]),
            object(3, &[attribute(NHA_BLACKHOLE, &[])]),
            object(10, &[attribute(NHA_GROUP, &[member(1, 0), member(2, 4)].concat())]),
            object(11, &[attribute(NHA_GROUP, &member(99, 0))]),
        ];
        let nexthops = NextHops(objects.into_iter().map(|object| (object.id, object)).collect());
        let group = nexthops.resolve(10).expect("a group");
        let seen: Vec<_> = group.hops.iter().map(|hop| (hop.link, hop.weight)).collect();
        assert_eq!(seen, [(Some(IfIndex(7)), 1), (Some(IfIndex(8)), 5)]);
        assert!(nexthops.resolve(3).is_some_and(|resolved| resolved.blackhole && resolved.hops.is_empty()));
        assert_eq!(nexthops.resolve(11), None, "a member is missing");
        assert_eq!(nexthops.resolve(4), None);
    }

    proptest! {
        #[test]
        fn any_payload_is_a_nexthop_or_an_error(payload: Vec<u8>) {
            let _ = parse(&payload);
        }
    }
}
