//! `meta` (`net/netfilter/nft_meta.c`, `net/bridge/netfilter/nft_meta_bridge.c`).

use std::net::IpAddr;

use skoop_model::{IfIndex, Link, LinkKind, MacAddr, RouteKind};

use super::{TEXT, text_bits};
use crate::conntrack::{Maker, Origin};
use crate::netfilter::image::Seen;
use crate::netfilter::run::{Layer, Run};
use crate::netfilter::{DeviceHook, DevicePoint, Hook};

/// What `meta` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MetaKey {
    Length,
    Protocol,
    NfProto,
    L4Proto,
    Mark,
    InName,
    OutName,
    InType,
    OutType,
    InGroup,
    OutGroup,
    InKind,
    OutKind,
    User,
    Group,
    PacketType,
    InBridge,
    OutBridge,
    /// `sdif`, `sdifname`: the port of a VRF.
    Slave,
    /// `ipsec`, `secpath`: whether the packet came in by IPsec.
    Ipsec,
    /// `cgroup`: of the sending socket.
    Cgroup,
    Other(Box<str>),
}

/// Names, `iif` and `oif` by the name of the device too: that is how `nft` prints them.
const NAMES: [(&str, MetaKey); 25] = [
    ("length", MetaKey::Length),
    ("protocol", MetaKey::Protocol),
    ("nfproto", MetaKey::NfProto),
    ("l4proto", MetaKey::L4Proto),
    ("mark", MetaKey::Mark),
    ("iifname", MetaKey::InName),
    ("oifname", MetaKey::OutName),
    ("iif", MetaKey::InName),
    ("oif", MetaKey::OutName),
    ("iiftype", MetaKey::InType),
    ("oiftype", MetaKey::OutType),
    ("iifgroup", MetaKey::InGroup),
    ("oifgroup", MetaKey::OutGroup),
    ("iifkind", MetaKey::InKind),
    ("oifkind", MetaKey::OutKind),
    ("skuid", MetaKey::User),
    ("skgid", MetaKey::Group),
    ("pkttype", MetaKey::PacketType),
    ("ibrname", MetaKey::InBridge),
    ("obrname", MetaKey::OutBridge),
    ("ipsec", MetaKey::Ipsec),
    ("secpath", MetaKey::Ipsec),
    ("cgroup", MetaKey::Cgroup),
    ("sdif", MetaKey::Slave),
    ("sdifname", MetaKey::Slave),
];

impl MetaKey {
    pub(crate) fn parse(name: &str) -> Self {
        let known = NAMES.iter().find(|(known, _)| *known == name);
        known.map_or_else(|| Self::Other(name.into()), |(_, key)| key.clone())
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => NAMES.iter().find(|(_, key)| key == known).map_or("", |(name, _)| name),
        }
    }

    pub(super) fn is_changeable(&self) -> bool {
        matches!(self, Self::Mark | Self::PacketType | Self::Other(_))
    }

    pub(super) fn eval(&self, run: &Run<'_>) -> Option<Seen> {
        let packet = &*run.packet;
        let v4 = packet.src.is_ipv4();
        let (input, output) = (run.at.in_device, run.at.out_device);
        // `nft_meta_store_ifname`: a missing device has the empty name.
        let name = |device: Option<&Link>| Some(text(device.map_or("", |link| &link.name)));
        match self {
            Self::Length => Some(Seen::whole((packet.length_bytes + frame_header(run.layer)).into(), 32)),
            Self::Protocol => Some(Seen::whole(if v4 { 0x0800 } else { 0x86dd }, 16)),
            Self::NfProto => Some(Seen::whole(nf_protocol(run), 8)),
            Self::L4Proto => Some(Seen::whole(packet.protocol.0.into(), 8)),
            Self::Mark => Some(Seen::whole(packet.mark.0.into(), 32)),
            Self::InName => name(input),
            Self::OutName => name(output),
            Self::InType => Some(device_type(input?)),
            Self::OutType => Some(device_type(output?)),
            Self::InGroup => Some(Seen::whole(input?.group.into(), 32)),
            Self::OutGroup => Some(Seen::whole(output?.group.into(), 32)),
            Self::InKind => device_kind(input?),
            Self::OutKind => device_kind(output?),
            Self::User => owner(run, run.state.sender.uid),
            Self::Group => owner(run, run.state.sender.gid),
            Self::PacketType => Some(packet_type(run)),
            Self::InBridge => bridge(run, input),
            Self::OutBridge => bridge(run, output),
            Self::Slave => match input.and_then(|link| link.controller) {
                None => Some(Seen::whole(0, TEXT)),
                Some(_) => Some(Seen::unknown(TEXT)),
            },
            Self::Ipsec if run.env.has_ipsec() == Some(false) => Some(Seen::whole(0, 8)),
            // Sockets of the kernel have a class, too.
            Self::Cgroup if run.state.maker == Maker::KernelSocket => Some(Seen::unknown(32)),
            Self::Cgroup => owner(run, None),
            Self::Ipsec | Self::Other(_) => Some(Seen::unknown(TEXT)),
        }
    }
}

fn text(name: &str) -> Seen {
    Seen::whole(text_bits(name), TEXT)
}

