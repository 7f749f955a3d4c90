//! Who runs at which hook, in which order: base chains of all tables among the stages that the kernel has built in.
//!
//! A hook runs its functions by priority; of equal priorities the one that was registered last comes first
//! (`nf_hook_entries_grow`, `net/netfilter/core.c`). Chains of type nat are no functions of the hook: one function at the
//! priority of NAT runs all of them, by their own priorities, until one of them decides (`nf_nat_register_fn`, `nf_nat_inet_fn`,
//! `net/netfilter/nf_nat_core.c`).

mod known;

use std::sync::Arc;

use crate::mutation::{Mutation, is};
use skoop_model::{Family, HookOwner};

use super::nft::ast::TableFamily;
use super::result::RuleSource;
use super::table::{Base, BaseHook, BaseKind, Table};
use super::{DeviceHook, Hook};
use crate::conntrack::Manip;
use known::position;

/// Something that runs at a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Connection tracking looks the packet up.
    Track,
    /// Base chain: table, chain, and whether it is of type route.
    Chain { table: u32, chain: u32, route: bool },
    /// All nat chains of the hook, then translation.
    Nat(Manip),
    /// Connection tracking makes the flow known.
    Confirm,
}

/// What runs at one priority, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub priority: i32,
    pub stages: Vec<Stage>,
    /// The order is not known and matters: the question about it, by its place in [`Order::doubts`].
    pub doubt: Option<u32>,
    /// The order is not known, and matters only if several refuse the packet, each in its way: the question about it.
    pub late: Option<u32>,
}

/// The stages of the hooks of one family, by [`Hook`].
pub(crate) type Hooks = [Vec<Group>; 5];

/// Everything that runs in a namespace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    /// By family as in [`Family::ALL`].
    pub inet: [Hooks; 2],
    /// Chains of type nat, likewise.
    pub nat: [Hooks; 2],
    pub bridge: Hooks,
    /// By device.
    pub devices: Vec<(Box<str>, DeviceHook, Vec<Group>)>,
    /// What is not known about the order.
    pub doubts: Vec<String>,
}

/// The stages that the kernel has built in (`ipv4_conntrack_ops`, `net/netfilter/nf_conntrack_proto.c`; `nf_nat_ipv4_ops`,
/// `net/netfilter/nf_nat_proto.c`; both families alike).
const fn built_in(hook: Hook) -> &'static [(i32, Stage)] {
    match hook {
        Hook::Prerouting | Hook::Output => &[(-200, Stage::Track), (-100, Stage::Nat(Manip::Destination))],
        Hook::Input | Hook::Postrouting => &[(100, Stage::Nat(Manip::Source)), (i32::MAX, Stage::Confirm)],
        Hook::Forward => &[],
    }
}

/// A stage with what decides whether its place among others of its priority matters.
#[derive(Debug, Clone, Copy)]
struct Placed {
    stage: Stage,
    /// It changes what others may look at.
    changes: bool,
    /// It looks at what others may change.
    heeds: bool,
}

impl Order {
    /// Sorts the base chains of `tables`. `owners` is the order at the hooks, where it is known; `nat` says for each family whether NAT
    /// is at work at all: it is from the first nat chain on.
    pub(crate) fn of(tables: &[Arc<Table>], owners: &[HookOwner], nat: [bool; 2]) -> Self {
        let mut order = Self::default();
        for (place, family) in Family::ALL.into_iter().enumerate() {
            for hook in Hook::ALL {
                let concerns = |table: &Table| table.family == TableFamily::Inet || table.family.only() == Some(family);
                let chains = |kind: fn(BaseKind) -> bool| {
                    chains(tables, move |table, base| {
                        concerns(table) && base.hook == BaseHook::Inet(hook) && kind(base.kind)
                    })
                };
                let nats = chains(|kind| kind == BaseKind::Nat);
                let decides = !nats.is_empty();
                let mut all = chains(|kind| kind != BaseKind::Nat);
                for (priority, stage) in built_in(hook) {
                    let is_nat = matches!(stage, Stage::Nat(_));
                    if !is_nat || nat.get(place).is_some_and(|nat| *nat) {
                        let changes = *stage == Stage::Track || (is_nat && decides);
                        all.push((*priority, Placed { stage: *stage, changes, heeds: changes }));
                    }
                }
                let known = |stage: Stage| position(stage, tables, owners, family.into(), hook.name());
                let groups = order.group(tables, all, known);
                let nat_groups = order.group(tables, nats, |_| None);
                set(&mut order.inet, place, hook, groups);
                set(&mut order.nat, place, hook, nat_groups);
            }
        }
        order.bridge(tables, owners);
        order.devices(tables, owners);
        order
    }

    fn bridge(&mut self, tables: &[Arc<Table>], owners: &[HookOwner]) {
        for hook in Hook::ALL {
            let concerns =
                |table: &Table, base: &Base| table.family == TableFamily::Bridge && base.hook == BaseHook::Inet(hook);
            let all = chains(tables, concerns);
            let known = |stage: Stage| position(stage, tables, owners, TableFamily::Bridge, hook.name());
            let groups = self.group(tables, all, known);
            if let Some(place) = self.bridge.get_mut(hook as usize) {
                *place = groups;
            }
        }
    }

