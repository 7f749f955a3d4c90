//! Routing policy rules.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{DecodeError, Nla, Parseable};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::rule::{RuleAction as Action, RuleAttribute, RuleFlags, RuleMessage, RulePortRange};
use rustix::io::Errno;
use skoop_model::{Family, Mark, MarkMask, Port, PortRange, Protocol, RoutingRule, RuleAction, TableId};

use super::netlink::{Netlink, NetlinkError, emit, incomplete, readable, retain};

const RTM_NEWRULE: u16 = 32;
const RTM_GETRULE: u16 = 34;
/// Length of `struct fib_rule_hdr`.
const HEADER: usize = 12;
const FRA_IIFNAME: u16 = 3;
const FRA_OIFNAME: u16 = 17;
const FRA_PAD: u16 = 18;
const FRA_SPORT_MASK: u16 = 28;
const FRA_DPORT_MASK: u16 = 29;
/// Selectors that are not modelled, by `FRA_*` number (`include/uapi/linux/fib_rules.h`).
const NAMES: [(u16, &str); 6] = [
    (25, "dscp"),
    (26, "flowlabel"),
    (27, "flowlabel mask"),
    (FRA_SPORT_MASK, "sport mask"),
    (FRA_DPORT_MASK, "dport mask"),
    (30, "dscp mask"),
];

/// The rules of both families by priority; of equal priority, IPv4 first, then in the kernel's order.
pub(super) fn read(netlink: &mut Netlink) -> Result<Vec<RoutingRule>, NetlinkError> {
    let mut rules = Vec::new();
    for family in Family::ALL {
        rules.extend(read_family(netlink, family)?);
    }
    rules.sort_by_key(|rule: &RoutingRule| rule.priority);
    Ok(rules)
}

fn read_family(netlink: &mut Netlink, family: Family) -> Result<Vec<RoutingRule>, NetlinkError> {
    let mut request = RuleMessage::default();
    request.header.family = match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    let dumped = netlink.dump("dump rules", RTM_GETRULE, &emit(&request), |kind, payload| {
        if kind == RTM_NEWRULE && super::family_of(payload) == Some(family) {
            parse(payload, family).map(Some)
        } else {
            Ok(None)
        }
    });
    match dumped {
        // No policy routing in this kernel, or no such family.
        Err(error) if error.is(Errno::AFNOSUPPORT) || error.is(Errno::OPNOTSUPP) => Ok(Vec::new()),
        dumped => dumped,
    }
}

fn parse(payload: &[u8], family: Family) -> Result<RoutingRule, DecodeError> {
    let message = RuleMessage::parse(&retain(payload, HEADER, |kind, value| match kind {
        FRA_IIFNAME | FRA_OIFNAME => Some(readable(value)),
        FRA_PAD => None,
        // All bits: what a kernel that knows the mask says of a rule without one.
        FRA_SPORT_MASK | FRA_DPORT_MASK if value == [0xff, 0xff] => None,
        _ => Some(value.to_vec()),
    }))?;
    let header = &message.header;
    let mut rule = RoutingRule {
        family,
        priority: 0,
        invert: header.flags.contains(RuleFlags::Invert),
        src: None,
        dst: None,
        iif: None,
        oif: None,
        mark: None,
        tos: Some(header.tos).filter(|tos| *tos != 0),
        protocol: None,
        sports: None,
        dports: None,
        uids: None,
        l3mdev: false,
        suppress_prefix_length: None,
        suppress_group: None,
        unmodelled: Vec::new(),
        action: RuleAction::Nop,
    };
    let (mut table, mut target, mut mark, mut bits) = (u32::from(header.table), 0, None, None);
    for attribute in message.attributes {
        match attribute {
            RuleAttribute::Source(address) => rule.src = Some(prefix(address, header.src_len)?),
            RuleAttribute::Destination(address) => rule.dst = Some(prefix(address, header.dst_len)?),
            RuleAttribute::Table(number) => table = number,
            RuleAttribute::Goto(priority) => target = priority,
            RuleAttribute::FwMark(value) => mark = Some(value),
            RuleAttribute::FwMask(value) => bits = Some(value),
            other => selector(&mut rule, other),
        }
    }
    if mark.is_some() || bits.is_some() {
        rule.mark = Some(MarkMask { value: Mark(mark.unwrap_or(0)), mask: Mark(bits.unwrap_or(u32::MAX)) });
    }
    rule.action = match header.action {
        Action::ToTable => RuleAction::Lookup(TableId(table)),
        Action::Goto => RuleAction::Goto(target),
        Action::Nop => RuleAction::Nop,
        Action::Blackhole => RuleAction::Blackhole,
        Action::Unreachable => RuleAction::Unreachable,
        Action::Prohibit => RuleAction::Prohibit,
        other => RuleAction::Other(other.into()),
    };
    Ok(rule)
}