/// `nft_pf`: the family of the hook.
fn nf_protocol(run: &Run<'_>) -> u128 {
    match run.layer {
        Layer::Inet if run.packet.src.is_ipv4() => 2,
        Layer::Inet => 10,
        Layer::Bridge(_) => 7,
        Layer::Device(_) => 5,
    }
}

/// `ARPHRD_…` (`include/uapi/linux/if_arp.h`).
fn device_type(link: &Link) -> Seen {
    const ETHER: u128 = 1;
    const LOOPBACK: u128 = 772;
    match &link.kind {
        LinkKind::Loopback => Seen::whole(LOOPBACK, 16),
        LinkKind::Physical | LinkKind::Other { .. } if link.mac.is_none() => Seen::unknown(16),
        _ => Seen::whole(ETHER, 16),
    }
}

/// `nft_meta_get_eval_kind`: a device without link operations has no kind.
fn device_kind(link: &Link) -> Option<Seen> {
    match &link.kind {
        LinkKind::Loopback | LinkKind::Physical => None,
        kind => Some(text(kind.name())),
    }
}

/// Of the sending socket (`nft_meta_get_eval_skugid`). What only passes has none; on the way in an early lookup may have found one.
fn owner(run: &Run<'_>, id: Option<u32>) -> Option<Seen> {
    match (run.state.origin, run.at.hook, run.layer) {
        (Some(Origin::Received), Hook::Input, Layer::Inet) => Some(Seen::unknown(32)),
        (Some(Origin::Received), ..) => None,
        // No socket, or one without file.
        _ if run.state.maker != Maker::Process => None,
        _ => Some(id.map_or(Seen::unknown(32), |id| Seen::whole(id.into(), 32))),
    }
}

/// `PACKET_HOST`, `PACKET_BROADCAST`, `PACKET_MULTICAST`, and of frames `PACKET_OTHERHOST` (`eth_type_trans`, `net/ethernet/eth.c`); what is
/// for the bridge itself is no other host's (`br_handle_frame`, `net/bridge/br_input.c`). What is sent from here counts as `PACKET_HOST` until the device sends it, and
/// over the loopback device as what its destination says (`nft_meta_get_eval_pkttype_lo`).
fn packet_type(run: &Run<'_>) -> Seen {
    const BROADCAST: u128 = 1;
    const MULTICAST: u128 = 2;
    const OTHER_HOST: u128 = 3;
    let packet = &*run.packet;
    if run.state.origin == Some(Origin::Local) {
        return Seen::whole(0, 8);
    }
    let frame = match run.layer {
        // What a bridge or a device sends on keeps the kind that it came in with, whatever its frame says by now.
        Layer::Bridge(_) | Layer::Device(DevicePoint { hook: DeviceHook::Egress, .. })
            if run.state.destination_mac.is_some() =>
        {
            let own = run.state.destination_mac.filter(|_| !run.state.other_host);
            run.state.destination_mac.map(|mac| (mac, [own, None]))
        }
        Layer::Bridge(at) => Some((at.dst_mac, [at.bridge.mac, at.in_port.and_then(|port| port.mac)])),
        Layer::Device(at) if at.hook == DeviceHook::Ingress => at.dst_mac.map(|mac| (mac, [at.device.mac, None])),
        Layer::Device(_) | Layer::Inet => None,
    };
    if let Some((mac, own)) = frame {
        let kind = match mac {
            MacAddr::BROADCAST => BROADCAST,
            mac if mac.is_group() => MULTICAST,
            mac if own.contains(&Some(mac)) => 0,
            _ => OTHER_HOST,
        };
        return Seen::whole(kind, 8);
    }
    let kind = match packet.dst {
        _ if run.state.destination_mac.is_some() && run.layer.is_inet() => {
            run.state.destination_mac.map(|mac| match mac {
                MacAddr::BROADCAST => BROADCAST,
                mac if mac.is_group() => MULTICAST,
                // br_netfilter makes it the host's as long as IP has it.
                _ => 0,
            })
        }
        dst if dst.is_multicast() => Some(MULTICAST),
        IpAddr::V4(dst) if dst.is_broadcast() => Some(BROADCAST),
        dst => run.env.address_kind(dst, None).map(|kind| if kind == RouteKind::Broadcast { BROADCAST } else { 0 }),
    };
    kind.map_or(Seen::unknown(8), |kind| Seen::whole(kind, 8))
}

/// Bytes in front of the packet that belong to it (`skb->len`): what a device sends has its Ethernet header
/// already (`nf_hook_egress` of `__dev_queue_xmit`, net/core/dev.c), what comes in no more (`eth_type_trans`).
fn frame_header(layer: Layer<'_>) -> u32 {
    const ETH_HLEN: u32 = 14;
    match layer {
        Layer::Device(at) if at.hook == DeviceHook::Egress && (at.device.mac.is_some() || at.device.loopback) => {
            ETH_HLEN
        }
        Layer::Device(_) | Layer::Bridge(_) | Layer::Inet => 0,
    }
}

/// The bridge that a port belongs to (`nft_meta_get_bridge`).
fn bridge(run: &Run<'_>, port: Option<&Link>) -> Option<Seen> {
    let Layer::Bridge(at) = run.layer else { return None };
    let controller: IfIndex = port?.controller?;
    Some(if at.bridge.index == controller { text(&at.bridge.name) } else { Seen::unknown(TEXT) })
}
