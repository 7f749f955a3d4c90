//! Sysctls that forwarding reads. `/proc/sys/net` follows the namespace of the reading thread (`net_ctl_root` in
//! `net/sysctl_net.c`).

use std::io;

use rustix::fs::{Mode, OFlags, open, openat};
use skoop_model::{Family, Sysctls, Unavailable};

/// Below `net/ipv4/conf/DEVICE`.
const DEVICE_V4: [&str; 15] = [
    "accept_local",
    "accept_redirects",
    "arp_announce",
    "arp_filter",
    "arp_ignore",
    "disable_policy",
    "disable_xfrm",
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
const DEVICE_V6: [&str; 6] =
    ["accept_ra", "accept_source_route", "disable_ipv6", "forwarding", "ignore_routes_with_linkdown", "proxy_ndp"];

/// Of the namespace.
const NAMESPACE: [&str; 29] = [
    "net/bridge/bridge-nf-call-arptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-filter-vlan-tagged",
    "net/bridge/bridge-nf-pass-vlan-input-dev",
    "net/ipv4/fib_multipath_hash_policy",
    "net/ipv4/fwmark_reflect",
    "net/ipv4/icmp_echo_ignore_all",
    "net/ipv4/ip_default_ttl",
    "net/ipv4/ip_forward",
    "net/ipv4/ip_forward_use_pmtu",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/ip_no_pmtu_disc",
    "net/ipv4/ip_nonlocal_bind",
    "net/ipv4/neigh/default/gc_thresh1",
    "net/ipv4/neigh/default/gc_thresh2",
    "net/ipv4/neigh/default/gc_thresh3",
    "net/ipv4/tcp_fwmark_accept",
    "net/ipv4/tcp_l3mdev_accept",
    "net/ipv4/udp_l3mdev_accept",
    "net/ipv6/bindv6only",
    "net/ipv6/fib_multipath_hash_policy",
    "net/ipv6/ip_nonlocal_bind",
    "net/ipv6/fwmark_reflect",
    "net/ipv6/icmp/echo_ignore_all",
    "net/netfilter/nf_conntrack_count",
    "net/netfilter/nf_conntrack_max",
    "net/netfilter/nf_conntrack_tcp_be_liberal",
    "net/netfilter/nf_conntrack_tcp_loose",
];

/// The longest of these values is two numbers.
const VALUE_BYTES: usize = 128;

/// The sysctls of the namespace and of each of `devices`. Those that the kernel lacks are absent.
pub(super) fn read<'a>(devices: impl Iterator<Item = &'a str>) -> Result<Sysctls, Unavailable> {
    let mut reader = Reader { values: Vec::new(), failure: None };
    let root = match open("/proc/sys", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(root) => root,
        Err(errno) => return Err(super::unavailable("open /proc/sys", &errno.into())),
    };
    for path in NAMESPACE {
        reader.read(&root, path, || path.to_owned());
    }
    for device in ["all", "default"].into_iter().chain(devices.filter(|name| is_path_safe(name))) {
        for family in Family::ALL {
            let names: &[&str] = if family == Family::V4 { &DEVICE_V4 } else { &DEVICE_V6 };
            let directory = format!("net/{}/conf/{device}", family.sysctl_name());
            // One walk of the long path for all values below it.
            match openat(&root, &directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
                Ok(directory) => {
                    for name in names {
                        reader.read(&directory, name, || Sysctls::device_path(family, device, name));
                    }
                }
                Err(errno) => reader.fail(&directory, errno.into()),
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
    fn read(&mut self, directory: &impl rustix::fd::AsFd, name: &str, path: impl Fn() -> String) {
        let mut buffer = [0; VALUE_BYTES];
        let read = openat(directory, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .and_then(|file| rustix::io::read(file, &mut buffer));
        match read {
            Ok(length) => {
                let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
                self.values.push((path(), text.trim().to_owned()));
            }
            Err(errno) => self.fail(&path(), errno.into()),
        }
    }

    fn fail(&mut self, path: &str, error: io::Error) {
        if error.kind() != io::ErrorKind::NotFound && self.failure.is_none() {
            self.failure = Some(super::unavailable(&format!("read /proc/sys/{path}"), &error));
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
