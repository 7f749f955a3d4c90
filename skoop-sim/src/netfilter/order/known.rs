//! The order at a hook as the kernel tells it (`nfnetlink_hook`, `net/netfilter/nfnetlink_hook.c`).

use std::sync::Arc;

use skoop_model::{Family, HookOwner};

use super::{Stage, is_legacy, table_of};
use crate::netfilter::nft::ast::TableFamily;
use crate::netfilter::table::Table;

impl From<Family> for TableFamily {
    fn from(family: Family) -> Self {
        match family {
            Family::V4 => Self::Ip,
            Family::V6 => Self::Ip6,
        }
    }
}

/// The place of a stage in the list of a hook; none if the list does not hold it.
pub(super) fn position(
    stage: Stage,
    tables: &[Arc<Table>],
    owners: &[HookOwner],
    family: TableFamily,
    hook: &str,
) -> Option<usize> {
    owners.iter().position(|owner| owner.family == family.name() && owner.hook == hook && is(owner, stage, tables))
}

fn is(owner: &HookOwner, stage: Stage, tables: &[Arc<Table>]) -> bool {
    let function = owner.function.as_deref().unwrap_or_default();
    match (stage, table_of(tables, stage)) {
        (Stage::Track, _) => function.contains("conntrack_in") || function.contains("conntrack_local"),
        (Stage::Nat(_), _) => function.starts_with("nf_nat_"),
        (Stage::Confirm, _) => function.contains("confirm"),
        (Stage::Chain { .. }, Some(table)) if is_legacy(table) => {
            // `iptable_filter`, `ip6table_mangle`.
            owner
                .module
                .as_deref()
                .and_then(|module| module.split_once("table_"))
                .is_some_and(|(_, name)| *name == *table.name)
        }
        (Stage::Chain { chain, .. }, Some(table)) => {
            let name = table.chain(chain).map(|chain| chain.name.as_ref());
            owner.chain.as_ref().is_some_and(|[of, in_table, known]| {
                of == table.family.name() && **in_table == *table.name && Some(known.as_str()) == name
            })
        }
        (Stage::Chain { .. }, None) => false,
    }
}
