//! One entry: the attributes of `enum ctattr_type` (`include/uapi/linux/netfilter/nfnetlink_conntrack.h`), numbers in network byte
//! order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use skoop_model::{ConntrackEntry, ConntrackStatus, ConntrackTuple, Mark, Port, Protocol};

use crate::local::netfilter::HEADER;
use crate::local::netlink::{attributes, text};

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_PROTOINFO: u16 = 4;
const CTA_HELP: u16 = 5;
const CTA_TIMEOUT: u16 = 7;
const CTA_MARK: u16 = 8;
const CTA_COUNTERS_ORIG: u16 = 9;
const CTA_COUNTERS_REPLY: u16 = 10;
const CTA_ZONE: u16 = 18;
const CTA_LABELS: u16 = 22;

const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_TUPLE_ZONE: u16 = 3;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
/// `CTA_PROTO_ICMP_ID`, `_TYPE`, `_CODE`, then the same of ICMPv6.
const CTA_PROTO_ICMP: [[u16; 3]; 2] = [[4, 5, 6], [7, 8, 9]];

const CTA_PROTOINFO_TCP: u16 = 1;
const CTA_PROTOINFO_DCCP: u16 = 2;
const CTA_PROTOINFO_SCTP: u16 = 3;
/// `CTA_PROTOINFO_TCP_STATE` and those of the other two.
const STATE: u16 = 1;
const CTA_HELP_NAME: u16 = 1;
const CTA_COUNTERS_PACKETS: u16 = 1;
const CTA_COUNTERS_BYTES: u16 = 2;

/// `tcp_conntrack_names` of `net/netfilter/nf_conntrack_proto_tcp.c`.
const TCP_STATES: [&str; 10] = [
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
];
/// `dccp_state_names` of `net/netfilter/nf_conntrack_proto_dccp.c`.
const DCCP_STATES: [&str; 10] =
    ["NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE", "INVALID"];
/// `sctp_conntrack_names` of `net/netfilter/nf_conntrack_proto_sctp.c`.
const SCTP_STATES: [&str; 10] = [
    "NONE",
    "CLOSED",
    "COOKIE_WAIT",
    "COOKIE_ECHOED",
    "ESTABLISHED",
    "SHUTDOWN_SENT",
    "SHUTDOWN_RECD",
    "SHUTDOWN_ACK_SENT",
    "HEARTBEAT_SENT",
    "HEARTBEAT_ACKED",
];

/// The entry in the payload of one message.
pub(super) fn parse(payload: &[u8]) -> Result<ConntrackEntry, &'static str> {
    let (mut original, mut reply) = (None, None);
    let mut entry = ConntrackEntry {
        protocol: Protocol(0),
        zone: 0,
        original: NOWHERE,
        reply: NOWHERE,
        status: ConntrackStatus::default(),
        mark: Mark(0),
        state: None,
        timeout_s: None,
        helper: None,
        labels: 0,
        packets: None,
        bytes: None,
    };
    for (kind, value) in attributes(payload, HEADER) {
        match kind {
            CTA_TUPLE_ORIG => original = Some(tuple(value)?),
            CTA_TUPLE_REPLY => reply = Some(tuple(value)?),
            CTA_STATUS => entry.status = ConntrackStatus(be32(value)?),
            CTA_PROTOINFO => entry.state = state(value)?,
            CTA_HELP => entry.helper = find(value, CTA_HELP_NAME).map(text).filter(|name| !name.is_empty()),
            CTA_TIMEOUT => entry.timeout_s = Some(be32(value)?),
            CTA_MARK => entry.mark = Mark(be32(value)?),
            CTA_COUNTERS_ORIG => count(&mut entry, 0, value)?,
            CTA_COUNTERS_REPLY => count(&mut entry, 1, value)?,
            CTA_ZONE => entry.zone = be16(value)?,
            CTA_LABELS => entry.labels = labels(value),
            _ => {}
        }
    }
    let original = original.ok_or("no addresses")?;
    let reply = reply.ok_or("no addresses of the answers")?;
    entry.protocol = original.protocol;
    // Where a zone holds for one direction only, the tuple bears it (`ctnetlink_dump_zone_id`).
    entry.zone = original.zone.or(reply.zone).unwrap_or(entry.zone);
    (entry.original, entry.reply) = (original.ends, reply.ends);
    Ok(entry)
}

const NOWHERE: ConntrackTuple = ConntrackTuple {
    src: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    dst: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    sport: Port(0),
    dport: Port(0),
};

