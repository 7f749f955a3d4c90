//! `DNAT` (`net/netfilter/xt_nat.c`): a new destination for the flow.

use std::net::IpAddr;

use skoop_model::Family;

use super::{Applied, Effect};
use crate::conntrack::{Manip, NatRange};
use crate::netfilter::args::{Args, addresses, port};
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug)]
pub(crate) struct Dnat(NatRange);

/// `ADDRESS[-ADDRESS][:PORT[-PORT[/BASE]]]`, as DNAT and SNAT have it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Destination {
    pub addresses: Option<(IpAddr, IpAddr)>,
    pub ports: Option<(u16, u16)>,
    pub base: Option<u16>,
}

impl Destination {
    pub(super) fn parse(text: &str, family: Family) -> Option<Self> {
        let (address, ports) = match (family, text.strip_prefix('[')) {
            (_, Some(bracketed)) => {
                let (address, rest) = bracketed.split_once(']')?;
                // `[fd00::1]-[fd00::9]:80`: brackets around each address.
                match rest.strip_prefix("-[").and_then(|rest| rest.split_once(']')) {
                    Some((last, rest)) => return Self::with_ports(&format!("{address}-{last}"), rest, family),
                    None => (address, rest),
                }
            }
            (Family::V4, None) => text.find(':').map_or((text, ""), |at| text.split_at(at)),
            (Family::V6, None) => (text, ""),
        };
        Self::with_ports(address, ports, family)
    }

    fn with_ports(address: &str, ports: &str, family: Family) -> Option<Self> {
        let mut parsed = Self::default();
        if !address.is_empty() {
            parsed.addresses = Some(addresses(address, family)?);
        }
        if !ports.is_empty() {
            let ports = ports.strip_prefix(':')?;
            let (range, base) = ports.split_once('/').map_or((ports, None), |(range, base)| (range, Some(base)));
            parsed.ports = Some(port_range(range)?);
            parsed.base = base.map(|base| port(base).ok_or(())).transpose().ok()?;
        }
        Some(parsed)
    }
}

/// `FIRST[-LAST]`.
pub(super) fn port_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = (port(first)?, port(last)?);
    (range.0 <= range.1).then_some(range)
}

/// The options of DNAT and SNAT; `option` is the one that says where to.
pub(super) fn range(args: Args<'_>, option: &str) -> Option<NatRange> {
    let family = args.family;
    let (mut to, mut range) = (None, NatRange::default());
    for arg in args {
        arg.plain()?;
        match arg.name {
            name if name == option && to.is_none() => to = Some(Destination::parse(arg.value()?, family)?),
            "--random" | "--random-fully" => range.random = arg.flag().is_some(),
            "--persistent" => range.persistent = arg.flag().is_some(),
            _ => return None,
        }
    }
    let Destination { addresses, ports, base } = to?;
    Some(NatRange { addresses, ports, base, ..range })
}

/// The options of MASQUERADE and REDIRECT.
pub(super) fn ports_only(args: Args<'_>) -> Option<NatRange> {
    let mut range = NatRange::default();
    for arg in args {
        arg.plain()?;
        match arg.name {
            "--to-ports" => range.ports = Some(port_range(arg.value()?)?),
            "--random" | "--random-fully" => range.random = arg.flag().is_some(),
            _ => return None,
        }
    }
    Some(range)
}

impl Applied for Dnat {
    fn parse(args: Args<'_>) -> Option<Self> {
        range(args, "--to-destination").map(Self)
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        run.nat(Manip::Destination, self.0, rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_of_both_families() {
        let v4 = |text| Destination::parse(text, Family::V4);
        let v6 = |text| Destination::parse(text, Family::V6);
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let one = |text, ports, base| Some(Destination { addresses: Some((ip(text), ip(text))), ports, base });
        assert_eq!(v4("10.0.0.1"), one("10.0.0.1", None, None));
        assert_eq!(v4("10.0.0.1:80"), one("10.0.0.1", Some((80, 80)), None));
        assert_eq!(v4("10.0.0.1:80-90/8080"), one("10.0.0.1", Some((80, 90)), Some(8080)));
        assert_eq!(v4(":80"), Some(Destination { ports: Some((80, 80)), ..Destination::default() }));
        assert_eq!(v4("10.0.0.1-10.0.0.3").and_then(|to| to.addresses), Some((ip("10.0.0.1"), ip("10.0.0.3"))));
        assert_eq!(v6("fd00::1"), one("fd00::1", None, None));
        assert_eq!(v6("[fd00::1]:80"), one("fd00::1", Some((80, 80)), None));
        assert_eq!(v6("[fd00::1]-[fd00::3]:80").and_then(|to| to.addresses), Some((ip("fd00::1"), ip("fd00::3"))));
        for bad in ["fd00::1", "10.0.0.1:", "10.0.0.1:x", "10.0.0.3-10.0.0.1", "10.0.0.1:90-80"] {
            assert_eq!(v4(bad), None, "{bad}");
        }
    }
}
