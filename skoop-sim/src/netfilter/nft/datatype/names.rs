//! Names of types and of their values: `nft describe TYPE`.

use super::Datatype;
use super::services::{PROTOCOLS, SERVICES};

/// Names with their values.
pub(super) type Names = &'static [(&'static str, u64)];

/// Types by the names that sets have for them.
pub(super) const TYPES: &[(&str, Datatype)] = &[
    ("integer", Datatype::Integer),
    ("string", Datatype::Text),
    ("verdict", Datatype::Verdict),
    ("boolean", Datatype::Boolean),
    ("ipv4_addr", Datatype::Address4),
    ("ipv6_addr", Datatype::Address6),
    ("ether_addr", Datatype::Mac),
    ("ll_addr", Datatype::Mac),
    ("inet_proto", Datatype::Protocol),
    ("inet_service", Datatype::Service),
    ("mark", Datatype::Mark),
    ("nf_proto", Datatype::NfProtocol),
    ("ether_type", Datatype::EtherType),
    ("arp_op", Datatype::ArpOperation),
    ("ifname", Datatype::DeviceName),
    ("iface_index", Datatype::DeviceIndex),
    ("iface_type", Datatype::DeviceType),
    ("devgroup", Datatype::DeviceGroup),
    ("realm", Datatype::Realm),
    ("uid", Datatype::User),
    ("gid", Datatype::Group),
    ("cgroupsv2", Datatype::Cgroup2),
    ("tcp_flag", Datatype::TcpFlags),
    ("dccp_pkttype", Datatype::DccpType),
    ("icmp_type", Datatype::IcmpType),
    ("icmp_code", Datatype::IcmpCode),
    ("icmpv6_type", Datatype::Icmp6Type),
    ("icmpv6_code", Datatype::Icmp6Code),
    ("icmpx_code", Datatype::Icmpx),
    ("igmp_type", Datatype::IgmpType),
    ("mh_type", Datatype::MobilityType),
    ("dscp", Datatype::Dscp),
    ("ecn", Datatype::Ecn),
    ("pkt_type", Datatype::PacketType),
    ("ct_state", Datatype::CtState),
    ("ct_dir", Datatype::CtDirection),
    ("ct_status", Datatype::CtStatus),
    ("ct_event", Datatype::CtEvent),
    ("ct_label", Datatype::CtLabel),
    ("fib_addrtype", Datatype::FibType),
    ("classid", Datatype::Class),
    ("day", Datatype::Day),
    ("hour", Datatype::Hour),
    ("time", Datatype::Time),
];

/// The names of a type's values.
pub(super) fn of(of: Datatype) -> Names {
    match of {
        Datatype::Protocol => PROTOCOLS,
        Datatype::Service => SERVICES,
        Datatype::NfProtocol => NF_PROTOCOLS,
        Datatype::EtherType => ETHER_TYPES,
        Datatype::ArpOperation => ARP_OPERATIONS,
        Datatype::DeviceType => DEVICE_TYPES,
        Datatype::TcpFlags => TCP_FLAGS,
        Datatype::DccpType => DCCP_TYPES,
        Datatype::IcmpType => ICMP_TYPES,
        Datatype::IcmpCode => ICMP_CODES,
        Datatype::Icmp6Type => ICMP6_TYPES,
        Datatype::Icmp6Code => ICMP6_CODES,
        Datatype::Icmpx => ICMPX,
        Datatype::IgmpType => IGMP_TYPES,
        Datatype::MobilityType => MOBILITY_TYPES,
        Datatype::Dscp => DSCP,
        Datatype::Ecn => ECN,
        Datatype::PacketType => PACKET_TYPES,
        Datatype::CtState => CT_STATES,
        Datatype::CtDirection => CT_DIRECTIONS,
        Datatype::CtStatus => CT_STATUS,
        Datatype::CtEvent => CT_EVENTS,
        Datatype::FibType => FIB_TYPES,
        Datatype::Day => DAYS,
        Datatype::Realm => REALMS,
        Datatype::DeviceGroup => DEVICE_GROUPS,
        _ => &[],
    }
}

const DSCP: Names = &[
    ("cs0", 0x0),
    ("cs1", 0x8),
    ("cs2", 0x10),
    ("cs3", 0x18),
    ("cs4", 0x20),
    ("cs5", 0x28),
    ("cs6", 0x30),
    ("cs7", 0x38),
    ("df", 0x0),
    ("be", 0x0),
    ("lephb", 0x1),
    ("af11", 0xa),
    ("af12", 0xc),
    ("af13", 0xe),
    ("af21", 0x12),
    ("af22", 0x14),
    ("af23", 0x16),
    ("af31", 0x1a),
    ("af32", 0x1c),
    ("af33", 0x1e),
    ("af41", 0x22),
    ("af42", 0x24),
    ("af43", 0x26),
    ("va", 0x2c),
    ("ef", 0x2e),
];

const ICMP_TYPES: Names = &[
    ("echo-reply", 0),
    ("destination-unreachable", 3),
    ("source-quench", 4),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp-request", 13),
    ("timestamp-reply", 14),
    ("info-request", 15),
    ("info-reply", 16),
    ("address-mask-request", 17),
    ("address-mask-reply", 18),
];

