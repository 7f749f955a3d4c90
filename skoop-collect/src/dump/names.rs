//! What iproute2 calls by name: devices, tables, scopes, protocols of routes.

use std::collections::HashMap;

use skoop_model::{IfIndex, TableId};

use super::fields::number;

/// First index of devices that are named and not listed. The kernel counts from 1 and never comes here.
const STRANGERS: u32 = 0x4000_0000;

/// Devices by name.
#[derive(Debug, Default)]
pub(super) struct Devices {
    by_name: HashMap<String, IfIndex>,
    strangers: u32,
}

impl Devices {
    pub(super) fn insert(&mut self, name: &str, index: IfIndex) {
        self.by_name.insert(name.to_owned(), index);
    }

    /// The index of a device. One that is not listed gets an index that no device has, so that a walk that meets it says so; `ifN`
    /// is what tools call number N that they do not know.
    pub(super) fn index(&mut self, name: &str) -> IfIndex {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let index = if let Some(number) = name.strip_prefix("if").and_then(|digits| digits.parse().ok()) {
            IfIndex(number)
        } else {
            self.strangers = self.strangers.wrapping_add(1);
            IfIndex(STRANGERS.wrapping_add(self.strangers))
        };
        self.insert(name, index);
        index
    }
}

/// A routing table by name or number (`/etc/iproute2/rt_tables`).
pub(super) fn table(text: &str) -> Result<TableId, String> {
    match text {
        "local" => Ok(TableId::LOCAL),
        "main" => Ok(TableId::MAIN),
        "default" => Ok(TableId::DEFAULT),
        "unspec" => Ok(TableId(0)),
        _ => numbered(text)
            .map(TableId)
            .ok_or_else(|| format!("table `{text}` is a name of the host that printed it: print numbers with `ip -N`")),
    }
}

/// A scope by name or number (`/etc/iproute2/rt_scopes`).
pub(super) fn scope(text: &str) -> Option<u8> {
    match text {
        "global" | "universe" => Some(0),
        "site" => Some(200),
        "link" => Some(253),
        "host" => Some(254),
        "nowhere" => Some(255),
        _ => numbered(text),
    }
}

/// Who installed a route (`/etc/iproute2/rt_protos`).
const ROUTE_PROTOCOLS: [(&str, u8); 24] = [
    ("unspec", 0),
    ("none", 0),
    ("redirect", 1),
    ("kernel", 2),
    ("boot", 3),
    ("static", 4),
    ("gated", 8),
    ("ra", 9),
    ("mrt", 10),
    ("zebra", 11),
    ("bird", 12),
    ("dnrouted", 13),
    ("xorp", 14),
    ("ntk", 15),
    ("dhcp", 16),
    ("keepalived", 18),
    ("mrouted", 17),
    ("babel", 42),
    ("openr", 99),
    ("bgp", 186),
    ("isis", 187),
    ("ospf", 188),
    ("rip", 189),
    ("eigrp", 192),
];

/// The number of a route's protocol. Nothing is decided by it, so that an unknown name is "unspec".
pub(super) fn route_protocol(text: &str) -> u8 {
    let named = ROUTE_PROTOCOLS.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
    named.or_else(|| numbered(text)).unwrap_or(0)
}

/// DSCP classes of `/etc/iproute2/rt_dsfield`.
const DSFIELDS: [(&str, u8); 22] = [
    ("default", 0),
    ("AF11", 0x28),
    ("AF12", 0x30),
    ("AF13", 0x38),
    ("AF21", 0x48),
    ("AF22", 0x50),
    ("AF23", 0x58),
    ("AF31", 0x68),
    ("AF32", 0x70),
    ("AF33", 0x78),
    ("AF41", 0x88),
    ("AF42", 0x90),
    ("AF43", 0x98),
    ("CS1", 0x20),
    ("CS2", 0x40),
    ("CS3", 0x60),
    ("CS4", 0x80),
    ("CS5", 0xA0),
    ("CS6", 0xC0),
    ("CS7", 0xE0),
    ("EF", 0xB8),
    ("CS0", 0),
];

/// A TOS byte by name or number.
pub(super) fn tos(text: &str) -> Result<u8, String> {
    let named = DSFIELDS.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    named.or_else(|| numbered(text)).ok_or_else(|| format!("tos `{text}` is not known"))
}

/// A device group by name or number (`/etc/iproute2/group`).
pub(super) fn group(text: &str) -> Option<u32> {
    if text == "default" { Some(0) } else { numbered(text) }
}

fn numbered<T: TryFrom<u64>>(text: &str) -> Option<T> {
    T::try_from(number(text)?).ok()
}
