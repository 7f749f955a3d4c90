//! The order of things at each hook (`enum nf_ip_hook_priorities`, `include/uapi/linux/netfilter_ipv4.h`).

use skoop_model::{Family, Unseen};

use super::Hook;
use super::compile::unseen_ref;
use super::native::NativeChain;
use super::result::{NfVerdict, RuleRef, RuleSource};
use super::run::Run;
use super::table::TableKind;
use crate::conntrack::{Doubt, Info, Manip, NatRange, Origin, Tracking};

/// What happens at a priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Table(TableKind),
    /// Connection tracking looks the packet up.
    Track,
    /// The nat tables, then translation (`nf_nat_inet_fn`).
    Nat(Manip),
    /// Connection tracking makes the flow known.
    Confirm,
}

const RAW: (i64, Stage) = (-300, Stage::Table(TableKind::Raw));
const TRACK: (i64, Stage) = (-200, Stage::Track);
const MANGLE: (i64, Stage) = (-150, Stage::Table(TableKind::Mangle));
const NAT_DST: (i64, Stage) = (-100, Stage::Nat(Manip::Destination));
const FILTER: (i64, Stage) = (0, Stage::Table(TableKind::Filter));
const SECURITY: (i64, Stage) = (50, Stage::Table(TableKind::Security));
const NAT_SRC: (i64, Stage) = (100, Stage::Nat(Manip::Source));
const CONFIRM: (i64, Stage) = (i32::MAX as i64, Stage::Confirm);

fn stages(hook: Hook) -> &'static [(i64, Stage)] {
    match hook {
        Hook::Prerouting => &[RAW, TRACK, MANGLE, NAT_DST],
        Hook::Input => &[MANGLE, FILTER, SECURITY, NAT_SRC, CONFIRM],
        Hook::Forward => &[MANGLE, FILTER, SECURITY],
        Hook::Output => &[RAW, TRACK, MANGLE, NAT_DST, FILTER, SECURITY],
        Hook::Postrouting => &[MANGLE, NAT_SRC, CONFIRM],
    }
}

