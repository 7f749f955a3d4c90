//! Compiles expressions and sets of one table.

mod rule;

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use skoop_model::Family;

use super::ast::{self, BinaryOp, Element, Expr, SetRef};
use super::fields::{self, Demands};
use super::set::{Ranges, SetData, Stored, place};
use super::source::{
    CtKey, Fib, FibResult, Generator, Hashed, Header, MetaKey, PartKey, Source, TEXT, text_bits, text_range,
};
use crate::netfilter::common::{DevicePattern, bits};
use crate::netfilter::image::Base;
use crate::netfilter::nft::step::Step;
use crate::netfilter::table::{Rule, Verdict};
use crate::netfilter::targets::Target;
use crate::netfilter::test::Test;

/// A table that is being compiled.
#[derive(Debug)]
pub(super) struct Compiler<'a> {
    pub table: &'a ast::Table,
    pub chains: HashMap<&'a str, u32>,
    named: HashMap<&'a str, u32>,
    pub sets: Vec<SetData>,
    pub rules: Vec<Rule>,
    pub tests: Vec<Test>,
    pub programs: Vec<Box<[Step]>>,
    pub targets: Vec<Target>,
    pub devices: Vec<DevicePattern>,
    device_places: HashMap<Box<str>, u32>,
    /// How many rules have which unknown part, and the first of them by chain and number.
    pub unknown: HashMap<Box<str>, (u32, String)>,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(table: &'a ast::Table) -> Self {
        let chains = (0..).zip(&table.chains).map(|(number, chain)| (&*chain.name, number)).collect();
        let mut compiler = Self {
            table,
            chains,
            named: HashMap::new(),
            sets: Vec::new(),
            rules: Vec::new(),
            tests: Vec::new(),
            programs: Vec::new(),
            targets: Vec::new(),
            devices: vec![DevicePattern::parse("+")],
            device_places: HashMap::new(),
            unknown: HashMap::new(),
        };
        for set in &table.sets {
            let mut data = compiler.set_data(&set.elements);
            data.name = set.name.clone();
            data.id = id_of(table, &set.name);
            data.partial |= set.partial;
            data.dynamic = set.dynamic;
            let number = compiler.push_set(data);
            compiler.named.insert(&set.name, number);
        }
        compiler
    }

    fn push_set(&mut self, mut data: SetData) -> u32 {
        data.finish();
        self.sets.push(data);
        place(self.sets.len() - 1)
    }

    fn set_data(&mut self, elements: &[Element]) -> SetData {
        let mut data = SetData::default();
        for element in elements {
            if self.add_element(&mut data, element).is_none() {
                data.partial = true;
            }
        }
        data
    }

    fn add_element(&mut self, data: &mut SetData, element: &Element) -> Option<()> {
        let stored = match &element.value {
            None => Stored::Nothing,
            Some(Expr::Verdict(verdict)) => Stored::Verdict(self.verdict(verdict)),
            Some(value) => Stored::Data(ranges(value)?),
        };
        let limits = |statement: &ast::Statement| !matches!(statement, ast::Statement::Counter | ast::Statement::Last);
        // Whether an element with a limit counts depends on what came before.
        if element.statements.iter().any(limits) {
            return None;
        }
        match &element.key {
            Expr::Wildcard => data.add_catch_all(stored),
            key => data.add(ranges(key)?, stored),
        }
        Some(())
    }

    /// The set that an expression names or brings along; one that was not seen is of unknown contents.
    pub(super) fn set_ref(&mut self, set: &SetRef) -> u32 {
        match set {
            SetRef::Named(name) => {
                let set = self.named_set(name);
                if let Some(data) = usize::try_from(set).ok().and_then(|set| self.sets.get_mut(set)) {
                    data.asked = true;
                }
                set
            }
            SetRef::Anonymous(elements) => {
                let data = self.set_data(elements);
                self.push_set(data)
            }
        }
    }

    pub(super) fn named_set(&mut self, name: &str) -> u32 {
        let known = self.named.get(name).copied();
        known.unwrap_or_else(|| self.push_set(SetData::unseen(name)))
    }

    pub(super) fn verdict(&mut self, verdict: &ast::Verdict) -> Verdict {
        match verdict {
            ast::Verdict::Accept => Verdict::Accept,
            ast::Verdict::Drop => Verdict::Drop,
            ast::Verdict::Continue => Verdict::Continue,
            ast::Verdict::Return => Verdict::Return,
            ast::Verdict::Jump(name) => self.chain(name).map_or_else(|why| why, Verdict::Jump),
            ast::Verdict::Goto(name) => self.chain(name).map_or_else(|why| why, Verdict::Goto),
        }
    }

    fn chain(&mut self, name: &str) -> Result<u32, Verdict> {
        self.chains.get(name).copied().ok_or_else(|| {
            self.targets.push(Target::Opaque(format!("chain `{name}` is not in the dump").into(), true));
            Verdict::Target(place(self.targets.len() - 1))
        })
    }

    /// A device pattern, `*` at the end of a name taken as its rest.
    pub(super) fn device(&mut self, name: &str) -> u32 {
        if let Some(known) = self.device_places.get(name) {
            return *known;
        }
        self.devices.push(match name.strip_suffix('*') {
            Some(start) => DevicePattern::starting_with(start),
            None => DevicePattern::named(name),
        });
        let number = place(self.devices.len() - 1);
        self.device_places.insert(name.into(), number);
        number
    }

    /// The parts of a key.
    pub(super) fn key(&mut self, expr: &Expr) -> Box<[Source]> {
        match expr {
            Expr::Concat(parts) => parts.iter().map(|part| self.source(part)).collect(),
            one => Box::from([self.source(one)]),
        }
    }

    pub(super) fn source(&mut self, expr: &Expr) -> Source {
        match expr {
            Expr::Payload { protocol, field, tunnel: None } => payload(protocol, field),
            Expr::RawPayload { base, offset, length } => Source::Payload(raw_base(*base), *offset, *length),
            Expr::Meta(key) => Source::Meta(MetaKey::parse(key)),
            Expr::Ct { key, direction, family } => match CtKey::parse(key, *direction, *family) {
                CtKey::Other => Source::Unknown(format!("`ct {key}` of the flow is not known").into()),
                known => Source::Ct(known),
            },
            Expr::Fib { result, flags } => fib(result, flags),
            Expr::ExtensionHeader { name, field } => part(PartKey::extension(name, field.as_deref()), expr),
            Expr::TcpOption { name, field } => part(PartKey::tcp_option(name, field.as_deref()), expr),
            Expr::IpOption { name, field } => part(PartKey::ip_option(name, field.as_deref()), expr),
            Expr::SctpChunk { name, field } => part(PartKey::chunk(name, field.as_deref()), expr),
            Expr::Numgen { modulus, offset, .. } => generator(*modulus, *offset, false),
            Expr::Symhash { modulus, offset } => generator(*modulus, *offset, true),
            Expr::Jhash { expr, modulus, offset, seed } => self.jhash(expr, *modulus, *offset, *seed),
            Expr::Binary { op, left, right } => self.binary(*op, left, right),
            Expr::Map { key, map } => {
                let key = self.key(key);
                Source::Map(key, self.set_ref(map))
            }
            other => match constant(other) {
                Some((first, last)) if first == last => Source::Constant(first, width_of(other)),
                _ => Source::Unknown(format!("`{other}` is not judged").into()),
            },
        }
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr) -> Source {
        match (self.source(left), self.source(right)) {
            (Source::Constant(left, width), Source::Constant(right, _)) => {
                let shift = u32::try_from(right).unwrap_or(u32::MAX);
                let value = match op {
                    BinaryOp::And => left & right,
                    BinaryOp::Or => left | right,
                    BinaryOp::Xor => left ^ right,
                    BinaryOp::ShiftLeft => left.checked_shl(shift).unwrap_or(0),
                    BinaryOp::ShiftRight => left.checked_shr(shift).unwrap_or(0),
                };
                Source::Constant(value, width)
            }
            sides => Source::Binary(op, Box::new(sides)),
        }
    }

    /// A seed that was given is printed; one that the kernel drew is not.
    fn jhash(&mut self, expr: &Expr, modulus: u32, offset: u32, seed: Option<u32>) -> Source {
        let parts: &[Expr] = match expr {
            Expr::Concat(parts) => parts,
            one => std::slice::from_ref(one),
        };
        let length = |source: &Source| match source {
            Source::Payload(_, _, bits) => Some(usize::try_from(bits.div_ceil(8)).ok()?),
            Source::Header(Header::SourcePort | Header::DestinationPort) => Some(2),
            Source::Header(Header::Ttl | Header::TcpFlags | Header::IcmpType | Header::IcmpCode) => Some(1),
            _ => None,
        };
        let mut known = Vec::new();
        for part in parts {
            let source = self.source(part);
            let length = match part {
                Expr::Payload { protocol, field, .. } if field.ends_with("addr") && **protocol == *"ip" => Some(4),
                Expr::Payload { protocol, field, .. } if field.ends_with("addr") && **protocol == *"ip6" => Some(16),
                _ => length(&source),
            };
            known.extend(length.map(|length| (source, length)));
        }
        match seed {
            Some(seed) if known.len() == parts.len() => {
                Source::Hash(Box::new(Hashed { parts: known, modulus, offset, seed }))
            }
            _ => generator(modulus, offset, true),
        }
    }
}

