//! Targets: one file each, one line in the registry.

mod connmark;
mod ct;
mod dnat;
mod dscp;
mod ecn;
mod hmark;
mod mark;
mod masquerade;
mod netmap;
mod noop;
mod npt;
mod ops;
mod redirect;
mod reject;
mod snat;
mod tcpmss;
mod tee;
mod tos;
mod tproxy;
mod ttl;

pub(crate) use ops::{NatTurn, ZoneSide};

use super::args::Args;
use super::result::RejectWith;
use super::run::Run;
use super::table::RuleId;

/// What a target file provides.
pub(crate) trait Applied: Sized {
    /// Reads the options as `iptables-save` prints them; none if one is not known.
    fn parse(args: Args<'_>) -> Option<Self>;

    /// Does it. `rule` is the rule that it belongs to.
    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect;
}

/// How the packet goes on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// With the next rule (`XT_CONTINUE`).
    Continue,
    /// With the next rule, whatever else this one holds (`NFT_BREAK`).
    Break,
    /// Out of the base chain.
    Accept,
    /// Nowhere, for this reason.
    Drop(&'static str),
    /// Nowhere, with an answer.
    Reject(RejectWith),
    /// Not known, for this reason.
    Opaque(Box<str>),
}

macro_rules! registry {
    ($($variant:ident = $type:path: $($name:literal)|+;)*) => {
        /// A compiled target.
        #[derive(Debug)]
        pub(crate) enum Target {
            $(
                #[doc = concat!("`", stringify!($type), "`")]
                $variant($type),
            )*
            /// What it does is not known, for this reason; and whether a packet that it lets pass leaves the base chain.
            Opaque(Box<str>, bool),
        }

        /// Names of all targets that are modelled.
        pub(crate) const MODELLED: &[&str] = &[$($($name),+),*];

        impl Target {
            /// Compiles `-j NAME` with its options.
            pub(crate) fn parse(name: &str, args: Args<'_>) -> Self {
                let known = match name {
                    $($($name)|+ => <$type>::parse(args).map(Self::$variant),)*
                    _ => return Self::opaque(name, args),
                };
                known.unwrap_or_else(|| Self::Opaque(format!("target `{name}` has an option that is not modelled").into(), false))
            }

            /// Applies the target to the packet.
            pub(crate) fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
                match self {
                    $(Self::$variant(target) => target.apply(run, rule),)*
                    Self::Opaque(reason, _) => Effect::Opaque(reason.clone()),
                }
            }
        }
    };
}

registry! {
    Connmark = connmark::Connmark: "CONNMARK";
    Ct = ct::Ct: "CT" | "NOTRACK";
    Dnat = dnat::Dnat: "DNAT";
    Dnpt = npt::Dnpt: "DNPT";
    Dscp = dscp::Dscp: "DSCP";
    Ecn = ecn::Ecn: "ECN";
    Hmark = hmark::Hmark: "HMARK";
    Mark = mark::Mark: "MARK";
    Masquerade = masquerade::Masquerade: "MASQUERADE";
    Netmap = netmap::Netmap: "NETMAP";
    Noop = noop::Noop: "LOG" | "NFLOG" | "ULOG" | "TRACE" | "AUDIT" | "CHECKSUM" | "CLASSIFY" | "CONNSECMARK"
        | "IDLETIMER" | "LED" | "RATEEST" | "SECMARK" | "SET";
    Redirect = redirect::Redirect: "REDIRECT";
    Reject = reject::Reject: "REJECT";
    Snat = snat::Snat: "SNAT";
    Snpt = npt::Snpt: "SNPT";
    TcpMss = tcpmss::TcpMss: "TCPMSS";
    TcpOptStrip = tcpmss::TcpOptStrip: "TCPOPTSTRIP";
    Tee = tee::Tee: "TEE";
    Tos = tos::Tos: "TOS";
    Tproxy = tproxy::Tproxy: "TPROXY";
    Ttl = ttl::Ttl: "TTL" | "HL";
}

/// Targets that are known and not modelled, whether they end the base chain, and the reason.
pub(crate) const UNMODELLED: &[(&str, bool, &str)] = &[
    ("CLUSTERIP", true, "which node of the cluster takes the flow is up to a hash over it"),
    ("NFQUEUE", true, "a program decides, and without one the packet is dropped"),
    ("SYNPROXY", true, "this host answers the SYN itself, and asks the receiver only once the sender has acknowledged"),
];

impl Target {
    fn opaque(name: &str, mut args: Args<'_>) -> Self {
        if name == "NFQUEUE" && args.any(|arg| arg.name == "--queue-bypass") {
            return Self::Opaque("target `NFQUEUE`: a program decides, and without one the packet passes".into(), true);
        }
        let known = UNMODELLED.iter().find(|(known, ..)| *known == name);
        let (ends, reason) =
            known.map_or((false, "it is not known to the simulator"), |(_, ends, reason)| (*ends, *reason));
        Self::Opaque(format!("target `{name}`: {reason}").into(), ends)
    }

    /// Whether a packet that an unknown target lets pass leaves the base chain.
    pub(crate) fn ends_chain(&self) -> bool {
        matches!(self, Self::Opaque(_, true))
    }

    /// Whether no packet fares differently for it.
    pub(crate) fn is_harmless(&self) -> bool {
        matches!(self, Self::Noop(_))
    }
}

#[cfg(test)]
mod tests;
