//! The rules that are there whatever the services.

use skoop_model::Family;

use super::{ProxyOptions, Tables};

/// Chains of `filter` that kube-proxy rewrites.
const FILTER_CHAINS: [&str; 5] =
    ["KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-FORWARD", "KUBE-NODEPORTS", "KUBE-PROXY-FIREWALL"];
/// Chains of `nat` that kube-proxy rewrites.
const NAT_CHAINS: [&str; 4] = ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"];

const NEW: &str = "-m conntrack --ctstate NEW ";

/// Jumps from built-in chains of `filter` (`iptablesJumpChains`), in kube-proxy's order: each goes before those inserted earlier.
const FILTER_JUMPS: [(&str, &str, &str, &str); 9] = [
    ("INPUT", NEW, "kubernetes externally-visible service portals", "KUBE-EXTERNAL-SERVICES"),
    ("FORWARD", NEW, "kubernetes externally-visible service portals", "KUBE-EXTERNAL-SERVICES"),
    ("INPUT", "", "kubernetes health check service ports", "KUBE-NODEPORTS"),
    ("FORWARD", NEW, "kubernetes service portals", "KUBE-SERVICES"),
    ("OUTPUT", NEW, "kubernetes service portals", "KUBE-SERVICES"),
    ("FORWARD", "", "kubernetes forwarding rules", "KUBE-FORWARD"),
    ("INPUT", NEW, "kubernetes load balancer firewall", "KUBE-PROXY-FIREWALL"),
    ("OUTPUT", NEW, "kubernetes load balancer firewall", "KUBE-PROXY-FIREWALL"),
    ("FORWARD", NEW, "kubernetes load balancer firewall", "KUBE-PROXY-FIREWALL"),
];

/// Jumps from built-in chains of `nat`.
const NAT_JUMPS: [(&str, &str, &str); 3] = [
    ("OUTPUT", "kubernetes service portals", "KUBE-SERVICES"),
    ("PREROUTING", "kubernetes service portals", "KUBE-SERVICES"),
    ("POSTROUTING", "kubernetes postrouting rules", "KUBE-POSTROUTING"),
];

/// Chains, jumps, and the rules that come before those of services.
pub(super) fn begin(tables: &mut Tables, options: &ProxyOptions) {
    if options.with_jumps {
        once(tables, options);
    }
    for chain in FILTER_CHAINS {
        tables.filter.chain(chain);
    }
    for chain in NAT_CHAINS {
        tables.nat.chain(chain);
    }
    let nat = &mut tables.nat;
    nat.rule("KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN");
    nat.rule("KUBE-POSTROUTING -j MARK --xor-mark 0x4000");
    nat.rule("KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE --random-fully");
    nat.rule("KUBE-MARK-MASQ -j MARK --or-mark 0x4000");
}

/// The rules that come after those of services.
pub(super) fn end(tables: &mut Tables, options: &ProxyOptions) {
    let last = "kubernetes service nodeports; NOTE: this must be the last rule in this chain";
    // A loopback address is "local" too; with IPv6 kube-proxy leaves it out, since no node port can work there.
    let not_loopback = match options.family {
        Family::V4 => "",
        Family::V6 => " ! -d ::1/128",
    };
    tables.nat.rule(&format!(
        "KUBE-SERVICES -m comment --comment \"{last}\" -m addrtype --dst-type LOCAL{not_loopback} -j KUBE-NODEPORTS"
    ));
    let filter = &mut tables.filter;
    filter.rule("KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP");
    filter.rule(
        "KUBE-FORWARD -m comment --comment \"kubernetes forwarding rules\" -m mark --mark 0x4000/0x4000 -j ACCEPT",
    );
    filter.rule(
        "KUBE-FORWARD -m comment --comment \"kubernetes forwarding conntrack rule\" \
         -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    );
}

/// What is written once, and kubelet's part (`pkg/kubelet/kubelet_network_linux.go`).
fn once(tables: &mut Tables, options: &ProxyOptions) {
    for canary in ["KUBE-KUBELET-CANARY", "KUBE-PROXY-CANARY"] {
        tables.mangle.chain(canary);
        tables.filter.chain(canary);
        tables.nat.chain(canary);
    }
    // By which others tell whether kubelet writes to iptables-nft or iptables-legacy.
    tables.mangle.chain("KUBE-IPTABLES-HINT");
    tables.filter.chain("KUBE-FIREWALL");
    if options.family == Family::V4 {
        tables.filter.rule(
            "KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment \"block incoming localnet connections\" \
             -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP",
        );
    }
    for chain in ["INPUT", "OUTPUT"] {
        tables.filter.insert(chain, "-j KUBE-FIREWALL");
    }
    for (chain, state, comment, target) in FILTER_JUMPS {
        tables.filter.insert(chain, &format!("{state}-m comment --comment \"{comment}\" -j {target}"));
    }
    for (chain, comment, target) in NAT_JUMPS {
        tables.nat.insert(chain, &format!("-m comment --comment \"{comment}\" -j {target}"));
    }
}
