//! Matches: one file each, one line in the registry.
//!
//! A match that is known but cannot be judged from what is modelled or collected stands in [`UNJUDGED`] with its reason; any other
//! one, and one with an option that its file does not know, is [`Match::Opaque`] too. Such a rule matches "maybe".

mod addrtype;
mod connmark;
mod conntrack;
mod devgroup;
mod dscp;
mod ecn;
mod icmp;
mod iprange;
mod length;
mod mac;
mod mark;
mod multiport;
mod nothing;
mod owner;
mod physdev;
mod pkttype;
mod sctp;
mod set;
mod statistic;
mod tcp;
mod tos;
mod ttl;
mod udp;

use super::args::Args;
use super::run::Run;
use crate::Tri;

pub(crate) use dscp::class as dscp_class;
pub(crate) use tcp::dports_only as tcp_dports_only;
pub(crate) use udp::dports_only as udp_dports_only;

/// What a match file provides.
pub(crate) trait Matcher: Sized {
    /// Reads the options as `iptables-save` prints them; none if one is not known.
    fn parse(args: Args<'_>) -> Option<Self>;

    /// Whether the packet matches.
    fn eval(&self, run: &Run<'_>) -> Tri;
}

macro_rules! registry {
    ($($variant:ident = $type:path: $($name:literal)|+;)*) => {
        /// A compiled match.
        #[derive(Debug)]
        pub(crate) enum Match {
            $(
                #[doc = concat!("`", stringify!($type), "`")]
                $variant($type),
            )*
            /// Cannot be judged, for this reason.
            Opaque(Box<str>),
        }

        /// Names of all matches that are judged.
        #[cfg(test)]
        pub(crate) const JUDGED: &[&str] = &[$($($name),+),*];

        impl Match {
            /// Compiles `-m NAME` with its options.
            pub(crate) fn parse(name: &str, args: Args<'_>) -> Self {
                let known = match name {
                    $($($name)|+ => <$type>::parse(args).map(Self::$variant),)*
                    _ => return Self::unjudged(name),
                };
                known.unwrap_or_else(|| Self::Opaque(format!("match `{name}` has an option that is not modelled").into()))
            }

            /// Whether the packet matches.
            pub(crate) fn eval(&self, run: &Run<'_>) -> Tri {
                match self {
                    $(Self::$variant(matcher) => matcher.eval(run),)*
                    Self::Opaque(_) => Tri::Maybe,
                }
            }

            /// Name of the match, by which reasons name it.
            pub(crate) fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => [$($name),+][0],)*
                    Self::Opaque(_) => "",
                }
            }
        }
    };
}

registry! {
    Addrtype = addrtype::Addrtype: "addrtype";
    Connmark = connmark::Connmark: "connmark";
    Conntrack = conntrack::Conntrack: "conntrack" | "state";
    Devgroup = devgroup::Devgroup: "devgroup";
    Dscp = dscp::Dscp: "dscp";
    Ecn = ecn::Ecn: "ecn";
    Icmp = icmp::Icmp: "icmp" | "icmp6" | "icmpv6" | "ipv6-icmp";
    Iprange = iprange::Iprange: "iprange";
    Length = length::Length: "length";
    Mac = mac::Mac: "mac";
    Mark = mark::Mark: "mark";
    Multiport = multiport::Multiport: "multiport";
    Nothing = nothing::Nothing: "comment" | "nfacct";
    Owner = owner::Owner: "owner";
    Physdev = physdev::Physdev: "physdev";
    Pkttype = pkttype::Pkttype: "pkttype";
    Sctp = sctp::Sctp: "sctp";
    Set = set::Set: "set";
    Statistic = statistic::Statistic: "statistic";
    Tcp = tcp::Tcp: "tcp";
    Tos = tos::Tos: "tos";
    Ttl = ttl::Ttl: "ttl" | "hl";
    Udp = udp::Udp: "udp" | "udplite";
}

/// Matches that are known and cannot be judged, with the reason.
const UNJUDGED: &[(&str, &str)] = &[
    ("ah", "the header's SPI is not modelled"),
    ("bpf", "the program is not run"),
    ("cgroup", "the control group of the sender is not known"),
    ("cluster", "the hash over the flow is not modelled"),
    ("connbytes", "what the flow carried so far is not known"),
    ("connlabel", "labels of flows are not modelled"),
    ("connlimit", "how many flows there are is not known"),
    ("cpu", "the CPU that handles the packet is not known"),
    ("dccp", "DCCP headers are not modelled"),
    ("dst", "extension headers are not modelled"),
    ("esp", "the header's SPI is not modelled"),
    ("eui64", "the source MAC address is not compared"),
    ("frag", "fragments are not modelled"),
    ("hashlimit", "it depends on how much came before"),
    ("hbh", "extension headers are not modelled"),
    ("helper", "connection tracking helpers are not modelled"),
    ("ipcomp", "IPComp headers are not modelled"),
    ("ipv6header", "extension headers are not modelled"),
    ("ipvs", "IPVS connections are not modelled"),
    ("l2tp", "L2TP headers are not modelled"),
    ("limit", "it depends on how much came before"),
    ("mh", "mobility headers are not modelled"),
    ("osf", "the fingerprint of the sender is not known"),
    ("policy", "IPsec policies are not collected"),
    ("quota", "it depends on how much came before"),
    ("rateest", "it depends on how much came before"),
    ("realm", "routing realms are not modelled"),
    ("recent", "the list of recent addresses is not collected"),
    ("rpfilter", "the reverse path is not looked up from rules"),
    ("rt", "extension headers are not modelled"),
    ("socket", "sockets are not looked up from rules"),
    ("srh", "extension headers are not modelled"),
    ("string", "the payload is not modelled"),
    ("tcpmss", "TCP options are not modelled"),
    ("time", "the time of the packet is not known"),
    ("u32", "raw headers are not modelled"),
];

impl Match {
    fn unjudged(name: &str) -> Self {
        let reason = UNJUDGED.iter().find(|(known, _)| *known == name).map(|(_, reason)| *reason);
        Self::Opaque(format!("match `{name}`: {}", reason.unwrap_or("it is not known to the simulator")).into())
    }

    /// Why the match may answer "maybe".
    pub(crate) fn doubt(&self) -> String {
        match self {
            Self::Opaque(reason) => reason.to_string(),
            Self::Owner(_) => "match `owner`: the sending process is not known".to_owned(),
            Self::Set(set) => {
                format!("match `set`: set `{}` was not seen, or is of a type that is not modelled", set.name())
            }
            other => format!("match `{}`: what it asks for is not known", other.name()),
        }
    }

    /// Whether the answer may hang on something that a target of the same table can change: mark, TOS, TTL, tracking.
    pub(crate) fn reads_changes(&self) -> bool {
        matches!(
            self,
            Self::Connmark(_)
                | Self::Conntrack(_)
                | Self::Dscp(_)
                | Self::Ecn(_)
                | Self::Mark(_)
                | Self::Opaque(_)
                | Self::Tos(_)
                | Self::Ttl(_)
        )
    }

    /// Probability with which the match says yes, if it is up to chance.
    pub(crate) fn chance(&self) -> Option<f64> {
        match self {
            Self::Statistic(statistic) => Some(statistic.probability()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