const ICMP_CODES: Names = &[
    ("net-unreachable", 0),
    ("host-unreachable", 1),
    ("prot-unreachable", 2),
    ("port-unreachable", 3),
    ("net-prohibited", 9),
    ("host-prohibited", 10),
    ("admin-prohibited", 13),
    ("frag-needed", 4),
];

const ICMP6_TYPES: Names = &[
    ("destination-unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("echo-request", 128),
    ("echo-reply", 129),
    ("mld-listener-query", 130),
    ("mld-listener-report", 131),
    ("mld-listener-done", 132),
    ("mld-listener-reduction", 132),
    ("nd-router-solicit", 133),
    ("nd-router-advert", 134),
    ("nd-neighbor-solicit", 135),
    ("nd-neighbor-advert", 136),
    ("nd-redirect", 137),
    ("router-renumbering", 138),
    ("ind-neighbor-solicit", 141),
    ("ind-neighbor-advert", 142),
    ("mld2-listener-report", 143),
];

const ICMP6_CODES: Names = &[
    ("no-route", 0),
    ("admin-prohibited", 1),
    ("addr-unreachable", 3),
    ("port-unreachable", 4),
    ("policy-fail", 5),
    ("reject-route", 6),
];

const ICMPX: Names = &[("port-unreachable", 1), ("admin-prohibited", 3), ("no-route", 0), ("host-unreachable", 2)];

const TCP_FLAGS: Names = &[
    ("fin", 0x1),
    ("syn", 0x2),
    ("rst", 0x4),
    ("psh", 0x8),
    ("ack", 0x10),
    ("urg", 0x20),
    ("ecn", 0x40),
    ("cwr", 0x80),
];

const DCCP_TYPES: Names = &[
    ("request", 0),
    ("response", 1),
    ("data", 2),
    ("ack", 3),
    ("dataack", 4),
    ("closereq", 5),
    ("close", 6),
    ("reset", 7),
    ("sync", 8),
    ("syncack", 9),
];

const PACKET_TYPES: Names = &[("host", 0), ("unicast", 0), ("broadcast", 1), ("multicast", 2), ("other", 3)];

const CT_STATES: Names = &[("invalid", 0x1), ("new", 0x8), ("established", 0x2), ("related", 0x4), ("untracked", 0x40)];

const CT_STATUS: Names = &[
    ("expected", 0x1),
    ("seen-reply", 0x2),
    ("assured", 0x4),
    ("confirmed", 0x8),
    ("snat", 0x10),
    ("dnat", 0x20),
    ("dying", 0x200),
];

const CT_DIRECTIONS: Names = &[("original", 0), ("reply", 1)];

const FIB_TYPES: Names = &[
    ("unspec", 0),
    ("unicast", 1),
    ("local", 2),
    ("broadcast", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
];

const IGMP_TYPES: Names = &[
    ("membership-query", 17),
    ("membership-report-v1", 18),
    ("membership-report-v2", 22),
    ("membership-report-v3", 34),
    ("leave-group", 23),
];

const MOBILITY_TYPES: Names = &[
    ("binding-refresh-request", 0),
    ("home-test-init", 1),
    ("careof-test-init", 2),
    ("home-test", 3),
    ("careof-test", 4),
    ("binding-update", 5),
    ("binding-acknowledgement", 6),
    ("binding-error", 7),
    ("fast-binding-update", 8),
    ("fast-binding-acknowledgement", 9),
    ("fast-binding-advertisement", 10),
    ("experimental-mobility-header", 11),
    ("home-agent-switch-message", 12),
];

const NF_PROTOCOLS: Names = &[("ipv4", 2), ("ipv6", 10)];

const ETHER_TYPES: Names =
    &[("ip", 0x800), ("arp", 0x806), ("ip6", 0x86dd), ("8021q", 0x8100), ("8021ad", 0x88a8), ("vlan", 0x8100)];

const ARP_OPERATIONS: Names =
    &[("request", 1), ("reply", 2), ("rrequest", 3), ("rreply", 4), ("inrequest", 8), ("inreply", 9), ("nak", 10)];

const DEVICE_TYPES: Names = &[
    ("ether", 0x1),
    ("ppp", 0x200),
    ("ipip", 0x300),
    ("ipip6", 0x301),
    ("loopback", 0x304),
    ("sit", 0x308),
    ("ipgre", 0x30a),
];

const ECN: Names = &[("not-ect", 0), ("ect1", 1), ("ect0", 2), ("ce", 3)];

const DAYS: Names =
    &[("Sunday", 0), ("Monday", 1), ("Tuesday", 2), ("Wednesday", 3), ("Thursday", 4), ("Friday", 5), ("Saturday", 6)];

const CT_EVENTS: Names = &[
    ("new", 0x1),
    ("related", 0x2),
    ("destroy", 0x4),
    ("reply", 0x8),
    ("assured", 0x10),
    ("protoinfo", 0x20),
    ("helper", 0x40),
    ("mark", 0x80),
    ("seqadj", 0x100),
    ("secmark", 0x200),
    ("label", 0x400),
];

/// `/etc/iproute2/rt_realms` as it comes.
const REALMS: Names = &[("cosmos", 0)];

/// `/etc/iproute2/group` as it comes.
const DEVICE_GROUPS: Names = &[("default", 0)];
