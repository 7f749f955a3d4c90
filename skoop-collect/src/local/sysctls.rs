//! Sysctls that forwarding reads. `/proc/sys/net` follows the namespace of the reading thread (`net_ctl_root` in
//! `net/sysctl_net.c`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use skoop_model::{Sysctls, Unavailable};

/// Below `net/ipv4/conf/DEVICE`.
const DEVICE_V4: &[&str] = &[
    "accept_local",
    "accept_redirects",
    "arp_announce",
    "arp_filter",
    "arp_ignore",
    "bc_forwarding",
    "disable_policy",
    "disable_xfrm",
    "drop_unicast_in_l2_multicast",
    "forwarding",
    "ignore_routes_with_linkdown",
    "proxy_arp",
    "proxy_arp_pvlan",
    "route_localnet",
    "rp_filter",
    "send_redirects",
    "src_valid_mark",
];

/// Below `net/ipv6/conf/DEVICE`.
const DEVICE_V6: &[&str] = &[
    "accept_ra",
    "accept_source_route",
    "disable_ipv6",
    "drop_unicast_in_l2_multicast",
    "force_forwarding",
    "forwarding",
    "ignore_routes_with_linkdown",
    "proxy_ndp",
    "use_tempaddr",
];

/// Of the namespace, by directory below `net`.
const NAMESPACE: [(&str, &[&str]); 4] = [
    (
        "bridge",
        &[
            "bridge-nf-call-arptables",
            "bridge-nf-call-ip6tables",
            "bridge-nf-call-iptables",
            "bridge-nf-filter-vlan-tagged",
            "bridge-nf-pass-vlan-input-dev",
        ],
    ),
    (
        "ipv4",
        &[
            "fib_multipath_hash_fields",
            "fib_multipath_hash_policy",
            "fib_multipath_use_neigh",
            "fwmark_reflect",
            "icmp_echo_ignore_all",
            "icmp_echo_ignore_broadcasts",
            "icmp_errors_use_inbound_ifaddr",
            "ip_default_ttl",
            "ip_forward",
            "ip_forward_use_pmtu",
            "ip_local_port_range",
            "ip_no_pmtu_disc",
            "ip_nonlocal_bind",
            "neigh/default/gc_thresh1",
            "neigh/default/gc_thresh2",
            "neigh/default/gc_thresh3",
            "tcp_fwmark_accept",
            "tcp_l3mdev_accept",
            "udp_l3mdev_accept",
        ],
    ),
    (
        "ipv6",
        &[
            "bindv6only",
            "fib_multipath_hash_fields",
            "fib_multipath_hash_policy",
            "fwmark_reflect",
            "icmp/echo_ignore_all",
            "ip_nonlocal_bind",
        ],
    ),
    (
        "netfilter",
        &[
            "nf_conntrack_count",
            "nf_conntrack_helper",
            "nf_conntrack_max",
            "nf_conntrack_tcp_be_liberal",
            "nf_conntrack_tcp_ignore_invalid_rst",
            "nf_conntrack_tcp_loose",
        ],
    ),
];

/// The longest of these values is two numbers.
const VALUE_BYTES: usize = 128;

/// The sysctls of the namespace and of each of `devices`. Those that the kernel lacks are absent.
///
/// Each directory of the namespace is looked up once and then walked from: `ipv4` and its like hang for all namespaces in one place
/// of the kernel's name cache, which compares them one by one (`proc_sys_compare` in `fs/proc/proc_sysctl.c`).
pub(super) fn read<'a>(devices: impl Iterator<Item = &'a str>) -> Result<Sysctls, Unavailable> {
    let devices: Vec<_> = ["all", "default"].into_iter().chain(devices.filter(|name| is_path_safe(name))).collect();
    let mut reader = Reader { values: Vec::new(), failure: None };
    for (directory, names) in NAMESPACE {
        let path = format!("net/{directory}");
        let Some(base) = reader.directory(CWD, &format!("/proc/sys/{path}"), &path) else { continue };
        reader.read_all(&base, &path, names);
        let of_device = match directory {
            "ipv4" => DEVICE_V4,
            "ipv6" => DEVICE_V6,
            _ => continue,
        };
        for device in &devices {
            let (below, path) = (format!("conf/{device}"), format!("{path}/conf/{device}"));
            if let Some(base) = reader.directory(base.as_fd(), &below, &path) {
                reader.read_all(&base, &path, of_device);
            }
        }
    }
    match reader.failure {
        Some(why) if reader.values.is_empty() => Err(why),
        _ => Ok(reader.values.into_iter().collect()),
    }
}

struct Reader {
    values: Vec<(String, String)>,
    failure: Option<Unavailable>,
}

impl Reader {
    fn directory(&mut self, base: BorrowedFd<'_>, below: &str, path: &str) -> Option<OwnedFd> {
        openat(base, below, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| self.fail(path, errno))
            .ok()
    }

    fn read_all(&mut self, base: &OwnedFd, path: &str, names: &[&str]) {
        for name in names {
            let mut buffer = [0; VALUE_BYTES];
            let read = openat(base, *name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .and_then(|file| rustix::io::read(file, &mut buffer));
            let path = format!("{path}/{name}");
            match read {
                Ok(length) => {
                    let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
                    self.values.push((path, text.trim().to_owned()));
                }
                Err(errno) => self.fail(&path, errno),
            }
        }
    }

    fn fail(&mut self, path: &str, errno: Errno) {
        if errno != Errno::NOENT && self.failure.is_none() {
            self.failure = Some(super::unavailable(&format!("read /proc/sys/{path}"), &errno.into()));
        }
    }
}

/// Whether a device's name names its own directory. The kernel forbids the others (`dev_valid_name`), but lets a device be called
/// `all`, whose directory is not its own.
fn is_path_safe(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\0']) && !["all", "default", ".", ".."].contains(&name)
}

#[cfg(test)]
mod tests {
    use skoop_model::Family;

    use super::*;

    #[test]
    fn hostile_names_reach_no_other_file() {
        for name in ["", ".", "..", "../all", "a/b", "all", "default", "a\0b"] {
            assert!(!is_path_safe(name), "{name:?}");
        }
        for name in ["eth0", "eth0.100", "...", "..eth", "a b", "ü", "-n"] {
            assert!(is_path_safe(name), "{name:?}");
        }
    }

    #[test]
    fn this_namespace_has_sysctls() {
        let sysctls = read(["lo", "no-such-device", "../../kernel"].into_iter()).expect("procfs");
        assert!(sysctls.number("net/ipv4/ip_forward").is_some());
        assert!(sysctls.device(Family::V4, "lo", "rp_filter").is_some());
        assert!(sysctls.iter().all(|(path, _)| path.starts_with("net/") && !path.contains("..")));
        assert!(sysctls.iter().all(|(path, _)| !path.contains("no-such-device")));
    }
}
