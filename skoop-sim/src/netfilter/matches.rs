//! Matches: one file each, one line in the registry.
//!
//! A match that is known but cannot be judged from what is modelled or collected stands in [`UNJUDGED`] with its reason; any other
//! one, and one with an option that its file does not know, is [`Match::Opaque`] too. Such a rule matches "maybe".

mod addrtype;
mod ah;
mod bpf;
mod cgroup;
mod cluster;
mod connbytes;
mod connlabel;
mod connmark;
mod conntrack;
mod dccp;
mod devgroup;
mod dscp;
mod ecn;
mod esp;
mod eui64;
mod frag;
mod fragment;
mod hbh;
mod helper;
mod icmp;
mod icmp_names;
mod ipcomp;
mod iprange;
mod ipv6header;
mod ipvs;
mod known;
mod l2tp;
mod length;
mod mac;
mod mark;
mod mh;
mod multiport;
mod nothing;
mod owner;
mod physdev;
mod pkttype;
mod policy;
mod recent;
mod rpfilter;
mod rt;
mod sctp;
mod set;
mod shared;
mod socket;
mod srh;
mod statistic;
mod string;
mod tcp;
mod tcpmss;
mod time;
mod tos;
mod ttl;
mod u32;
mod udp;

use super::args::Args;
use super::run::Run;
use crate::Tri;

pub(crate) use dscp::class as dscp_class;
pub(crate) use icmp_names::icmp_named;
pub(crate) use known::Known;
pub(crate) use recent::Memory as RecentMemory;
pub(crate) use tcp::dports_only as tcp_dports_only;
pub(crate) use udp::dports_only as udp_dports_only;

