//! Names of ICMP types and codes as iptables (`libxtables`, `xtables_icmp_types`) and ipset (`lib/icmp.c`, `lib/icmpv6.c`) have them.

use skoop_model::Family;

/// Any code.
pub(crate) const ALL: (u8, u8) = (0, u8::MAX);

/// Name, family, type, codes.
type Named = (&'static str, Family, u8, (u8, u8));

const fn v4(name: &'static str, kind: u8, code: u8) -> Named {
    (name, Family::V4, kind, (code, code))
}

const fn v6(name: &'static str, kind: u8, code: u8) -> Named {
    (name, Family::V6, kind, (code, code))
}

const NAMES: [Named; 69] = [
    ("echo-reply", Family::V4, 0, ALL),
    ("pong", Family::V4, 0, ALL),
    ("destination-unreachable", Family::V4, 3, ALL),
    v4("network-unreachable", 3, 0),
    v4("host-unreachable", 3, 1),
    v4("protocol-unreachable", 3, 2),
    v4("port-unreachable", 3, 3),
    v4("fragmentation-needed", 3, 4),
    v4("source-route-failed", 3, 5),
    v4("network-unknown", 3, 6),
    v4("host-unknown", 3, 7),
    v4("network-prohibited", 3, 9),
    v4("host-prohibited", 3, 10),
    v4("TOS-network-unreachable", 3, 11),
    v4("TOS-host-unreachable", 3, 12),
    v4("communication-prohibited", 3, 13),
    v4("host-precedence-violation", 3, 14),
    v4("precedence-cutoff", 3, 15),
    ("source-quench", Family::V4, 4, ALL),
    ("redirect", Family::V4, 5, ALL),
    v4("network-redirect", 5, 0),
    v4("host-redirect", 5, 1),
    v4("TOS-network-redirect", 5, 2),
    v4("TOS-host-redirect", 5, 3),
    ("echo-request", Family::V4, 8, ALL),
    ("ping", Family::V4, 8, ALL),
    ("router-advertisement", Family::V4, 9, ALL),
    ("router-solicitation", Family::V4, 10, ALL),
    ("time-exceeded", Family::V4, 11, ALL),
    ("ttl-exceeded", Family::V4, 11, ALL),
    v4("ttl-zero-during-transit", 11, 0),
    v4("ttl-zero-during-reassembly", 11, 1),
    ("parameter-problem", Family::V4, 12, ALL),
    v4("ip-header-bad", 12, 0),
    v4("required-option-missing", 12, 1),
    ("timestamp-request", Family::V4, 13, ALL),
    ("timestamp-reply", Family::V4, 14, ALL),
    ("address-mask-request", Family::V4, 17, ALL),
    ("address-mask-reply", Family::V4, 18, ALL),
    ("destination-unreachable", Family::V6, 1, ALL),
    v6("no-route", 1, 0),
    v6("communication-prohibited", 1, 1),
    v6("beyond-scope", 1, 2),
    v6("address-unreachable", 1, 3),
    v6("port-unreachable", 1, 4),
    v6("failed-policy", 1, 5),
    v6("reject-route", 1, 6),
    ("packet-too-big", Family::V6, 2, ALL),
    ("time-exceeded", Family::V6, 3, ALL),
    ("ttl-exceeded", Family::V6, 3, ALL),
    v6("ttl-zero-during-transit", 3, 0),
    v6("ttl-zero-during-reassembly", 3, 1),
    ("parameter-problem", Family::V6, 4, ALL),
    v6("bad-header", 4, 0),
    v6("unknown-header-type", 4, 1),
    v6("unknown-option", 4, 2),
    ("echo-request", Family::V6, 128, ALL),
    ("ping", Family::V6, 128, ALL),
    ("echo-reply", Family::V6, 129, ALL),
    ("pong", Family::V6, 129, ALL),
    ("router-solicitation", Family::V6, 133, ALL),
    ("router-advertisement", Family::V6, 134, ALL),
    ("neighbour-solicitation", Family::V6, 135, ALL),
    ("neighbor-solicitation", Family::V6, 135, ALL),
    ("neigbour-solicitation", Family::V6, 135, ALL),
    ("neighbour-advertisement", Family::V6, 136, ALL),
    ("neighbor-advertisement", Family::V6, 136, ALL),
    ("neigbour-advertisement", Family::V6, 136, ALL),
    ("redirect", Family::V6, 137, ALL),
];

/// Type and codes of a name.
pub(crate) fn icmp_named(name: &str, family: Family) -> Option<(u8, (u8, u8))> {
    let found = NAMES.iter().find(|(known, of, ..)| *of == family && known.eq_ignore_ascii_case(name))?;
    Some((found.2, found.3))
}
