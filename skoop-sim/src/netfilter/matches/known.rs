//! What matches ask of the dumps, beside ipset.

use skoop_model::NetfilterDumps;

use super::recent::Lists;

/// Compiled parts of the dumps that single matches read.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Lists of `recent`. None: not collected.
    recent: Option<Lists>,
    ipvs: Option<bool>,
}

impl Known {
    pub(crate) fn read(dumps: &NetfilterDumps) -> Self {
        let ipvs = dumps.ipvs.value().map(|text| text.lines().any(|line| line.trim_ascii_start().starts_with("-A")));
        Self { recent: dumps.xt_recent.value().map(Lists::read), ipvs }
    }

    /// Whether there are virtual services of IPVS. None: not known.
    pub(super) fn has_ipvs(&self) -> Option<bool> {
        self.ipvs
    }

    /// Lists of `recent`. None: not collected.
    pub(super) fn recent(&self) -> Option<&Lists> {
        self.recent.as_ref()
    }
}
