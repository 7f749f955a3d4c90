//! Types of the fields of packets and of what the kernel knows about them.

use super::super::ast::TableFamily;
use super::Datatype;

/// Of a header field.
pub(super) fn payload(protocol: &str, field: &str) -> Datatype {
    match (protocol, field) {
        ("ip", "saddr" | "daddr") | ("arp", "saddr ip" | "daddr ip") => Datatype::Address4,
        ("ip6", "saddr" | "daddr") | ("icmpv6", "taddr" | "daddr") => Datatype::Address6,
        ("ether", "saddr" | "daddr") | ("arp", "saddr ether" | "daddr ether") => Datatype::Mac,
        (_, "sport" | "dport") => Datatype::Service,
        ("ip", "protocol") | (_, "nexthdr") => Datatype::Protocol,
        ("ip" | "ip6", "dscp") => Datatype::Dscp,
        ("ip" | "ip6", "ecn") => Datatype::Ecn,
        ("tcp", "flags") => Datatype::TcpFlags,
        ("ether" | "vlan", "type") | ("arp", "ptype") | ("gre" | "geneve", "protocol" | "type") => Datatype::EtherType,
        ("arp", "operation") => Datatype::ArpOperation,
        ("icmp", "type") => Datatype::IcmpType,
        ("icmp", "code") => Datatype::IcmpCode,
        ("icmpv6", "type") => Datatype::Icmp6Type,
        ("icmpv6", "code") => Datatype::Icmp6Code,
        ("igmp", "type") => Datatype::IgmpType,
        ("dccp", "type") => Datatype::DccpType,
        _ => Datatype::Integer,
    }
}

/// Of `meta KEY`.
pub(super) fn meta(key: &str) -> Datatype {
    match key {
        "l4proto" => Datatype::Protocol,
        "mark" => Datatype::Mark,
        "nfproto" => Datatype::NfProtocol,
        "protocol" | "ibrvproto" => Datatype::EtherType,
        "iifname" | "oifname" | "ibrname" | "obrname" | "ibriport" | "obriport" | "iifkind" | "oifkind"
        | "sdifname" => Datatype::DeviceName,
        "iif" | "oif" | "sdif" => Datatype::DeviceIndex,
        "iiftype" | "oiftype" => Datatype::DeviceType,
        "iifgroup" | "oifgroup" => Datatype::DeviceGroup,
        "skuid" => Datatype::User,
        "skgid" => Datatype::Group,
        "pkttype" => Datatype::PacketType,
        "priority" => Datatype::Class,
        "rtclassid" => Datatype::Realm,
        "time" => Datatype::Time,
        "day" => Datatype::Day,
        "hour" => Datatype::Hour,
        "ipsec" | "secpath" => Datatype::Boolean,
        "ibrhwaddr" => Datatype::Mac,
        _ => Datatype::Integer,
    }
}

/// Of `ct KEY`.
pub(super) fn ct(key: &str, family: Option<TableFamily>) -> Datatype {
    match (key, family) {
        ("state", _) => Datatype::CtState,
        ("status", _) => Datatype::CtStatus,
        ("direction", _) => Datatype::CtDirection,
        ("event", _) => Datatype::CtEvent,
        ("label", _) => Datatype::CtLabel,
        ("mark", _) => Datatype::Mark,
        ("helper", _) => Datatype::Text,
        ("expiration", _) => Datatype::Time,
        ("l3proto", _) => Datatype::NfProtocol,
        ("protocol", _) => Datatype::Protocol,
        ("proto-src" | "proto-dst", _) => Datatype::Service,
        ("saddr" | "daddr", Some(TableFamily::Ip6)) => Datatype::Address6,
        ("saddr" | "daddr", _) => Datatype::Address4,
        _ => Datatype::Integer,
    }
}

/// Of `rt KEY`.
pub(super) fn route(key: &str, family: Option<TableFamily>) -> Datatype {
    match (key, family) {
        ("classid", _) => Datatype::Realm,
        ("nexthop", Some(TableFamily::Ip6)) => Datatype::Address6,
        ("nexthop", _) => Datatype::Address4,
        ("ipsec", _) => Datatype::Boolean,
        _ => Datatype::Integer,
    }
}