fn selector(rule: &mut RoutingRule, attribute: RuleAttribute) {
    match attribute {
        RuleAttribute::Priority(priority) => rule.priority = priority,
        RuleAttribute::Iifname(name) => rule.iif = Some(name),
        RuleAttribute::Oifname(name) => rule.oif = Some(name),
        RuleAttribute::IpProtocol(protocol) => rule.protocol = Some(Protocol(protocol.into())),
        RuleAttribute::SourcePortRange(range) => rule.sports = Some(ports(range)),
        RuleAttribute::DestinationPortRange(range) => rule.dports = Some(ports(range)),
        RuleAttribute::UidRange(range) => rule.uids = Some((range.start, range.end)),
        RuleAttribute::L3MDev(on) => rule.l3mdev = on,
        // All bits is "none", which IPv4 always tells.
        RuleAttribute::SuppressPrefixLen(length) if length != u32::MAX => rule.suppress_prefix_length = Some(length),
        RuleAttribute::SuppressIfGroup(group) if group != u32::MAX => rule.suppress_group = Some(group),
        RuleAttribute::TunId(_) => rule.unmodelled.push("tun_id".to_owned()),
        RuleAttribute::Other(other) => {
            let kind = other.kind() & 0x3fff;
            let name = NAMES.iter().find(|(number, _)| *number == kind);
            rule.unmodelled.push(name.map_or_else(|| format!("FRA {kind}"), |(_, name)| (*name).to_owned()));
        }
        // The realm and who installed the rule select nothing.
        _ => {}
    }
}

fn ports(range: RulePortRange) -> PortRange {
    PortRange { first: Port(range.start), last: Port(range.end) }
}

fn prefix(address: IpAddr, length: u8) -> Result<IpNet, DecodeError> {
    IpNet::new(address, length).map_err(|_| incomplete("a rule's prefix that is none"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::local::netlink::attribute;

    #[test]
    fn what_is_not_modelled_is_named() {
        let payload = [
            vec![2, 0, 0, 0, 254, 0, 0, 1, 2, 0, 0, 0],
            attribute(6, &100u32.to_ne_bytes()),
            attribute(10, &0x10u32.to_ne_bytes()),
            attribute(14, &u32::MAX.to_ne_bytes()),
            attribute(25, &[4]),
            attribute(FRA_SPORT_MASK, &[0xff, 0xff]),
            attribute(200, &[1]),
        ]
        .concat();
        let rule = parse(&payload, Family::V4).expect("valid");
        assert_eq!((rule.priority, rule.invert), (100, true));
        assert_eq!(rule.unmodelled, ["dscp", "FRA 200"]);
        assert_eq!(rule.mark, Some(MarkMask { value: Mark(0x10), mask: Mark(u32::MAX) }));
        assert_eq!(rule.suppress_prefix_length, None);
        assert_eq!(rule.action, RuleAction::Lookup(TableId::MAIN));
    }

    proptest! {
        #[test]
        fn any_payload_is_a_rule_or_an_error(payload: Vec<u8>) {
            let _ = parse(&payload, Family::V6);
        }
    }
}
