//! Netfilter dumps, verbatim. What there is to dump is asked first, by netlink and procfs, so that a namespace without rules costs
//! no process and no table comes into being by asking for it.

use std::io;

use netlink_sys::protocols::NETLINK_NETFILTER;
use rustix::io::Errno;
use skoop_model::{Family, Item, NetfilterDumps, Reason, Unavailable};

use super::modules::{Modules, Part, Presence};
use super::netlink::{Netlink, NetlinkError, attribute, attributes, text};
use super::tool::{Running, Tools};
use super::{item, now_ms};

/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE`.
const NFT_GET_TABLE: u16 = 10 << 8 | 1;
const NFTA_TABLE_NAME: u16 = 1;
/// `NFNL_SUBSYS_IPSET << 8 | IPSET_CMD_LIST`.
const IPSET_LIST: u16 = 6 << 8 | 7;
/// `IPSET_ATTR_PROTOCOL`: version 6, which every kernel since 2.6.39 speaks.
const IPSET_PROTOCOL: (u16, u8) = (1, 6);
/// `IPSET_ATTR_FLAGS` with `NLA_F_NET_BYTEORDER`.
const IPSET_FLAGS: u16 = 6 | 0x4000;
/// `IPSET_FLAG_LIST_SETNAME`: names only.
const IPSET_NAMES_ONLY: u32 = 2;
/// Length of `struct nfgenmsg`.
const HEADER: usize = 4;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
/// The tables that `iptables-nft` knows; `iptables-nft-save` passes over all others.
const IPTABLES: [&str; 5] = ["filter", "mangle", "nat", "raw", "security"];
/// What `nft -j` says of no rules at all, less its version.
const NO_RULESET: &str = "{\"nftables\": []}";

/// Dumps under way: the tools run while the caller reads on.
pub(super) struct Pending {
    legacy_v4: Dump,
    legacy_v6: Dump,
    nft_v4: Dump,
    nft_v6: Dump,
    nft_json: Dump,
    ipset: Dump,
}

/// One dump: the tools to wait for, or what is known without any.
enum Dump {
    Running(Vec<Running>),
    Done(Item<String>),
}

/// Starts the dumps of the thread's namespace.
pub(super) fn start(tools: &Tools, modules: &Modules) -> Pending {
    let tables = ask(modules, Part::NfTables, nft_tables);
    let has = |family: u8| {
        tables
            .as_ref()
            .map(|tables| tables.iter().any(|table| table.family == family && IPTABLES.contains(&table.name.as_str())))
    };
    Pending {
        legacy_v4: legacy(tools, Family::V4),
        legacy_v6: legacy(tools, Family::V6),
        nft_v4: Dump::of(has(NFPROTO_IPV4), "", || {
            tools.start(&[&["iptables-nft-save"], &["xtables-nft-multi", "iptables-save"]])
        }),
        nft_v6: Dump::of(has(NFPROTO_IPV6), "", || {
            tools.start(&[&["ip6tables-nft-save"], &["xtables-nft-multi", "ip6tables-save"]])
        }),
        nft_json: Dump::of(tables.as_ref().map(|tables| !tables.is_empty()), NO_RULESET, || {
            tools.start(&[&["nft", "-j", "list", "ruleset"]])
        }),
        ipset: Dump::of(ask(modules, Part::IpSet, ip_sets).as_ref().map(|exist| *exist), "", || {
            tools.start(&[&["ipset", "save"]])
        }),
    }
}

impl Pending {
    /// Waits for the tools.
    pub(super) fn finish(self) -> NetfilterDumps {
        NetfilterDumps {
            legacy_v4: self.legacy_v4.finish(),
            legacy_v6: self.legacy_v6.finish(),
            nft_v4: self.nft_v4.finish(),
            nft_v6: self.nft_v6.finish(),
            nft_json: self.nft_json.finish(),
            ipset: self.ipset.finish(),
            ..NetfilterDumps::not_collected()
        }
    }
}

impl Dump {
    /// A dump by the tool that `start` starts, where something `exists`; else `nothing`.
    fn of(
        exists: Result<bool, &Unavailable>,
        nothing: &str,
        start: impl FnOnce() -> Result<Running, Unavailable>,
    ) -> Self {
        match exists {
            Ok(true) => start().map_or_else(|why| Self::Done(Item::Unavailable(why)), |run| Self::Running(vec![run])),
            Ok(false) => Self::Done(Item::known(now_ms(), nothing.to_owned())),
            Err(why) => Self::Done(Item::Unavailable(why.clone())),
        }
    }

    fn finish(self) -> Item<String> {
        match self {
            Self::Done(item) => item,
            Self::Running(tools) => item(|| tools.into_iter().map(Running::finish).collect::<Result<String, _>>()),
        }
    }
}

/// `iptables-legacy-save -t TABLE` of the tables that exist. Without `-t`, or for a table that does not exist, it would create it.
fn legacy(tools: &Tools, family: Family) -> Dump {
    let (list, tool, subcommand) = match family {
        Family::V4 => ("/proc/thread-self/net/ip_tables_names", "iptables-legacy-save", "iptables-save"),
        Family::V6 => ("/proc/thread-self/net/ip6_tables_names", "ip6tables-legacy-save", "ip6tables-save"),
    };
    let names = match std::fs::read_to_string(list) {
        Ok(names) => names,
        // No `ip_tables` in the kernel.
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Dump::Done(Item::Unavailable(super::unavailable(&format!("read {list}"), &error))),
    };
    if names.trim().is_empty() {
        return Dump::Done(Item::known(now_ms(), String::new()));
    }
    names
        .lines()
        .map(|table| tools.start(&[&[tool, "-t", table], &["xtables-legacy-multi", subcommand, "-t", table]]))
        .collect::<Result<Vec<_>, _>>()
        .map_or_else(|why| Dump::Done(Item::Unavailable(why)), Dump::Running)
}

/// Asks a part of nfnetlink that may not be there.
fn ask<T: Default>(
    modules: &Modules,
    part: Part,
    question: impl FnOnce(&mut Netlink) -> Result<T, NetlinkError>,
) -> Result<T, Unavailable> {
    match modules.presence(part) {
        Presence::Askable => {}
        Presence::Absent => return Ok(T::default()),
        Presence::Unknown => {
            let detail = format!("{} may be a module that is not loaded, and asking would load it", part.module());
            return Err(Unavailable::new(Reason::Unsupported, detail));
        }
    }
    let mut netlink = match Netlink::open("open a netfilter socket", NETLINK_NETFILTER) {
        Err(error) if error.is(Errno::PROTONOSUPPORT) => return Ok(T::default()),
        netlink => netlink?,
    };
    match question(&mut netlink) {
        // `nfnetlink_rcv_msg`: no such subsystem.
        Err(error) if error.is(Errno::INVAL) || error.is(Errno::OPNOTSUPP) => Ok(T::default()),
        answer => Ok(answer?),
    }
}

#[derive(Debug)]
struct Table {
    family: u8,
    name: String,
}

fn nft_tables(netlink: &mut Netlink) -> Result<Vec<Table>, NetlinkError> {
    netlink.dump("list nf_tables", NFT_GET_TABLE, &[0; HEADER], |_, payload| {
        let name = attributes(payload, HEADER).find(|(kind, _)| *kind == NFTA_TABLE_NAME).map(|(_, value)| text(value));
        Ok(payload.first().zip(name).map(|(family, name)| Table { family: *family, name }))
    })
}

/// Whether any IP set exists.
fn ip_sets(netlink: &mut Netlink) -> Result<bool, NetlinkError> {
    let (protocol, version) = IPSET_PROTOCOL;
    let request = [
        vec![NFPROTO_IPV4, 0, 0, 0],
        attribute(protocol, &[version]),
        attribute(IPSET_FLAGS, &IPSET_NAMES_ONLY.to_be_bytes()),
    ]
    .concat();
    netlink.dump("list IP sets", IPSET_LIST, &request, |_, _| Ok(Some(()))).map(|sets| !sets.is_empty())
}
