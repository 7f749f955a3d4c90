//! Raw dumps of netfilter. They are kept verbatim, so that a parser mended later can judge an old bundle anew.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Family, Item};

/// The two kernel interfaces behind the `iptables` command. Rules of both apply to every packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// `ip_tables` (`iptables-legacy`).
    Legacy,
    /// `nf_tables` (`iptables-nft`).
    Nft,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Legacy => "legacy",
            Self::Nft => "nft",
        })
    }
}

/// The netfilter state of one namespace, as the tools printed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetfilterDumps {
    /// `iptables-legacy-save`, of the tables that exist; empty text: no table exists.
    pub legacy_v4: Item<String>,
    /// `ip6tables-legacy-save`, likewise.
    pub legacy_v6: Item<String>,
    /// `iptables-nft-save`.
    pub nft_v4: Item<String>,
    /// `ip6tables-nft-save`.
    pub nft_v6: Item<String>,
    /// `nft -j list ruleset`: everything in `nf_tables`, what `iptables-nft` wrote included; `{"nftables": []}` where there is nothing.
    pub nft_json: Item<String>,
    /// `nft list ruleset` as text; kept where there is no `nft -j`, and for the wording of rules.
    #[serde(default = "Item::not_collected")]
    pub nft_text: Item<String>,
    /// `ipset save`.
    pub ipset: Item<String>,
    /// Lists of the match `recent`, by name: the text of `/proc/net/xt_recent/NAME`, and where it is known when that was, a line
    /// `jiffies: NOW hz: HZ`.
    #[serde(default = "Item::not_collected")]
    pub xt_recent: Item<BTreeMap<String, String>>,
    /// `ipvsadm -Sn`.
    #[serde(default = "Item::not_collected")]
    pub ipvs: Item<String>,
    /// Who is registered at which hook, in the order in which they run.
    #[serde(default = "Item::not_collected")]
    pub hooks: Item<Vec<HookOwner>>,
}

/// One function registered at a netfilter hook (`struct nf_hook_ops`, as `nfnetlink_hook` reports it; Linux 5.14).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookOwner {
    /// Family of the hook: `ip`, `ip6`, `arp`, `bridge`, `netdev`.
    pub family: String,
    /// Hook: `prerouting`, `input`, `forward`, `output`, `postrouting`, `ingress`, `egress`.
    pub hook: String,
    /// Device, for hooks of one device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Priority; the lowest runs first, and of equal ones the first in the list.
    pub priority: i32,
    /// Function: `nft_do_chain_inet`, `ipt_do_table`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Kernel module, if it is not built in: `nf_tables`, `iptable_filter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The nftables chain behind it: family, table, chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<[String; 3]>,
    /// The BPF program behind it, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bpf_program: Option<u32>,
}

impl NetfilterDumps {
    /// Dumps of which none was taken.
    pub fn not_collected() -> Self {
        Self {
            legacy_v4: Item::not_collected(),
            legacy_v6: Item::not_collected(),
            nft_v4: Item::not_collected(),
            nft_v6: Item::not_collected(),
            nft_json: Item::not_collected(),
            nft_text: Item::not_collected(),
            ipset: Item::not_collected(),
            xt_recent: Item::not_collected(),
            ipvs: Item::not_collected(),
            hooks: Item::not_collected(),
        }
    }

    /// The iptables dump of a backend and family.
    pub fn iptables(&self, backend: Backend, family: Family) -> &Item<String> {
        match (backend, family) {
            (Backend::Legacy, Family::V4) => &self.legacy_v4,
            (Backend::Legacy, Family::V6) => &self.legacy_v6,
            (Backend::Nft, Family::V4) => &self.nft_v4,
            (Backend::Nft, Family::V6) => &self.nft_v6,
        }
    }
}
