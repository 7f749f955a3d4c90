//! Types of the fields of packets and of what the kernel knows about them.

use super::super::ast::TableFamily;
use super::Type;

/// Of a header field.
pub(super) fn payload(protocol: &str, field: &str) -> Type {
    match (protocol, field) {
        ("ip", "saddr" | "daddr") | ("arp", "saddr ip" | "daddr ip") => Type::Address4,
        ("ip6", "saddr" | "daddr") | ("icmpv6", "taddr" | "daddr") => Type::Address6,
        ("ether", "saddr" | "daddr") | ("arp", "saddr ether" | "daddr ether") => Type::Mac,
        (_, "sport" | "dport") => Type::Service,
        ("ip", "protocol") | (_, "nexthdr") => Type::Protocol,
        ("ip" | "ip6", "dscp") => Type::Dscp,
        ("ip" | "ip6", "ecn") => Type::Ecn,
        ("tcp", "flags") => Type::TcpFlags,
        ("ether" | "vlan", "type") | ("arp", "ptype") | ("gre" | "geneve", "protocol" | "type") => Type::EtherType,
        ("arp", "operation") => Type::ArpOperation,
        ("icmp", "type") => Type::IcmpType,
        ("icmp", "code") => Type::IcmpCode,
        ("icmpv6", "type") => Type::Icmp6Type,
        ("icmpv6", "code") => Type::Icmp6Code,
        ("igmp", "type") => Type::IgmpType,
        ("dccp", "type") => Type::DccpType,
        _ => Type::Integer,
    }
}

/// Of `meta KEY`.
pub(super) fn meta(key: &str) -> Type {
    match key {
        "l4proto" => Type::Protocol,
        "mark" => Type::Mark,
        "nfproto" => Type::NfProtocol,
        "protocol" | "ibrvproto" => Type::EtherType,
        "iifname" | "oifname" | "ibrname" | "obrname" | "ibriport" | "obriport" | "iifkind" | "oifkind"
        | "sdifname" => Type::DeviceName,
        "iif" | "oif" | "sdif" => Type::DeviceIndex,
        "iiftype" | "oiftype" => Type::DeviceType,
        "iifgroup" | "oifgroup" => Type::DeviceGroup,
        "skuid" => Type::User,
        "skgid" => Type::Group,
        "pkttype" => Type::PacketType,
        "priority" => Type::Class,
        "rtclassid" => Type::Realm,
        "time" => Type::Time,
        "day" => Type::Day,
        "hour" => Type::Hour,
        "ipsec" | "secpath" => Type::Boolean,
        "ibrhwaddr" => Type::Mac,
        _ => Type::Integer,
    }
}

/// Of `ct KEY`.
pub(super) fn ct(key: &str, family: Option<TableFamily>) -> Type {
    match (key, family) {
        ("state", _) => Type::CtState,
        ("status", _) => Type::CtStatus,
        ("direction", _) => Type::CtDirection,
        ("event", _) => Type::CtEvent,
        ("label", _) => Type::CtLabel,
        ("mark", _) => Type::Mark,
        ("helper", _) => Type::Text,
        ("expiration", _) => Type::Time,
        ("l3proto", _) => Type::NfProtocol,
        ("protocol", _) => Type::Protocol,
        ("proto-src" | "proto-dst", _) => Type::Service,
        ("saddr" | "daddr", Some(TableFamily::Ip6)) => Type::Address6,
        ("saddr" | "daddr", _) => Type::Address4,
        _ => Type::Integer,
    }
}

/// Of `rt KEY`.
pub(super) fn route(key: &str, family: Option<TableFamily>) -> Type {
    match (key, family) {
        ("classid", _) => Type::Realm,
        ("nexthop", Some(TableFamily::Ip6)) => Type::Address6,
        ("nexthop", _) => Type::Address4,
        ("ipsec", _) => Type::Boolean,
        _ => Type::Integer,
    }
}
