//! Sets of `ipset save` (`net/netfilter/ipset/`).
//!
//! What is in the dump is in the set: an element with a timeout had not run out when it was taken.

mod element;
mod iface;
mod layout;
mod table;

use std::collections::HashMap;

use skoop_model::{Family, Item, MacAddr, Protocol, Transport, Unseen};

use super::common::bits;
use super::run::Run;
use super::words::Words;
use crate::Tri;
use crate::conntrack::Origin;
use element::ElementOptions;
use iface::IfaceSet;
pub(crate) use layout::TYPES;
use layout::{Dimension, Layout};
use table::Table;

/// All sets of a namespace.
#[derive(Debug, Default)]
pub(crate) struct Sets(HashMap<Box<str>, Set>);

/// Which end of the packet a dimension of a set looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Src,
    Dst,
}

impl Side {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "src" => Some(Self::Src),
            "dst" => Some(Self::Dst),
            _ => None,
        }
    }
}

/// What a rule asks of a set.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// End of the packet for each dimension.
    pub sides: Box<[Side]>,
    /// An entry marked `nomatch` counts as found, others as not.
    pub return_nomatch: bool,
    /// The counters of the entry have to fit as well; what they hold now is not known.
    pub counters: bool,
}

/// One set.
#[derive(Debug)]
struct Set {
    kind: Kind,
    /// It was made with `counters`.
    counters: bool,
}

#[derive(Debug)]
enum Kind {
    /// Addresses, ports, marks, MAC addresses.
    Table(Table),
    /// `hash:net,iface`.
    Iface(IfaceSet),
    /// `bitmap:ip,mac`: an address whose MAC address is not told fits any.
    IpMac(HashMap<u128, Option<MacAddr>>),
    /// `list:set`.
    List(Vec<Box<str>>),
    /// Of a type, or with an option, that is not modelled.
    Opaque,
}

/// What a packet has in one dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Known(u128),
    /// Nothing of the kind: it is in no set.
    Missing,
    /// It is not known.
    Unknown,
}

impl Sets {
    /// Reads `ipset save`. Without a dump every set is unknown, which shows where a rule asks for one.
    pub(crate) fn read(dump: &Item<String>, problems: &mut Vec<Unseen>) -> Self {
        let mut sets = Self::default();
        let text = match dump.get() {
            Ok(text) => text,
            Err(why) => {
                problems.push(Unseen { what: "ipset sets".to_owned(), why: why.to_string(), matters: false });
                return sets;
            }
        };
        for line in text.lines().filter(|line| !line.trim_ascii().is_empty()) {
            if sets.line(line).is_none() {
                let what = format!("ipset line `{}`", line.chars().take(200).collect::<String>());
                problems.push(Unseen { what, why: "it is not understood".to_owned(), matters: false });
            }
        }
        for set in sets.0.values_mut() {
            match &mut set.kind {
                Kind::Table(table) => table.finish(),
                Kind::Iface(set) => set.finish(),
                _ => {}
            }
        }
        sets
    }

    fn line(&mut self, line: &str) -> Option<()> {
        // Only comments and odd names are quoted.
        if line.contains('"') {
            let words: Vec<_> = Words::new(line).map(|word| word.text).collect();
            self.words(words.iter().map(AsRef::as_ref))
        } else {
            self.words(line.split_ascii_whitespace())
        }
    }

    fn words<'t>(&mut self, mut words: impl Iterator<Item = &'t str>) -> Option<()> {
        let command = words.next()?;
        let name = words.next()?;
        match command {
            "create" | "-N" => {
                let kind = words.next()?;
                self.0.insert(name.into(), Set::create(kind, words));
                Some(())
            }
            "add" | "-A" => {
                let element = words.next()?;
                let options = ElementOptions::read(words);
                let set = self.0.get_mut(name)?;
                match (&mut set.kind, options) {
                    (Kind::Table(table), Some(options)) => table.add(element, &options),
                    (Kind::Iface(set), Some(options)) => set.add(element, &options),
                    (Kind::IpMac(elements), Some(_)) => return add_ip_mac(elements, element),
                    (Kind::List(members), _) => members.push(element.into()),
                    (Kind::Opaque, _) => {}
                    (_, None) => {
                        set.kind = Kind::Opaque;
                        return None;
                    }
                }
                Some(())
            }
            _ => None,
        }
    }

    /// Whether the packet is in the set (`ip_set_test`, `net/netfilter/ipset/ip_set_core.c`).
    pub(crate) fn contains(&self, name: &str, question: &Question, run: &Run<'_>) -> Tri {
        match self.0.get(name) {
            Some(Set { kind: Kind::List(members), .. }) => members.iter().fold(Tri::No, |any, member| {
                any.or(match self.0.get(member) {
                    // A list in a list is not possible.
                    None | Some(Set { kind: Kind::List(_), .. }) => Tri::Maybe,
                    Some(set) => set.contains(question, run),
                })
            }),
            Some(set) => set.contains(question, run),
            None => Tri::Maybe,
        }
    }
}

