//! The scenario files of this crate.

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every file in `scenarios/`, by name.
        pub(super) const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../scenarios/", $name, ".toml")))),*];
    };
}

files! {
    "node-bridge-down",
    "node-fdb-missing",
    "node-forward-drop",
    "node-ip-forward-off",
    "node-podcidr-detour",
    "node-podcidr-route-missing",
    "node-return-route-missing",
    "node-underlay-blocked",
    "node-vtep-neigh-missing",
    "node-vxlan-down",
    "pod-blackhole",
    "pod-default-via-lo",
    "pod-eth0-down",
    "pod-input-drop",
    "pod-listens-loopback",
    "pod-no-listener",
    "pod-not-enslaved",
    "pod-output-reject",
    "pod-routes-flushed",
    "pod-veth-host-down",
    "svc-no-endpoints",
    "svc-one-of-three-dead",
    "svc-proxy-stale",
}

/// Scenarios that share one cluster and show most in little time: the underlay, a node, a service.
pub(super) const DEMO: [&str; 3] = ["node-fdb-missing", "node-ip-forward-off", "svc-one-of-three-dead"];
