//! Routes.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{IfIndex, TableId};

/// One route (`ip route show table all`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Table.
    pub table: TableId,
    /// Destination prefix; `0.0.0.0/0` or `::/0` is a default route.
    pub dst: IpNet,
    /// Source prefix (IPv6 only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<IpNet>,
    /// TOS that the packet must have; 0 is any.
    #[serde(default)]
    pub tos: u8,
    /// Metric: smaller wins among equal prefixes.
    pub metric: u32,
    /// Type.
    pub kind: RouteKind,
    /// Who installed it.
    pub protocol: RouteProtocol,
    /// Scope.
    pub scope: RouteScope,
    /// Preferred source address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefsrc: Option<IpAddr>,
    /// Next hops; several are a multipath route, none for types without a device.
    pub nexthops: Vec<NextHop>,
    /// Nexthop object that the route refers to; `nexthops` holds what it resolves to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nexthop_id: Option<u32>,
    /// MTU metric in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu_bytes: Option<u32>,
    /// Attributes that change forwarding and are not modelled, by name: `encap`, `via (other family)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmodelled: Vec<String>,
}

/// One next hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextHop {
    /// Gateway; none for a destination on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// Device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<IfIndex>,
    /// Weight in a multipath route, from 1.
    pub weight: u32,
    /// `onlink`: the gateway counts as on the link whatever the addresses say.
    #[serde(default)]
    pub onlink: bool,
    /// `RTNH_F_DEAD`: the kernel does not use it.
    #[serde(default)]
    pub dead: bool,
    /// `RTNH_F_LINKDOWN`: no carrier; ignored only with `ignore_routes_with_linkdown`.
    #[serde(default)]
    pub linkdown: bool,
}

/// Route type (`RTN_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteKind {
    /// Forward to the next hop.
    Unicast,
    /// Deliver here.
    Local,
    /// Deliver here as broadcast.
    Broadcast,
    /// Deliver here as anycast.
    Anycast,
    /// Multicast.
    Multicast,
    /// Drop silently.
    Blackhole,
    /// ICMP host unreachable.
    Unreachable,
    /// ICMP administratively prohibited.
    Prohibit,
    /// Go on with the next rule.
    Throw,
    /// Any other number.
    Other(u8),
}

impl RouteKind {
    /// The word that iproute2 prints.
    pub fn name(self) -> String {
        match self {
            Self::Unicast => "unicast".to_owned(),
            Self::Local => "local".to_owned(),
            Self::Broadcast => "broadcast".to_owned(),
            Self::Anycast => "anycast".to_owned(),
            Self::Multicast => "multicast".to_owned(),
            Self::Blackhole => "blackhole".to_owned(),
            Self::Unreachable => "unreachable".to_owned(),
            Self::Prohibit => "prohibit".to_owned(),
            Self::Throw => "throw".to_owned(),
            Self::Other(number) => number.to_string(),
        }
    }
}

/// Who installed a route (`RTPROT_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RouteProtocol(pub u8);

impl RouteProtocol {
    /// Installed by the kernel with an address.
    pub const KERNEL: Self = Self(2);
    /// Installed while booting: what `ip route add` says by default.
    pub const BOOT: Self = Self(3);
    /// Installed by an administrator.
    pub const STATIC: Self = Self(4);

    /// The word that iproute2 prints.
    pub fn name(self) -> String {
        match self.0 {
            0 => "unspec".to_owned(),
            1 => "redirect".to_owned(),
            2 => "kernel".to_owned(),
            3 => "boot".to_owned(),
            4 => "static".to_owned(),
            9 => "ra".to_owned(),
            11 => "zebra".to_owned(),
            12 => "bird".to_owned(),
            16 => "dhcp".to_owned(),
            186 => "bgp".to_owned(),
            number => number.to_string(),
        }
    }
}

/// Scope of a route (`RT_SCOPE_*`), by the kernel's number: larger is narrower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RouteScope(pub u8);

impl RouteScope {
    /// `RT_SCOPE_UNIVERSE`.
    pub const GLOBAL: Self = Self(0);
    /// `RT_SCOPE_LINK`.
    pub const LINK: Self = Self(253);
    /// `RT_SCOPE_HOST`.
    pub const HOST: Self = Self(254);
}

/// Words with blanks between them.
struct Words(String);

impl Words {
    fn push(&mut self, word: impl fmt::Display) {
        let blank = if self.0.is_empty() { "" } else { " " };
        // A string takes whatever is written.
        let _ = write!(self.0, "{blank}{word}");
    }

    fn flags(&mut self, hop: &NextHop) {
        for (set, word) in [(hop.onlink, "onlink"), (hop.dead, "dead"), (hop.linkdown, "linkdown")] {
            if set {
                self.push(word);
            }
        }
    }
}

impl Route {
    /// A unicast route of the main table, as `ip route add DST [via GATEWAY] dev LINK` makes it: a base to build on.
    pub fn unicast(dst: IpNet, gateway: Option<IpAddr>, link: IfIndex) -> Self {
        Self {
            table: TableId::MAIN,
            dst,
            src: None,
            tos: 0,
            metric: 0,
            kind: RouteKind::Unicast,
            protocol: RouteProtocol::BOOT,
            scope: if gateway.is_some() { RouteScope::GLOBAL } else { RouteScope::LINK },
            prefsrc: None,
            nexthops: vec![NextHop {
                gateway,
                link: Some(link),
                weight: 1,
                onlink: false,
                dead: false,
                linkdown: false,
            }],
            nexthop_id: None,
            mtu_bytes: None,
            unmodelled: Vec::new(),
        }
    }

    /// The route as `ip route` prints it, with device names from `device`.
    pub fn to_text<'a>(&self, device: impl Fn(IfIndex) -> Option<&'a str>) -> String {
        let mut words = Words(String::with_capacity(64));
        if self.kind != RouteKind::Unicast {
            words.push(self.kind.name());
        }
        if self.dst.prefix_len() == 0 {
            words.push("default");
        } else if self.dst.prefix_len() == self.dst.max_prefix_len() {
            words.push(self.dst.addr());
        } else {
            words.push(self.dst);
        }
        let hop = |hop: &NextHop, words: &mut Words| {
            if let Some(gateway) = hop.gateway {
                words.push(format_args!("via {gateway}"));
            }
            match hop.link.map(|link| (link, device(link))) {
                Some((_, Some(name))) => words.push(format_args!("dev {name}")),
                Some((link, None)) => words.push(format_args!("dev if{link}")),
                None => {}
            }
        };
        if let [only] = self.nexthops.as_slice() {
            hop(only, &mut words);
        }
        if !matches!(self.table, TableId::MAIN) {
            words.push(format_args!("table {}", self.table.name()));
        }
        if self.protocol != RouteProtocol::BOOT {
            words.push(format_args!("proto {}", self.protocol.name()));
        }
        if let Some(src) = self.prefsrc {
            words.push(format_args!("src {src}"));
        }
        if self.metric != 0 {
            words.push(format_args!("metric {}", self.metric));
        }
        let mtu = |words: &mut Words| {
            if let Some(mtu) = self.mtu_bytes {
                words.push(format_args!("mtu {mtu}"));
            }
        };
        match self.nexthops.as_slice() {
            [only] => {
                words.flags(only);
                mtu(&mut words);
            }
            many => {
                mtu(&mut words);
                for next in many {
                    words.push("nexthop");
                    hop(next, &mut words);
                    words.push(format_args!("weight {}", next.weight));
                    words.flags(next);
                }
            }
        }
        words.0
    }
}