impl Set {
    fn create<'t>(kind: &str, options: impl Iterator<Item = &'t str>) -> Self {
        let Some((layout, counters)) = Layout::parse(kind, options) else {
            return Self { kind: Kind::Opaque, counters: false };
        };
        let kind = match kind {
            "list:set" => Kind::List(Vec::new()),
            "bitmap:ip,mac" => Kind::IpMac(HashMap::new()),
            "hash:net,iface" => Kind::Iface(IfaceSet::new(layout)),
            _ => Kind::Table(Table::new(layout)),
        };
        Self { kind, counters }
    }

    fn contains(&self, question: &Question, run: &Run<'_>) -> Tri {
        let found = match &self.kind {
            Kind::Table(table) => table.contains(question, run),
            Kind::Iface(set) => set.contains(question, run),
            Kind::IpMac(elements) => contains_ip_mac(elements, question, run),
            Kind::List(_) | Kind::Opaque => return Tri::Maybe,
        };
        if question.counters && self.counters { found.and(Tri::Maybe) } else { found }
    }
}

fn add_ip_mac(elements: &mut HashMap<u128, Option<MacAddr>>, text: &str) -> Option<()> {
    let (address, mac) = text.split_once(',').map_or((text, None), |(address, mac)| (address, Some(mac)));
    let mac = mac.map(str::parse).transpose().ok()?;
    elements.insert(bits(address.parse().ok()?), mac);
    Some(())
}

/// `bitmap_ipmac_kadt`, `net/netfilter/ipset/ip_set_bitmap_ipmac.c`.
fn contains_ip_mac(elements: &HashMap<u128, Option<MacAddr>>, question: &Question, run: &Run<'_>) -> Tri {
    let [first, second, ..] = &*question.sides else { return Tri::No };
    let (Value::Known(address), mac) =
        (value_of(Dimension::Address, *first, run), value_of(Dimension::Mac, *second, run))
    else {
        return Tri::No;
    };
    if run.packet.family() != Family::V4 || mac == Value::Missing {
        return Tri::No;
    }
    match (elements.get(&address), mac) {
        (None, _) => Tri::No,
        (Some(None), _) => Tri::Yes,
        (Some(Some(wanted)), Value::Known(mac)) => (mac_number(*wanted) == mac).into(),
        (Some(Some(_)), _) => Tri::Maybe,
    }
}

/// What the packet has in one dimension.
fn value_of(dimension: Dimension, side: Side, run: &Run<'_>) -> Value {
    let packet = &*run.packet;
    let address = match side {
        Side::Src => packet.src,
        Side::Dst => packet.dst,
    };
    let port = match side {
        Side::Src => packet.sport(),
        Side::Dst => packet.dport(),
    };
    Value::Known(match dimension {
        Dimension::Address | Dimension::Prefix => bits(address),
        Dimension::Mark => u128::from(packet.mark.0),
        // `ip_set_get_ip_port`: of TCP and UDP only.
        Dimension::BarePort => match (packet.protocol, port) {
            (Protocol::TCP | Protocol::UDP, Some(port)) if !packet.is_later_fragment() => u128::from(port.0),
            _ => return Value::Missing,
        },
        Dimension::Port => return port_of(side, run),
        Dimension::Mac => return mac_of(side, run),
    })
}

/// `get_port`, `net/netfilter/ipset/ip_set_getport.c`: type and code stand for the ports of ICMP; other protocols have port 0.
fn port_of(side: Side, run: &Run<'_>) -> Value {
    let packet = &*run.packet;
    let port = match side {
        Side::Src => packet.sport(),
        Side::Dst => packet.dport(),
    };
    let number = match packet.transport {
        Transport::Icmp { kind, code, .. } => u16::from_be_bytes([kind, code]),
        Transport::Tcp { .. } | Transport::Udp { .. } | Transport::Sctp { .. } => port.map_or(0, |port| port.0),
        Transport::Dccp { .. } | Transport::Other => 0,
    };
    let headed =
        !matches!(packet.transport, Transport::Dccp { .. } | Transport::Other) || packet.family() == Family::V6;
    if packet.is_later_fragment() && headed {
        return Value::Missing;
    }
    Value::Known(element::port_value(packet.protocol, number))
}

/// `hash_mac4_kadt`, `net/netfilter/ipset/ip_set_hash_mac.c`: a MAC address of zeros is none.
fn mac_of(side: Side, run: &Run<'_>) -> Value {
    let mac = match side {
        Side::Src => run.state.source_mac,
        Side::Dst => run.packet.details.as_ref().and_then(|details| details.dst_mac),
    };
    match mac {
        Some(MacAddr::ZERO) => Value::Missing,
        Some(mac) => Value::Known(mac_number(mac)),
        None if run.state.origin == Some(Origin::Local) => Value::Missing,
        None => Value::Unknown,
    }
}

fn mac_number(mac: MacAddr) -> u128 {
    mac.0.iter().fold(0, |all, byte| (all << 8) | u128::from(*byte))
}

#[cfg(test)]
mod tests;
