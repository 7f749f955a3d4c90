//! Connection tracking over ctnetlink (`net/netfilter/nf_conntrack_netlink.c`): entries, counters, limits.

mod entry;

use std::collections::BTreeMap;

use skoop_model::{ConntrackEntry, ConntrackTable, Item, Reason, Sysctls, Unavailable};

use super::modules::{Modules, Part, Presence};
use super::netfilter::{self, HEADER};
use super::netlink::{Netlink, NetlinkError, attributes};

/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET`. Its neighbour `GET_CTRZERO` would reset the counters.
const GET: u16 = 1 << 8 | 1;
/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS_CPU`.
const GET_STATS: u16 = 1 << 8 | 4;
/// Counters of one processor, from `CTA_STATS_SEARCHED` on (`enum ctattr_stats_cpu`).
const STATS: [&str; 15] = [
    "searched",
    "found",
    "new",
    "invalid",
    "ignore",
    "delete",
    "delete_list",
    "insert",
    "insert_failed",
    "drop",
    "early_drop",
    "error",
    "search_restart",
    "clash_resolve",
    "chain_toolong",
];
/// Messages that make no sense are told up to this number.
const PROBLEMS: usize = 16;

/// The table of the thread's namespace, whose sysctls are given, with at most `limit` entries.
///
/// A namespace without entries is not asked for any; a kernel that would have to load a module is not asked at all.
pub(super) fn read(modules: &Modules, sysctls: &Item<Sysctls>, limit: usize) -> Result<ConntrackTable, Unavailable> {
    let number = |name: &str| {
        let number = sysctls.value()?.number(&format!("net/netfilter/{name}"))?;
        u64::try_from(number).ok()
    };
    let (count, max) = (number("nf_conntrack_count"), number("nf_conntrack_max"));
    let mut table = ConntrackTable { count, max, ..ConntrackTable::default() };
    if count.is_none() && sysctls.value().is_some() {
        // No `nf_conntrack` in the kernel.
        return Ok(table);
    }
    match modules.presence(Part::ConntrackNetlink) {
        Presence::Askable => {}
        // Without it nobody can list the entries, but that there are none is known.
        _ if count == Some(0) => return Ok(table),
        _ => {
            let module = Part::ConntrackNetlink.module();
            let detail = format!("{module} is a module that is not loaded, and asking would load it");
            return Err(Unavailable::new(Reason::Unsupported, detail));
        }
    }
    let mut netlink = netfilter::open()?;
    if count != Some(0) {
        entries(&mut netlink, limit, &mut table)?;
    }
    match stats(&mut netlink) {
        Ok(stats) => table.stats = stats,
        Err(error) => table.problems.push(Unavailable::from(error).to_string()),
    }
    Ok(table)
}

fn entries(netlink: &mut Netlink, limit: usize, table: &mut ConntrackTable) -> Result<(), NetlinkError> {
    let (mut seen, mut kept, mut odd, mut problems) = (0usize, 0usize, 0usize, Vec::new());
    let entries: Vec<ConntrackEntry> = netlink.dump("dump connections", GET, &[0; HEADER], |_, payload| {
        seen += 1;
        if kept == limit {
            return Ok(None);
        }
        match entry::parse(payload) {
            Ok(entry) => {
                kept += 1;
                Ok(Some(entry))
            }
            Err(why) => {
                odd += 1;
                if problems.len() < PROBLEMS {
                    problems.push(format!("entry {seen}: {why}"));
                }
                Ok(None)
            }
        }
    })?;
    if odd > problems.len() {
        problems.push(format!("{odd} entries were not understood"));
    }
    if seen > kept + odd {
        problems.push(format!("only the first {kept} of {seen} entries were kept"));
    }
    table.entries = entries;
    table.problems = problems;
    Ok(())
}

/// Counters of all processors together, those that stand at zero included.
fn stats(netlink: &mut Netlink) -> Result<BTreeMap<String, u64>, NetlinkError> {
    let mut sums = BTreeMap::new();
    netlink.dump("dump connection counters", GET_STATS, &[0; HEADER], |_, payload| {
        for (kind, value) in attributes(payload, HEADER) {
            let name = usize::from(kind).checked_sub(1).and_then(|position| STATS.get(position));
            if let Some((name, value)) = name.zip(value.first_chunk()) {
                *sums.entry((*name).to_owned()).or_default() += u64::from(u32::from_be_bytes(*value));
            }
        }
        Ok(None::<()>)
    })?;
    Ok(sums)
}
