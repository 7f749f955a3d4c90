//! The registry of findings: what can be wrong, by stable code, what it means, and how it is told from what the walk met.
//!
//! A finding is one file and one line in the registry. Order matters: of all findings that explain one blocker the first is
//! the cause and the others are its symptoms.
//!
//! ```
//! let finding = skoop::findings::find("TUNNEL-FDB-MISSING").expect("a registered code");
//! assert!(finding.meaning().contains("forwarding entry"));
//! ```

mod case;
mod explain;
mod restore;
mod route_refused;
mod routing;
mod shown;

use skoop_model::{Role, Severity};

use case::{Case, Detail};
pub(crate) use explain::{Verdicts, explain};

/// One kind of finding.
#[derive(Debug, Clone, Copy)]
pub struct FindingKind {
    code: &'static str,
    severity: Severity,
    role: Role,
    meaning: &'static str,
    remedy: &'static str,
    detect: fn(&Case<'_>) -> Option<Detail>,
}

impl FindingKind {
    /// Stable code: `ROUTE-NO-ROUTE`.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Whether it usually is the root of the trouble or shows it.
    pub fn role(&self) -> Role {
        self.role
    }

    /// What it means, one or two sentences.
    pub fn meaning(&self) -> &'static str {
        self.meaning
    }

    /// What to do about it, in general; a finding's own fix is more exact.
    pub fn remedy(&self) -> &'static str {
        self.remedy
    }

    /// Where it is explained, relative to the documentation's root.
    pub fn docs(&self) -> String {
        format!("docs/findings/{}.md", self.code)
    }
}

/// All findings, in order of precedence.
pub fn all() -> &'static [FindingKind] {
    REGISTRY
}

/// The finding with this code, in any letter case.
pub fn find(code: &str) -> Option<&'static FindingKind> {
    REGISTRY.iter().find(|finding| finding.code.eq_ignore_ascii_case(code))
}

/// Declares the files and lists them, so that adding a finding is one line.
macro_rules! registry {
    ($($module:ident),* $(,)?) => {
        $(mod $module;)*

        static REGISTRY: &[FindingKind] = &[$($module::FINDING),*];
    };
}

registry! {
    service_port_undefined,
    service_no_endpoints,
    service_no_ready_endpoints,
    service_named_port_missing,
    service_itp_local_no_endpoint,
    service_etp_local_no_endpoint,
    service_source_ranges,
    conntrack_stale,
    service_proxy_stale,
    service_affinity_pinned,
    conntrack_notrack_nat,
    service_proxy_missing,
    service_target_port_mismatch,
    address_duplicate,
    link_down,
    bridge_port_missing,
    bridge_port_blocked,
    bridge_port_isolated,
    sysctl_ipv6_disabled,
    address_missing,
    sysctl_bridge_nf_call,
    nat_masquerade_missing,
    rule_local_order,
    rule_main_missing,
    rule_diverts,
    route_nexthop_dead,
    route_shadowed,
    route_wrong_nexthop,
    tunnel_fdb_missing,
    tunnel_wrong_remote,
    tunnel_wrong_local,
    bridge_fdb_wrong,
    tunnel_neighbour_missing,
    tunnel_vni_mismatch,
    tunnel_port_mismatch,
    tunnel_loop,
    route_blackhole,
    route_unreachable,
    route_prohibit,
    route_wrong_device,
    route_no_route,
    route_loop,
    sysctl_forwarding_off,
    sysctl_rp_filter,
    sysctl_echo_ignored,
    ip_martian,
    ip_ttl_expired,
    conntrack_invalid,
    netfilter_mixed_backends,
    netfilter_reject,
    netfilter_policy_drop,
    netfilter_drop,
    bridge_hairpin_off,
    mtu_too_large,
    socket_wrong_address,
    socket_wrong_protocol,
    socket_wrong_family,
    socket_no_listener,
    neighbour_wrong_mac,
    neighbour_failed,
    nat_wrong_source,
    cloud_drop,
    mtu_fragmentation,
    route_detour,
    node_not_ready,
    pod_runtime_mismatch,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let codes: BTreeSet<&str> = all().iter().map(FindingKind::code).collect();
        assert_eq!(codes.len(), all().len());
        for finding in all() {
            assert!(
                finding
                    .code
                    .chars()
                    .all(|letter| letter.is_ascii_uppercase() || letter == '-' || letter.is_ascii_digit())
            );
            assert!(finding.code.contains('-'), "{}", finding.code);
            for text in [finding.meaning, finding.remedy] {
                assert!(text.ends_with('.'), "{}: {text}", finding.code);
            }
            assert_eq!(find(&finding.code.to_lowercase()).map(FindingKind::code), Some(finding.code));
        }
    }
}
