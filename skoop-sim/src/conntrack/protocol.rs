//! What each protocol lets pass as part of a flow.

use skoop_model::{Packet, TcpFlags, Transport};

use super::tuple::icmp_may_begin;

const PSH: u8 = 0x08;
const URG: u8 = 0x20;
const ECN: u8 = 0xc0;

/// Flags that tracking accepts, PSH and ECN taken away (`tcp_valid_flags`, `net/netfilter/nf_conntrack_proto_tcp.c`).
const VALID_TCP_FLAGS: [u8; 9] = [
    TcpFlags::SYN.0,
    TcpFlags::SYN.0 | URG,
    TcpFlags::SYN_ACK.0,
    TcpFlags::RST.0,
    TcpFlags::RST.0 | TcpFlags::ACK.0,
    TcpFlags::FIN.0 | TcpFlags::ACK.0,
    TcpFlags::FIN.0 | TcpFlags::ACK.0 | URG,
    TcpFlags::ACK.0,
    TcpFlags::ACK.0 | URG,
];

/// Whether the packet may belong to any flow (`tcp_error`).
pub(super) fn is_sane(packet: &Packet) -> bool {
    match packet.transport {
        Transport::Tcp { flags, .. } => VALID_TCP_FLAGS.contains(&(flags.0 & !(PSH | ECN))),
        _ => true,
    }
}

/// Whether the packet may begin a flow. `loose` is `nf_conntrack_tcp_loose`: an ACK in the middle of a flow that was never seen
/// to begin is taken (`tcp_new`, row `sNO` of `tcp_conntracks`; `nf_conntrack_icmp_packet`, `nf_conntrack_icmpv6_packet`).
pub(super) fn may_begin(packet: &Packet, loose: impl FnOnce() -> bool) -> bool {
    match packet.transport {
        Transport::Tcp { flags, .. } if flags.contains(TcpFlags::RST) => false,
        Transport::Tcp { flags, .. } if flags.contains(TcpFlags::SYN) => !flags.contains(TcpFlags::ACK),
        Transport::Tcp { flags, .. } if flags.contains(TcpFlags::FIN) => false,
        Transport::Tcp { flags, .. } => flags.contains(TcpFlags::ACK) && loose(),
        Transport::Icmp { kind, .. } => icmp_may_begin(packet.protocol, kind),
        _ => true,
    }
}

/// Whether this is an ICMP error, which belongs to the flow of the packet that it cites
/// (`icmp_is_err`; types below 128 for ICMPv6).
pub(super) fn is_icmp_error(packet: &Packet) -> bool {
    match packet.transport {
        Transport::Icmp { kind, .. } if packet.dst.is_ipv4() => matches!(kind, 3 | 4 | 5 | 11 | 12),
        Transport::Icmp { kind, .. } => kind < 128,
        _ => false,
    }
}

/// Whether tracking leaves the packet alone: neighbour and listener discovery
/// (`noct_valid_new`, `net/netfilter/nf_conntrack_proto_icmpv6.c`).
pub(super) fn is_never_tracked(packet: &Packet) -> bool {
    match packet.transport {
        Transport::Icmp { kind, .. } => !packet.dst.is_ipv4() && matches!(kind, 130..=137 | 143),
        _ => false,
    }
}