/// A number for the set of this name, by FNV-1a.
fn id_of(table: &ast::Table, name: &str) -> u64 {
    let texts = [table.family.name(), " ", &table.name, " ", name];
    let bytes = texts.into_iter().flat_map(str::bytes);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)).max(1)
}

fn generator(modulus: u32, offset: u32, hashed: bool) -> Source {
    Source::Generator(Generator { modulus: modulus.max(1), offset, hashed })
}

fn part(key: Option<PartKey>, expr: &Expr) -> Source {
    key.map_or_else(|| Source::Unknown(format!("`{expr}` is not modelled").into()), Source::Part)
}

fn payload(protocol: &str, field: &str) -> Source {
    let header = match (protocol, field) {
        ("ip" | "ip6", "saddr") => Header::Source,
        ("ip" | "ip6", "daddr") => Header::Destination,
        ("ip", "protocol") => return Source::Meta(MetaKey::L4Proto),
        ("ip", "ttl") | ("ip6", "hoplimit") => Header::Ttl,
        ("tcp", "flags") => Header::TcpFlags,
        ("icmp" | "icmpv6", "type") => Header::IcmpType,
        ("icmp" | "icmpv6", "code") => Header::IcmpCode,
        ("tcp" | "udp" | "udplite" | "sctp" | "dccp" | "th", "sport") => Header::SourcePort,
        ("tcp" | "udp" | "udplite" | "sctp" | "dccp" | "th", "dport") => Header::DestinationPort,
        _ => {
            let unknown = || Source::Unknown(format!("`{protocol} {field}` is not modelled").into());
            let found = fields::place(protocol, field);
            return found.map_or_else(unknown, |(base, offset, length)| Source::Payload(base, offset, length));
        }
    };
    Source::Header(header)
}

