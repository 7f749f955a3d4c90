//! Checks of this host.

use std::fs;
use std::path::{Path, PathBuf};

use skoop::collect::runtime::{RuntimeOptions, read};
use skoop_model::{Item, Runtime};

use super::{Check, State};

/// Bits of capabilities in `CapEff` of `/proc/self/status`, with what they are for (include/uapi/linux/capability.h).
const CAPABILITIES: [(u32, &str, &str); 3] = [
    (12, "CAP_NET_ADMIN", "dumping firewalls and connections"),
    (21, "CAP_SYS_ADMIN", "entering other network namespaces"),
    (19, "CAP_SYS_PTRACE", "finding namespaces through processes of other users"),
];

/// Programs that dump what netlink does not tell in full, with what is missing without them.
const TOOLS: [(&str, &str); 4] = [
    ("nft", "native nftables rules"),
    ("iptables-nft-save", "rules of iptables-nft"),
    ("iptables-legacy-save", "rules of iptables-legacy"),
    ("ipset", "members of sets"),
];

pub(super) async fn checks() -> Vec<Check> {
    let mut checks = vec![kernel(), capabilities(), btf()];
    checks.extend(TOOLS.iter().map(|(tool, loss)| program(tool, loss)));
    checks.push(runtime(&read(&RuntimeOptions::default()).await));
    checks
}

fn kernel() -> Check {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    match release.trim() {
        "" => Check::new("host", "kernel", State::Fails, "/proc/sys is not there: mount procfs"),
        release => Check::new("host", "kernel", State::Works, release),
    }
}

/// The effective capabilities of this process.
fn effective(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

fn capabilities() -> Check {
    let own = effective(&fs::read_to_string("/proc/self/status").unwrap_or_default());
    let missing: Vec<String> = CAPABILITIES
        .iter()
        .filter(|(bit, _, _)| own & (1 << bit) == 0)
        .map(|(_, name, purpose)| format!("{name} ({purpose})"))
        .collect();
    if missing.is_empty() {
        return Check::new("host", "capabilities", State::Works, "all that --local takes");
    }
    let told = format!("--local sees this namespace only; run as root, or grant {}", missing.join(", "));
    Check::new("host", "capabilities", State::Limited, told)
}

fn btf() -> Check {
    if Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Check::new("host", "BTF", State::Works, "the kernel tells its types");
    }
    Check::new(
        "host",
        "BTF",
        State::Limited,
        "no /sys/kernel/btf/vmlinux: eBPF probes cannot be loaded (CONFIG_DEBUG_INFO_BTF)",
    )
}

fn program(name: &str, loss: &str) -> Check {
    match found(name) {
        Some(path) => Check::new("host", name, State::Works, path.display().to_string()),
        None => Check::new("host", name, State::Limited, format!("not installed: {loss} stay unknown with --local")),
    }
}

fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|directory| directory.join(name)).find(|path| path.is_file())
}

fn runtime(read: &Item<Runtime>) -> Check {
    match read.get() {
        Ok(runtime) => {
            let told = format!("{} {} at {}", runtime.name, runtime.version, runtime.endpoint);
            Check::new("host", "container runtime", State::Works, told)
        }
        Err(why) => {
            let told = format!("{why}: pods are told by their control groups and addresses");
            Check::new("host", "container runtime", State::Limited, told)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read() {
        assert_eq!(effective("Name:\tx\nCapInh:\t0\nCapEff:\t000001ffffffffff\n"), 0x1ff_ffff_ffff);
        assert_eq!(effective("nothing"), 0);
    }

    #[test]
    fn programs_are_found_by_path() {
        assert!(found("sh").is_some());
        assert_eq!(found("no-such-program-at-all"), None);
    }
}