impl Run<'_> {
    /// Passes the packet through the hook.
    pub(super) fn hook(&mut self) {
        let hook = self.at.hook;
        let origin = if hook == Hook::Output { Origin::Local } else { Origin::Received };
        self.state.origin.get_or_insert(origin);
        let family = self.packet.family();
        self.unseen_rules(family);
        let mut asked = 0;
        for (priority, stage) in stages(hook) {
            asked = self.natives(family, asked, *priority);
            self.stage(*stage, family);
        }
        self.natives(family, asked, i64::MAX);
    }

    fn stage(&mut self, stage: Stage, family: Family) {
        match stage {
            Stage::Table(kind) => {
                let before = (self.packet.mark, self.packet.tos, self.packet.ttl);
                self.both_backends(kind, family);
                // `ipt_mangle_out`, `ip6t_mangle_out`: the table is of type route. IPv6 looks at the hop limit too.
                let ttl_counts = family == Family::V6 && self.packet.ttl != before.2;
                if kind == TableKind::Mangle && self.at.hook == Hook::Output {
                    self.result.reroute |= (self.packet.mark, self.packet.tos) != (before.0, before.1) || ttl_counts;
                }
            }
            Stage::Track => {
                let env = self.env;
                let loose = || env.sysctl("net/netfilter/nf_conntrack_tcp_loose") != Some(0);
                self.conntrack.track(self.packet, self.state, loose);
            }
            Stage::Nat(manip) => self.nat_stage(manip, family),
            Stage::Confirm => self.conntrack.confirm(self.state),
        }
    }

    fn both_backends(&mut self, kind: TableKind, family: Family) {
        for place in self.backends(kind, family).into_iter().flatten() {
            self.traverse(place, kind);
        }
    }

    /// The dumps of a family, in the order in which they are traversed. At equal priorities the one comes first that was registered
    /// last (`nf_hook_entries_grow`, `net/netfilter/core.c`), which no dump tells; it matters only where
    /// one changes what the other one heeds.
    fn backends(&mut self, kind: TableKind, family: Family) -> [Option<u8>; 2] {
        let rules = self.rules;
        let hook = self.at.hook;
        let mut found = [None; 2];
        let (mut changing, mut heeding) = (0, 0);
        let of_family = (0..).zip(&rules.rulesets).filter(|(_, ruleset)| ruleset.family == family);
        for (slot, (place, ruleset)) in found.iter_mut().zip(of_family) {
            *slot = Some(place);
            let base = ruleset.table(kind).and_then(|table| table.base_chain(hook));
            if let Some((_, chain)) = base.filter(|(_, chain)| !chain.harmless) {
                changing += u8::from(!chain.decides_only);
                heeding += u8::from(!chain.decides_only || chain.reads_changes);
            }
        }
        if changing > 0 && heeding == 2 && !self.is_legacy_first() {
            found.reverse();
        }
        found
    }

    fn is_legacy_first(&mut self) -> bool {
        if let Some(answer) = self.conntrack.answered(Doubt::Order) {
            return answer;
        }
        let what =
            format!("whether rules of iptables-legacy come before those of iptables-nft{}", self.conntrack.on_place());
        let why = "one changes what the other heeds at the same hook and priority, and which were registered first is not known"
            .to_owned();
        let answer = self.forks.unknown(Unseen { what, why, matters: true });
        self.conntrack.remember(Doubt::Order, answer);
        answer
    }

    /// Only the first packet of a flow meets the rules; the last word of a chain without a matching rule is "no change"
    /// (`nf_nat_alloc_null_binding`).
    fn nat_stage(&mut self, manip: Manip, family: Family) {
        let Tracking::Tracked { id, info, .. } = self.state.tracking else { return };
        let fresh = info != Info::Established && !self.conntrack.is_nat_done(id, manip);
        if fresh {
            for place in self.backends(TableKind::Nat, family).into_iter().flatten() {
                if !self.conntrack.is_nat_done(id, manip) {
                    self.traverse(place, TableKind::Nat);
                }
            }
        }
        if !self.conntrack.is_nat_done(id, manip) {
            self.conntrack.set_up_nat(id, manip, NatRange::default(), None);
        }
        let destination = self.packet.dst;
        self.translate(manip, fresh);
        self.result.reroute |= self.at.hook == Hook::Output && self.packet.dst != destination;
    }

    /// Rules that were not seen: asked once in a walk for the namespace, and blamed once.
    fn unseen_rules(&mut self, family: Family) {
        let place = usize::from(family == Family::V6);
        let rules = self.rules;
        let Some([first, rest @ ..]) = rules.unseen.get(place).map(Vec::as_slice) else { return };
        if self.conntrack.answered(Doubt::Rules(place)).is_some() {
            return;
        }
        let reason = |unseen: &Unseen| format!("{}: {}", unseen.what, unseen.why);
        let why = rest.iter().fold(reason(first), |all, unseen| all + "; " + &reason(unseen));
        let what =
            format!("whether netfilter rules that were not seen let the packet pass{}", self.conntrack.on_place());
        let passes = self.forks.unknown(Unseen { what, why: why.clone(), matters: true });
        self.conntrack.remember(Doubt::Rules(place), passes);
        if !passes {
            self.block(NfVerdict::Drop, unseen_ref(family, format!("netfilter rules not seen: {why}")), None);
        }
    }

    /// Native base chains from `asked` on with a priority below `priority`. Returns how many are done.
    fn natives(&mut self, family: Family, asked: usize, priority: i64) -> usize {
        let rules = self.rules;
        let due = rules.natives.iter().enumerate().skip(asked).take_while(|(_, chain)| chain.order() < priority);
        let mut done = asked;
        for (place, chain) in due {
            done = place + 1;
            if chain.concerns(self.at, family) {
                self.native(place, chain, family);
            }
        }
        done
    }

    fn native(&mut self, place: usize, chain: &NativeChain, family: Family) {
        if self.conntrack.answered(Doubt::Native(place)).is_some() {
            return;
        }
        let what = format!(
            "whether nftables chain `{chain}` (hook {}, priority {}) lets the packet pass unchanged{}",
            chain.hook,
            chain.priority,
            self.conntrack.on_place()
        );
        let why = format!("native nftables rules are not evaluated, and {}", chain.harm);
        let passes = self.forks.unknown(Unseen { what, why, matters: true });
        self.conntrack.remember(Doubt::Native(place), passes);
        if !passes {
            let by = RuleRef {
                source: RuleSource::Nftables,
                family,
                table: format!("{} {}", chain.family, chain.table),
                chain: chain.chain.clone(),
                line: 0,
                text: format!("chain {} {{ type … hook {} priority {}; … }}", chain.chain, chain.hook, chain.priority),
                comment: None,
            };
            self.block(NfVerdict::Drop, by, None);
        }
    }
}