/// What a match file provides.
pub(crate) trait Matcher: Sized {
    /// Reads the options as `iptables-save` prints them; none if one is not known.
    fn parse(args: Args<'_>) -> Option<Self>;

    /// Whether the packet matches.
    fn eval(&self, run: &Run<'_>) -> Tri;

    /// Why the answer may be "maybe"; none if it says no more than that something is not known.
    fn doubt(&self) -> Option<String> {
        None
    }
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

            fn own_doubt(&self) -> Option<String> {
                match self {
                    $(Self::$variant(matcher) => matcher.doubt(),)*
                    Self::Opaque(reason) => Some(reason.to_string()),
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
    Ah = ah::Ah: "ah";
    Bpf = bpf::Bpf: "bpf";
    Cgroup = cgroup::Cgroup: "cgroup";
    Cluster = cluster::Cluster: "cluster";
    Connbytes = connbytes::Connbytes: "connbytes";
    Connlabel = connlabel::Connlabel: "connlabel";
    Connmark = connmark::Connmark: "connmark";
    Conntrack = conntrack::Conntrack: "conntrack" | "state";
    Dccp = dccp::Dccp: "dccp";
    Devgroup = devgroup::Devgroup: "devgroup";
    Dscp = dscp::Dscp: "dscp";
    Dst = hbh::Dst: "dst";
    Ecn = ecn::Ecn: "ecn";
    Esp = esp::Esp: "esp";
    Eui64 = eui64::Eui64: "eui64";
    Frag = frag::Frag: "frag";
    Fragment = fragment::Fragment: "-f";
    Hbh = hbh::Hbh: "hbh";
    Helper = helper::Helper: "helper";
    Icmp = icmp::Icmp: "icmp" | "icmp6" | "icmpv6" | "ipv6-icmp";
    Ipcomp = ipcomp::Ipcomp: "ipcomp";
    Iprange = iprange::Iprange: "iprange";
    Ipv6header = ipv6header::Ipv6header: "ipv6header";
    Ipvs = ipvs::Ipvs: "ipvs";
    L2tp = l2tp::L2tp: "l2tp";
    Length = length::Length: "length";
    Mac = mac::Mac: "mac";
    Mark = mark::Mark: "mark";
    Mh = mh::Mh: "mh";
    Multiport = multiport::Multiport: "multiport";
    NotFragment = fragment::NotFragment: "! -f";
    Nothing = nothing::Nothing: "comment" | "nfacct";
    Owner = owner::Owner: "owner";
    Physdev = physdev::Physdev: "physdev";
    Pkttype = pkttype::Pkttype: "pkttype";
    Policy = policy::Policy: "policy";
    Recent = recent::Recent: "recent";
    Rpfilter = rpfilter::Rpfilter: "rpfilter";
    Rt = rt::Rt: "rt";
    Sctp = sctp::Sctp: "sctp";
    Set = set::Set: "set";
    Socket = socket::Socket: "socket";
    Srh = srh::Srh: "srh";
    Statistic = statistic::Statistic: "statistic";
    Tcp = tcp::Tcp: "tcp";
    Tcpmss = tcpmss::Tcpmss: "tcpmss";
    Text = string::Text: "string";
    Time = time::Time: "time";
    Tos = tos::Tos: "tos";
    Ttl = ttl::Ttl: "ttl" | "hl";
    U32 = u32::U32: "u32";
    Udp = udp::Udp: "udp" | "udplite";
}

/// Matches that are known and cannot be judged, with the reason.
pub(crate) const UNJUDGED: &[(&str, &str)] = &[
    ("connlimit", "which flows the match has counted is not known; it begins to count when the rule is added"),
    ("cpu", "the CPU that handles the packet is not known"),
    ("hashlimit", "it depends on how much came before"),
    ("limit", "it depends on how much came before"),
    (
        "osf",
        "the fingerprint of the sender's system is not in the packet alone, nor is the list of fingerprints collected",
    ),
    ("quota", "it depends on how much came before"),
    ("rateest", "it depends on how much came before"),
    ("realm", "routing realms are not collected"),
];

/// What a match that is judged needs to know, where that may be missing: without it the answer is "maybe".
const CAVEATS: &[(&str, &str)] = &[
    ("-f", "whether fragments were put together before the rule"),
    ("ah", "the SPI of the packet"),
    ("bpf", "the bytes that the program reads; programs of `--object-pinned` are not collected"),
    ("cgroup", "the control group of a local sender"),
    ("connbytes", "counters of a flow that was there before"),
    ("connlabel", "names of labels in place of numbers"),
    ("conntrack", "`--ctexpire`"),
    ("dccp", "`--dccp-option`"),
    ("esp", "the SPI of the packet"),
    ("eui64", "the source MAC address"),
    ("frag", "the fragment header"),
    ("helper", "the helper of the flow that foretold this one"),
    ("ipcomp", "the CPI of the packet"),
    ("ipvs", "whether there are virtual services; packets that IPVS may handle"),
    ("l2tp", "the header of L2TP"),
    ("mac", "the source MAC address"),
    ("nfacct", "counters without quota are taken for granted"),
    ("owner", "the sender of a local packet"),
    ("policy", "IPsec policies, for `--dir out`"),
    ("recent", "the list, and for `--seconds` the time: the lists hold jiffies"),
    ("rpfilter", "routes and rules"),
    ("sctp", "the chunks of the packet"),
    ("set", "the set; counters of entries; MAC addresses"),
    ("socket", "connected sockets of TCP; which sockets are transparent"),
    ("string", "what the packet carries"),
    ("tcp", "the options of the packet, for `--tcp-option`"),
    ("tcpmss", "the options of the packet"),
    ("time", "when the packet comes"),
    ("u32", "the bytes that are read"),
];

/// What a match that is judged needs to know, where that may be missing.
pub(crate) fn caveat(name: &str) -> Option<&'static str> {
    CAVEATS.iter().find(|(known, _)| *known == name).map(|(_, caveat)| *caveat)
}

impl Match {
    fn unjudged(name: &str) -> Self {
        let reason = UNJUDGED.iter().find(|(known, _)| *known == name).map(|(_, reason)| *reason);
        Self::Opaque(format!("match `{name}`: {}", reason.unwrap_or("it is not known to the simulator")).into())
    }

    /// `-f`, or `! -f`.
    pub(crate) fn fragment(negated: bool) -> Self {
        if negated { Self::NotFragment(fragment::NotFragment) } else { Self::Fragment(fragment::Fragment) }
    }

    /// Why the match may answer "maybe".
    pub(crate) fn doubt(&self) -> String {
        self.own_doubt().unwrap_or_else(|| format!("match `{}`: what it asks for is not known", self.name()))
    }

    /// Whether the answer may hang on something that a target of the same table can change: mark, TOS, TTL, tracking.
    pub(crate) fn reads_changes(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.reads_options(),
            Self::Rpfilter(rpfilter) => rpfilter.reads_mark(),
            _ => matches!(
                self,
                Self::Bpf(_)
                    | Self::Cluster(_)
                    | Self::Connbytes(_)
                    | Self::Connlabel(_)
                    | Self::Connmark(_)
                    | Self::Conntrack(_)
                    | Self::Dscp(_)
                    | Self::Ecn(_)
                    | Self::Helper(_)
                    | Self::Mark(_)
                    | Self::Opaque(_)
                    | Self::Recent(_)
                    | Self::Socket(_)
                    | Self::Tcpmss(_)
                    | Self::Text(_)
                    | Self::Tos(_)
                    | Self::Ttl(_)
                    | Self::U32(_)
            ),
        }
    }

    /// Whether it says yes because of what an earlier packet left behind.
    pub(crate) fn remembers(&self) -> bool {
        matches!(self, Self::Recent(recent) if recent.remembers())
    }

    /// Whether asking it changes what other rules are told.
    pub(crate) fn leaves_traces(&self) -> bool {
        matches!(self, Self::Recent(_))
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