fn raw_base(base: ast::PayloadBase) -> Base {
    match base {
        ast::PayloadBase::Link => Base::Link,
        ast::PayloadBase::Network => Base::Network,
        ast::PayloadBase::Transport => Base::Transport,
        ast::PayloadBase::Inner => Base::Inner,
    }
}

fn fib(result: &str, flags: &[Box<str>]) -> Source {
    let has = |flag: &str| flags.iter().any(|known| **known == *flag);
    let result = match result {
        "type" => FibResult::Type,
        "check" => FibResult::Presence,
        _ => FibResult::Device,
    };
    let (mark, iif, oif) = (has("mark"), has("iif"), has("oif"));
    Source::Fib(Box::new(Fib { result, source: has("saddr"), mark, iif, oif }))
}

/// What fields an expression looks at demand of the packet.
pub(super) fn demands(expr: &Expr, demands: &mut Demands) {
    match expr {
        Expr::Payload { protocol, tunnel: None, .. } => demands.add(protocol),
        Expr::Concat(parts) => parts.iter().for_each(|part| self::demands(part, demands)),
        Expr::Binary { left, right, .. } => {
            self::demands(left, demands);
            self::demands(right, demands);
        }
        Expr::Map { key, .. } => self::demands(key, demands),
        Expr::Jhash { expr, .. } => self::demands(expr, demands),
        Expr::Payload { protocol, .. } => demands.add(if **protocol == *"vxlan" { "udp" } else { protocol }),
        Expr::DccpOption(_) => demands.add("dccp"),
        _ => {}
    }
}

/// The ranges of a value, one for each part of a concatenation.
pub(super) fn ranges(expr: &Expr) -> Option<Ranges> {
    match expr {
        Expr::Concat(parts) if parts.len() <= super::set::MAX_PARTS => parts.iter().map(constant).collect(),
        Expr::Concat(_) => None,
        one => Some(Box::from([constant(one)?])),
    }
}

/// The smallest and largest value that a constant stands for.
pub(super) fn constant(expr: &Expr) -> Option<(u128, u128)> {
    let single = |value: u128| Some((value, value));
    match expr {
        Expr::Number(number) => single((*number).into()),
        Expr::Bool(flag) => single((*flag).into()),
        Expr::Address(address) => single(bits(*address)),
        Expr::Mac(mac) => single(mac.iter().fold(0, |all, byte| (all << 8) | u128::from(*byte))),
        Expr::Prefix(net) => Some((bits(net.network()), bits(last_of(net)))),
        Expr::Text(text) => match text.strip_suffix('*') {
            Some(start) => Some((text_range(start, 0), text_range(start, 0xff))),
            None => single(text_bits(text)),
        },
        Expr::Range(ends) => {
            let ((first, _), (_, last)) = (constant(&ends.0)?, constant(&ends.1)?);
            (first <= last).then_some((first, last))
        }
        Expr::Binary { op: BinaryOp::Or, left, right } => {
            let ((left, same), (right, _)) = (constant(left)?, constant(right)?);
            (left == same).then_some((left | right, left | right))
        }
        _ => None,
    }
}

/// The last address of a prefix, which is not always a broadcast address.
fn last_of(net: &IpNet) -> IpAddr {
    net.broadcast()
}

fn width_of(expr: &Expr) -> u32 {
    match expr {
        Expr::Address(address) => u32::from(Family::of(*address).bits()),
        Expr::Number(_) => 64,
        Expr::Bool(_) => 1,
        Expr::Mac(_) => 48,
        _ => TEXT,
    }
}
