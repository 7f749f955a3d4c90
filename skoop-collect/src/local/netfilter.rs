//! Netfilter dumps, verbatim. What there is to dump is asked first, by netlink and procfs, so that a namespace without rules costs
//! no process and no table comes into being by asking for it.

mod clock;
mod hooks;
mod ipvs;
mod recent;

use std::io;

use netlink_sys::protocols::NETLINK_NETFILTER;
use rustix::io::Errno;
use skoop_model::{Family, HookOwner, HostRole, Item, Link, NetfilterDumps, Reason, Unavailable};

use super::modules::{Modules, Part, Presence};
use super::netlink::{Netlink, NetlinkError, attribute, attributes, text as name_of};
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
pub(super) const HEADER: usize = 4;
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
    nft_text: Dump,
    ipset: Dump,
    ipvs: Dump,
    /// The tables of `nf_tables`, if the kernel told them.
    tables: Vec<Table>,
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
        tables.as_ref().map(|tables| tables.iter().any(|table| table.family == family && table.may_be_of_iptables()))
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
        nft_text: match &tables {
            // The wording of rules that `iptables-save` does not word.
            Ok(tables) if tables.iter().any(|table| !table.may_be_of_iptables()) => text(tools),
            Ok(tables) if tables.is_empty() => Dump::Done(Item::known(now_ms(), String::new())),
            Ok(_) => Dump::Done(Item::unavailable(Reason::NotCollected, "iptables-nft-save words these tables")),
            Err(why) => Dump::Done(Item::Unavailable(why.clone())),
        },
        ipset: Dump::of(ask(modules, Part::IpSet, ip_sets).as_ref().map(|exist| *exist), "", || {
            tools.start(&[&["ipset", "save"]])
        }),
        ipvs: services(tools),
        tables: tables.unwrap_or_default(),
    }
}

impl Pending {
    /// Reads the rest of a namespace with these devices, then waits for the tools.
    pub(super) fn finish(self, tools: &Tools, modules: &Modules, role: HostRole, links: &[Link]) -> NetfilterDumps {
        let xt_recent = item(recent::read);
        let hooks = self.hooks(modules, role, links);
        let nft_json = self.nft_json.finish();
        let nft_text = match self.nft_text {
            // Such as of an `nft` that was built without JSON.
            Dump::Done(_) if !self.tables.is_empty() && nft_json.value().is_none() => text(tools),
            dump => dump,
        };
        NetfilterDumps {
            legacy_v4: self.legacy_v4.finish(),
            legacy_v6: self.legacy_v6.finish(),
            nft_v4: self.nft_v4.finish(),
            nft_v6: self.nft_v6.finish(),
            nft_json,
            nft_text: nft_text.finish(),
            ipset: self.ipset.finish(),
            xt_recent,
            ipvs: self.ipvs.finish(),
            hooks,
        }
    }

    /// The owners of hooks: of a host, and of a namespace with rules. Those of devices are chains of the families `netdev` and
    /// `inet`, and flowtables.
    fn hooks(&self, modules: &Modules, role: HostRole, links: &[Link]) -> Item<Vec<HookOwner>> {
        let legacy = [&self.legacy_v4, &self.legacy_v6].iter().any(|dump| matches!(dump, Dump::Running(_)));
        if role != HostRole::Host && self.tables.is_empty() && !legacy {
            return Item::unavailable(Reason::NotCollected, "a namespace without rules");
        }
        let per_device = self.tables.iter().any(|table| ![NFPROTO_IPV4, NFPROTO_IPV6].contains(&table.family));
        let devices = links.iter().filter(|_| per_device).map(|link| link.name.as_str());
        item(|| hooks::read(modules, devices))
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

/// The whole of `nf_tables` in words, with handles.
fn text(tools: &Tools) -> Dump {
    Dump::of(Ok(true), "", || tools.start(&[&["nft", "-a", "list", "ruleset"]]))
}

/// `ipvsadm -Sn`, or the same from procfs where it is not installed. The table exists in every namespace of a kernel with IPVS, so
/// that reading it loads nothing.
fn services(tools: &Tools) -> Dump {
    let table = match std::fs::read_to_string(ipvs::FILE) {
        Ok(table) if ipvs::has_services(&table) => table,
        Ok(_) => return Dump::Done(Item::known(now_ms(), String::new())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Dump::Done(Item::known(now_ms(), String::new()));
        }
        Err(error) => {
            return Dump::Done(Item::Unavailable(super::unavailable(&format!("read {}", ipvs::FILE), &error)));
        }
    };
    match tools.start(&[&["ipvsadm", "-Sn"]]) {
        Ok(running) => Dump::Running(vec![running]),
        Err(_) => Dump::Done(item(|| {
            ipvs::render(&table).map_err(|line| Unavailable::new(Reason::Malformed, format!("{}: {line}", ipvs::FILE)))
        })),
    }
}

/// A socket to netfilter in the thread's namespace.
pub(super) fn open() -> Result<Netlink, NetlinkError> {
    Netlink::open("open a netfilter socket", NETLINK_NETFILTER)
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
    let mut netlink = match open() {
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

impl Table {
    /// Whether `iptables-nft-save` looks at it.
    fn may_be_of_iptables(&self) -> bool {
        [NFPROTO_IPV4, NFPROTO_IPV6].contains(&self.family) && IPTABLES.contains(&self.name.as_str())
    }
}

fn nft_tables(netlink: &mut Netlink) -> Result<Vec<Table>, NetlinkError> {
    netlink.dump("list nf_tables", NFT_GET_TABLE, &[0; HEADER], |_, payload| {
        let name =
            attributes(payload, HEADER).find(|(kind, _)| *kind == NFTA_TABLE_NAME).map(|(_, value)| name_of(value));
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
