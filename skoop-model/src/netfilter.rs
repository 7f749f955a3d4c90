//! Raw dumps of netfilter. They are kept verbatim, so that a parser mended later can judge an old bundle anew.

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
    /// `ipset save`.
    pub ipset: Item<String>,
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
            ipset: Item::not_collected(),
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
