//! Targets: one file each, one line in the registry.

mod connmark;
mod ct;
mod dnat;
mod dscp;
mod mark;
mod masquerade;
mod netmap;
mod noop;
mod ops;
mod redirect;
mod reject;
mod snat;
mod tos;
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
                    _ => return Self::opaque(name),
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
    Dscp = dscp::Dscp: "DSCP";
    Mark = mark::Mark: "MARK";
    Masquerade = masquerade::Masquerade: "MASQUERADE";
    Netmap = netmap::Netmap: "NETMAP";
    Noop = noop::Noop: "LOG" | "NFLOG" | "ULOG" | "TRACE" | "AUDIT" | "CHECKSUM" | "CLASSIFY" | "CONNSECMARK"
        | "IDLETIMER" | "LED" | "RATEEST" | "SECMARK" | "SET" | "TCPMSS" | "TCPOPTSTRIP" | "TEE";
    Redirect = redirect::Redirect: "REDIRECT";
    Reject = reject::Reject: "REJECT";
    Snat = snat::Snat: "SNAT";
    Tos = tos::Tos: "TOS";
    Ttl = ttl::Ttl: "TTL" | "HL";
}

/// Targets that are known and not modelled, whether they end the base chain, and the reason.
pub(crate) const UNMODELLED: &[(&str, bool, &str)] = &[
    ("CLUSTERIP", true, "the hash over the flow is not modelled"),
    ("DNPT", false, "prefix translation is not modelled"),
    ("ECN", false, "the ECN bits of TCP are not modelled"),
    ("HMARK", false, "the hash that becomes the mark is not modelled"),
    ("NFQUEUE", true, "a program decides"),
    ("SNPT", false, "prefix translation is not modelled"),
    ("SYNPROXY", true, "the proxied handshake is not modelled"),
    ("TPROXY", true, "handing over to a local socket is not modelled"),
];

impl Target {
    fn opaque(name: &str) -> Self {
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