struct Tuple {
    protocol: Protocol,
    ends: ConntrackTuple,
    zone: Option<u16>,
}

fn tuple(value: &[u8]) -> Result<Tuple, &'static str> {
    let (mut src, mut dst, mut protocol, mut zone) = (None, None, None, None);
    let (mut sport, mut dport) = (Port(0), Port(0));
    for (kind, value) in attributes(value, 0) {
        match kind {
            CTA_TUPLE_IP => {
                for (kind, value) in attributes(value, 0) {
                    match kind {
                        CTA_IP_V4_SRC | CTA_IP_V6_SRC => src = Some(address(value)?),
                        CTA_IP_V4_DST | CTA_IP_V6_DST => dst = Some(address(value)?),
                        _ => {}
                    }
                }
            }
            CTA_TUPLE_PROTO => {
                protocol = find(value, CTA_PROTO_NUM).and_then(|number| number.first().copied());
                (sport, dport) = ports(value)?;
            }
            CTA_TUPLE_ZONE => zone = Some(be16(value)?),
            _ => {}
        }
    }
    let protocol = Protocol(protocol.ok_or("no protocol")?);
    let (src, dst) = src.zip(dst).ok_or("an address is missing")?;
    Ok(Tuple { protocol, ends: ConntrackTuple { src, dst, sport, dport }, zone })
}

/// Ports, or what stands in their place for ICMP: the identifier, and type times 256 plus code.
fn ports(value: &[u8]) -> Result<(Port, Port), &'static str> {
    let (mut sport, mut dport) = (0, 0);
    for (kind, value) in attributes(value, 0) {
        let [[id, kind4, code], [id6, kind6, code6]] = CTA_PROTO_ICMP;
        let byte = value.first().copied().map(u16::from);
        match kind {
            CTA_PROTO_SRC_PORT => sport = be16(value)?,
            CTA_PROTO_DST_PORT => dport = be16(value)?,
            kind if kind == id || kind == id6 => sport = be16(value)?,
            kind if kind == kind4 || kind == kind6 => dport |= byte.ok_or("an ICMP type is missing")? << 8,
            kind if kind == code || kind == code6 => dport |= byte.ok_or("an ICMP code is missing")?,
            _ => {}
        }
    }
    Ok((Port(sport), Port(dport)))
}

fn state(value: &[u8]) -> Result<Option<String>, &'static str> {
    for (kind, value) in attributes(value, 0) {
        let names = match kind {
            CTA_PROTOINFO_TCP => TCP_STATES,
            CTA_PROTOINFO_DCCP => DCCP_STATES,
            CTA_PROTOINFO_SCTP => SCTP_STATES,
            _ => continue,
        };
        let Some(number) = find(value, STATE).and_then(|number| number.first()) else { continue };
        let name = names.get(usize::from(*number)).ok_or("an unknown state")?;
        return Ok(Some((*name).to_owned()));
    }
    Ok(None)
}

fn count(entry: &mut ConntrackEntry, direction: usize, value: &[u8]) -> Result<(), &'static str> {
    for (kind, value) in attributes(value, 0) {
        let counters = match kind {
            CTA_COUNTERS_PACKETS => &mut entry.packets,
            CTA_COUNTERS_BYTES => &mut entry.bytes,
            _ => continue,
        };
        let number = value.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)).ok_or("a cut counter")?;
        if let Some(counter) = counters.get_or_insert_default().get_mut(direction) {
            *counter = number;
        }
    }
    Ok(())
}

/// Labels, which the kernel copies out as the two words of its bitmap.
fn labels(value: &[u8]) -> u128 {
    let words = value.as_chunks().0.iter().take(2).rev();
    words.fold(0, |labels, word| labels << u64::BITS | u128::from(u64::from_ne_bytes(*word)))
}

fn address(value: &[u8]) -> Result<IpAddr, &'static str> {
    match value.len() {
        4 => value.first_chunk::<4>().map(|bytes| IpAddr::V4(Ipv4Addr::from(*bytes))),
        16 => value.first_chunk::<16>().map(|bytes| IpAddr::V6(Ipv6Addr::from(*bytes))),
        _ => None,
    }
    .ok_or("a cut address")
}

fn find(value: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(value, 0).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

fn be16(value: &[u8]) -> Result<u16, &'static str> {
    value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes)).ok_or("a cut number")
}

fn be32(value: &[u8]) -> Result<u32, &'static str> {
    value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)).ok_or("a cut number")
}

#[cfg(test)]
mod tests;
