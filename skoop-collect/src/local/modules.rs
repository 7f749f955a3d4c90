//! Which parts of the kernel can be asked without loading a module. A netlink request for a family that is not there makes the
//! kernel load the module for it (`request_module` in `net/netlink/af_netlink.c`, `net/core/sock_diag.c`,
//! `net/netfilter/nfnetlink.c`); collecting must not.

use std::collections::BTreeSet;
use std::fs;
use std::sync::OnceLock;

/// A part of the kernel that may be a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    NfTables,
    IpSet,
    ConntrackNetlink,
    HookList,
    TcpDiag,
    UdpDiag,
}

impl Part {
    const ALL: [Self; 6] =
        [Self::NfTables, Self::IpSet, Self::ConntrackNetlink, Self::HookList, Self::TcpDiag, Self::UdpDiag];

    pub(super) fn module(self) -> &'static str {
        match self {
            Self::NfTables => "nf_tables",
            Self::IpSet => "ip_set",
            Self::ConntrackNetlink => "nf_conntrack_netlink",
            Self::HookList => "nfnetlink_hook",
            Self::TcpDiag => "tcp_diag",
            Self::UdpDiag => "udp_diag",
        }
    }

    /// A function that only this part has.
    fn symbol(self) -> &'static str {
        match self {
            Self::NfTables => "nft_register_expr",
            Self::IpSet => "ip_set_type_register",
            Self::ConntrackNetlink => "ctnetlink_get_conntrack",
            Self::HookList => "nfnl_hook_get",
            Self::TcpDiag => "tcp_diag_dump",
            Self::UdpDiag => "udp_diag_dump",
        }
    }
}

/// Whether a part of the kernel can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is there, or at least nothing gets loaded by asking.
    Askable,
    /// It is a module that is not loaded, so it holds no state.
    Absent,
    /// Nothing tells.
    Unknown,
}

/// What the kernel has loaded and built in.
#[derive(Debug)]
pub(super) struct Modules {
    /// Names in `/proc/modules`; none in a kernel that loads no modules.
    loaded: Option<BTreeSet<String>>,
    builtin: OnceLock<Builtin>,
    release: String,
}

#[derive(Debug)]
enum Builtin {
    /// `modules.builtin` of the running kernel.
    List(String),
    /// Names of the functions sought that are in the kernel proper, from `/proc/kallsyms`.
    Symbols(BTreeSet<&'static str>),
    Unknown,
}

impl Modules {
    pub(super) fn read(release: &str) -> Self {
        let closed = fs::read_to_string("/proc/sys/kernel/modules_disabled").is_ok_and(|text| text.trim() == "1");
        let loaded = fs::read_to_string("/proc/modules").ok().filter(|_| !closed);
        Self {
            loaded: loaded
                .map(|text| text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()),
            builtin: OnceLock::new(),
            release: release.to_owned(),
        }
    }

    pub(super) fn presence(&self, part: Part) -> Presence {
        match &self.loaded {
            None => Presence::Askable,
            Some(loaded) if loaded.contains(part.module()) => Presence::Askable,
            Some(_) => match self.builtin.get_or_init(|| Builtin::read(&self.release)) {
                Builtin::List(list) if in_builtin_list(list, part.module()) => Presence::Askable,
                Builtin::Symbols(symbols) if symbols.contains(part.symbol()) => Presence::Askable,
                Builtin::List(_) | Builtin::Symbols(_) => Presence::Absent,
                Builtin::Unknown => Presence::Unknown,
            },
        }
    }
}

impl Builtin {
    fn read(release: &str) -> Self {
        for directory in ["/lib/modules", "/usr/lib/modules"] {
            if let Ok(list) = fs::read_to_string(format!("{directory}/{release}/modules.builtin")) {
                return Self::List(list);
            }
        }
        // A container rarely has the list. The symbol table is ten megabytes, but tells for sure.
        match fs::read_to_string("/proc/kallsyms") {
            Ok(table) if !table.is_empty() => Self::Symbols(builtin_symbols(&table)),
            _ => Self::Unknown,
        }
    }
}

fn in_builtin_list(list: &str, module: &str) -> bool {
    list.lines().any(|line| {
        let name = line.rsplit('/').next().unwrap_or(line);
        name.strip_suffix(".ko").is_some_and(|name| name.replace('-', "_") == module)
    })
}

/// The sought functions that `/proc/kallsyms` lists without a module.
fn builtin_symbols(table: &str) -> BTreeSet<&'static str> {
    let sought = Part::ALL.map(Part::symbol);
    table
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace().skip(2);
            let name = words.next()?;
            sought.into_iter().find(|symbol| *symbol == name && words.next().is_none())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(loaded: &[&str], builtin: Builtin) -> Modules {
        Modules {
            loaded: Some(loaded.iter().map(|name| (*name).to_owned()).collect()),
            builtin: OnceLock::from(builtin),
            release: String::new(),
        }
    }

    #[test]
    fn what_is_loaded_or_built_in_can_be_asked() {
        let list = "kernel/net/netfilter/ipset/ip_set.ko\nkernel/net/ipv4/tcp-diag.ko\n".to_owned();
        let modules = modules(&["nf_tables"], Builtin::List(list));
        assert_eq!(modules.presence(Part::NfTables), Presence::Askable);
        assert_eq!(modules.presence(Part::IpSet), Presence::Askable);
        assert_eq!(modules.presence(Part::TcpDiag), Presence::Askable);
        assert_eq!(modules.presence(Part::UdpDiag), Presence::Absent);
    }

    #[test]
    fn symbols_of_modules_do_not_count() {
        let table = "0000 T nft_register_expr\n0000 t tcp_diag_dump\t[tcp_diag]\n";
        let modules = modules(&[], Builtin::Symbols(builtin_symbols(table)));
        assert_eq!(modules.presence(Part::NfTables), Presence::Askable);
        assert_eq!(modules.presence(Part::TcpDiag), Presence::Absent);
    }

    #[test]
    fn without_any_list_nothing_is_claimed() {
        assert_eq!(modules(&[], Builtin::Unknown).presence(Part::IpSet), Presence::Unknown);
    }
}
