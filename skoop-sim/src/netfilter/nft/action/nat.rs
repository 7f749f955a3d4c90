//! `dnat`, `snat`, `masquerade`, `redirect` (`net/netfilter/nft_nat.c`, `nft_masq.c`, `nft_redir.c`).

use skoop_model::Family;

use super::header::address;
use crate::conntrack::{Manip, NatRange};
use crate::netfilter::common::{Net, bits};
use crate::netfilter::nft::ast::NatKind;
use crate::netfilter::nft::set::{Found, Stored};
use crate::netfilter::nft::source::{Scope, Source, key_of};
use crate::netfilter::nft::step::draw;
use crate::netfilter::run::Run;
use crate::netfilter::table::{RuleId, Table};
use crate::netfilter::targets::Effect;

/// One statement.
#[derive(Debug)]
pub(crate) struct NatAction {
    pub kind: NatKind,
    /// It concerns packets of this family only.
    pub family: Option<Family>,
    /// Address; address and port where a map gives both.
    pub address: Option<NatPart>,
    pub port: Option<NatPart>,
    pub random: bool,
    pub persistent: bool,
    /// Host bits of the address are kept.
    pub netmap: bool,
}

/// Where an address or a port comes from.
#[derive(Debug)]
pub(crate) enum NatPart {
    /// A range for each part.
    Fixed(Box<[(u128, u128)]>),
    /// Key, and map by its place in the table.
    Map(Box<[Source]>, u32),
    Value(Source),
}

/// What a part gives: ranges, or how the rule ends instead.
type Ranges = Result<Vec<(u128, u128)>, Effect>;

impl NatPart {
    fn ranges(&self, run: &mut Run<'_>, table: &Table, rule: RuleId) -> Ranges {
        let unknown = |why: Option<String>| {
            Err(Effect::Opaque(why.unwrap_or_else(|| "what it translates to is not known".to_owned()).into()))
        };
        match self {
            Self::Fixed(ranges) => Ok(ranges.to_vec()),
            Self::Value(source) => {
                let drawn = draw(std::slice::from_ref(source), u32::MAX, run, table, rule);
                match source.eval(run, Scope { sets: &table.sets, drawn }) {
                    None => Err(Effect::Break),
                    Some(value) => {
                        value.exact().map_or_else(|| unknown(source.doubt()), |value| Ok(vec![(value, value)]))
                    }
                }
            }
            Self::Map(key, set) => {
                let drawn = draw(key, *set, run, table, rule);
                let Some(values) = key_of(key, run, Scope { sets: &table.sets, drawn }) else {
                    return Err(Effect::Break);
                };
                let Some(set) = table.set(*set) else { return unknown(None) };
                let found = match set.find(values.as_slice(), run.conntrack.set_changes()) {
                    Found::Miss => return Err(Effect::Break),
                    Found::Added | Found::Doubt { .. } => return unknown(key.iter().find_map(Source::doubt)),
                    Found::Hit(element) => usize::try_from(element).ok().and_then(|element| set.stored.get(element)),
                };
                match found {
                    Some(Stored::Data(ranges)) => Ok(ranges.to_vec()),
                    _ => unknown(None),
                }
            }
        }
    }
}

impl NatAction {
    pub(super) fn apply(&self, run: &mut Run<'_>, table: &Table, rule: RuleId) -> Effect {
        let family = run.packet.family();
        // `nft_nat_inet_eval`: a statement for the other family does nothing.
        if self.family.is_some_and(|own| own != family) {
            return Effect::Continue;
        }
        let range = match self.range(run, table, rule) {
            Ok(range) => range,
            Err(effect) => return effect,
        };
        let manip = match self.kind {
            NatKind::Masquerade => return run.masquerade(range, rule),
            NatKind::Redirect => return run.redirect(range, rule),
            NatKind::Dnat => Manip::Destination,
            NatKind::Snat => Manip::Source,
        };
        match range.addresses.filter(|_| self.netmap) {
            // `nft_nat_setup_netmap`.
            Some((first, last)) => {
                let host = bits(first) ^ bits(last);
                run.netmap(manip, Net { address: bits(first) & !host, mask: !host }, rule)
            }
            None => run.nat(manip, range, rule),
        }
    }

    /// The ranges of addresses and of ports.
    fn range(&self, run: &mut Run<'_>, table: &Table, rule: RuleId) -> Result<NatRange, Effect> {
        let family = run.packet.family();
        let mut all = match &self.address {
            Some(part) => part.ranges(run, table, rule)?,
            None => Vec::new(),
        };
        let mut ports = if all.len() > 1 { all.pop() } else { None };
        if let Some(part) = &self.port {
            ports = part.ranges(run, table, rule)?.first().copied();
        }
        let broken = || Effect::Opaque("what it translates to is not understood".into());
        let addresses = match all.first() {
            None => None,
            Some((first, last)) => Some(address(family, *first).zip(address(family, *last)).ok_or_else(broken)?),
        };
        let port = |port: u128| u16::try_from(port).map_err(|_| broken());
        let ports = match ports {
            None => None,
            Some((first, last)) => Some((port(first)?, port(last)?)),
        };
        Ok(NatRange { addresses, ports, base: None, random: self.random, persistent: self.persistent })
    }
}

/// `tproxy to` (`net/netfilter/nft_tproxy.c`): what has no socket to go to is not matched. Unlike that of iptables it ends no chain.
pub(super) fn tproxy(
    run: &mut Run<'_>,
    table: &Table,
    rule: RuleId,
    family: Option<Family>,
    parts: [Option<&NatPart>; 2],
) -> Effect {
    if family.is_some_and(|family| family != run.packet.family()) {
        return Effect::Break;
    }
    let mut values = [None, None];
    for (value, part) in values.iter_mut().zip(parts) {
        *value = match part.map(|part| part.ranges(run, table, rule)) {
            None => None,
            Some(Ok(ranges)) => ranges.first().map(|(first, _)| *first),
            Some(Err(effect)) => return effect,
        };
    }
    let [to, port] = values;
    let to = to.and_then(|bits| address(run.packet.family(), bits));
    match run.tproxy(to, port.and_then(|port| u16::try_from(port).ok()), |mark| mark, rule) {
        Effect::Accept => Effect::Continue,
        Effect::Drop(_) => Effect::Break,
        other => other,
    }
}
