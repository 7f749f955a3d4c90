//! Header fields (`net/netfilter/nft_payload.c`).

use skoop_model::Transport;

use super::{Header, width};
use crate::conntrack::Origin;
use crate::netfilter::common::bits;
use crate::netfilter::image::{Base, Image, Seen};
use crate::netfilter::run::{Layer, Run};

impl Header {
    pub(super) fn eval(self, run: &Run<'_>) -> Option<Seen> {
        let packet = &*run.packet;
        let address = |address| Seen::whole(bits(address), width(packet.family()));
        let port = |port: Option<skoop_model::Port>| port.map(|port| Seen::whole(port.0.into(), 16));
        match (self, packet.transport) {
            (Self::Source, _) => Some(address(packet.src)),
            (Self::Destination, _) => Some(address(packet.dst)),
            (Self::Ttl, _) => Some(Seen::whole(packet.ttl.into(), 8)),
            (Self::SourcePort, _) if packet.sport().is_some() => port(packet.sport()),
            (Self::DestinationPort, _) if packet.dport().is_some() => port(packet.dport()),
            (Self::TcpFlags, Transport::Tcp { flags, .. }) => Some(Seen::whole(flags.0.into(), 8)),
            (Self::IcmpType, Transport::Icmp { kind, .. }) => Some(Seen::whole(kind.into(), 8)),
            (Self::IcmpCode, Transport::Icmp { code, .. }) => Some(Seen::whole(code.into(), 8)),
            // Whatever stands at that place of another header.
            (Self::SourcePort, _) => payload(run, Base::Transport, 0, 16),
            (Self::DestinationPort, _) => payload(run, Base::Transport, 16, 16),
            (Self::TcpFlags, _) => payload(run, Base::Transport, 104, 8),
            (Self::IcmpType, _) => payload(run, Base::Transport, 0, 8),
            (Self::IcmpCode, _) => payload(run, Base::Transport, 8, 8),
        }
    }
}

/// Bits of the packet.
pub(super) fn payload(run: &Run<'_>, base: Base, offset: u32, length: u32) -> Option<Seen> {
    let packet = &*run.packet;
    if base != Base::Link {
        return Image::of(packet).read(base, offset, length);
    }
    let (src, dst) = match run.layer {
        // What was made here has no Ethernet header before it leaves (`skb_mac_header_was_set`).
        Layer::Inet if run.state.origin == Some(Origin::Local) => return None,
        Layer::Inet => (run.state.source_mac, packet.details.as_ref().and_then(|details| details.dst_mac)),
        Layer::Bridge(at) => (Some(at.src_mac), Some(at.dst_mac)),
        Layer::Device(at) => (at.src_mac, at.dst_mac),
    };
    let ethertype = if packet.src.is_ipv4() { 0x0800 } else { 0x86dd };
    let mut image = Image::of(packet);
    image.set_link(dst, src, ethertype);
    image.read(base, offset, length)
}