    fn devices(&mut self, tables: &[Arc<Table>], owners: &[HookOwner]) {
        let mut places: Vec<(&str, DeviceHook)> = Vec::new();
        for base in tables.iter().flat_map(|table| &table.bases) {
            if let BaseHook::Device(hook, devices) = &base.hook {
                places.extend(devices.iter().map(|device| (device.as_ref(), *hook)));
            }
        }
        places.sort_unstable();
        places.dedup();
        for (device, hook) in places {
            let concerns = |_: &Table, base: &Base| match &base.hook {
                BaseHook::Device(of, devices) => *of == hook && devices.iter().any(|name| **name == *device),
                BaseHook::Inet(_) => false,
            };
            let of_device = |owner: &&HookOwner| owner.device.as_deref() == Some(device);
            let owners: Vec<_> = owners.iter().filter(of_device).cloned().collect();
            let known = |stage: Stage| position(stage, tables, &owners, TableFamily::Netdev, hook.name());
            let groups = self.group(tables, chains(tables, concerns), known);
            self.devices.push((device.into(), hook, groups));
        }
    }

    /// Sorts by priority. Stages come as they are taken to run where nothing is known: of equal priorities the first one first.
    fn group(
        &mut self,
        tables: &[Arc<Table>],
        mut all: Vec<(i32, Placed)>,
        known: impl Fn(Stage) -> Option<usize>,
    ) -> Vec<Group> {
        all.sort_by_key(|(priority, _)| if is(Mutation::OrderReversed) { -*priority } else { *priority });
        let mut groups = Vec::new();
        for members in all.chunk_by(|(one, _), (other, _)| one == other) {
            let mut placed: Vec<_> = members.iter().map(|(_, placed)| (known(placed.stage), *placed)).collect();
            let (mut doubt, mut late) = (None, None);
            if placed.iter().all(|(position, _)| position.is_some()) {
                placed.sort_by_key(|(position, _)| *position);
            } else {
                doubt = conflict(tables, &placed).map(|text| self.doubt(text));
                let tables_of = placed.iter().filter_map(|(_, placed)| table_place(placed.stage));
                if doubt.is_none() && tables_of.clone().max() != tables_of.min() {
                    late = Some(self.doubt(question(tables, &placed)));
                }
            }
            let priority = members.first().map_or(0, |(priority, _)| *priority);
            let stages = placed.into_iter().map(|(_, placed)| placed.stage).collect();
            groups.push(Group { priority, stages, doubt, late });
        }
        groups
    }

    fn doubt(&mut self, text: String) -> u32 {
        let place = self.doubts.iter().position(|known| *known == text).unwrap_or_else(|| {
            self.doubts.push(text);
            self.doubts.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }
}

fn set(lists: &mut [Hooks; 2], family: usize, hook: Hook, groups: Vec<Group>) {
    if let Some(place) = lists.get_mut(family).and_then(|hooks| hooks.get_mut(hook as usize)) {
        *place = groups;
    }
}

/// Base chains that may make a difference, in the order in which they are taken to run: those of `iptables-legacy` first, then
/// those of nftables, the last in the dump first.
fn chains(tables: &[Arc<Table>], concerns: impl Fn(&Table, &Base) -> bool) -> Vec<(i32, Placed)> {
    let mut found = Vec::new();
    for (place, table) in (0_u32..).zip(tables) {
        for base in table.bases.iter().filter(|base| concerns(table, base)) {
            let Some(chain) = table.chain(base.chain).filter(|chain| chain.drops || !chain.only_accepts) else {
                continue;
            };
            let stage = Stage::Chain { table: place, chain: base.chain, route: base.kind == BaseKind::Route };
            let changes = !chain.decides_only;
            found.push((base.priority, Placed { stage, changes, heeds: changes || chain.reads_changes }));
        }
    }
    let legacy = |placed: &Placed| table_of(tables, placed.stage).is_some_and(is_legacy);
    found.reverse();
    found.sort_by_key(|(_, placed)| !legacy(placed));
    found
}

/// Whether two members whose order is not known would fare differently the other way round, and the question about it.
fn conflict(tables: &[Arc<Table>], placed: &[(Option<usize>, Placed)]) -> Option<String> {
    for (place, (position, one)) in placed.iter().enumerate() {
        for (other_position, other) in placed.iter().skip(place + 1) {
            let known = position.is_some() && other_position.is_some() || is_one_table(one.stage, other.stage);
            let matters = (one.changes && other.heeds) || (one.heeds && other.changes);
            // Confirmation is the last thing of all by its priority.
            if matters && !known {
                return Some(question(tables, placed));
            }
        }
    }
    None
}

fn question(tables: &[Arc<Table>], placed: &[(Option<usize>, Placed)]) -> String {
    let names: Vec<String> = placed.iter().map(|(_, placed)| name(tables, placed.stage)).collect();
    match names.as_slice() {
        [one, other] => format!("whether {one} runs before {other}"),
        _ => format!("in which order {} run", names.join(", ")),
    }
}

fn table_place(stage: Stage) -> Option<u32> {
    match stage {
        Stage::Chain { table, .. } => Some(table),
        Stage::Track | Stage::Nat(_) | Stage::Confirm => None,
    }
}

/// Chains of one table were registered in the order of the dump.
fn is_one_table(one: Stage, other: Stage) -> bool {
    match (one, other) {
        (Stage::Chain { table, .. }, Stage::Chain { table: other, .. }) => table == other,
        _ => false,
    }
}

fn table_of(tables: &[Arc<Table>], stage: Stage) -> Option<&Table> {
    match stage {
        Stage::Chain { table, .. } => tables.get(usize::try_from(table).ok()?).map(AsRef::as_ref),
        Stage::Track | Stage::Nat(_) | Stage::Confirm => None,
    }
}

fn is_legacy(table: &Table) -> bool {
    table.source == RuleSource::Iptables(skoop_model::Backend::Legacy)
}

fn name(tables: &[Arc<Table>], stage: Stage) -> String {
    match (stage, table_of(tables, stage)) {
        (_, Some(table)) => table.title(),
        (Stage::Nat(_), None) => "address translation".to_owned(),
        (_, None) => "connection tracking".to_owned(),
    }
}
