//! A rule of the one iptables backend stops what the other one, which the node's components use, lets pass.

use skoop_model::{Backend, Family, NetfilterDumps, Role, Severity};
use skoop_sim::{RuleSource, Stop};

use super::FindingKind;
use super::case::{Case, Detail, argv};

/// `NETFILTER-MIXED-BACKENDS`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "NETFILTER-MIXED-BACKENDS",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "Both iptables backends hold rules, and every packet passes both; a rule of the one that nothing else on the node uses stops the \
              packet, and the usual `iptables` command does not show it.",
    remedy: "Look at both `iptables-legacy-save` and `iptables-nft-save`, remove the rules of the backend that the node's components do not \
             use, and mend what wrote them.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::Netfilter(blocker) = case.stop() else { return None };
    let rule = &blocker.by;
    let RuleSource::Iptables(own) = rule.source else { return None };
    let other = match own {
        Backend::Legacy => Backend::Nft,
        Backend::Nft => Backend::Legacy,
    };
    let dumps = &case.namespace()?.snapshot().netfilter;
    let (few, many) = (rules(dumps, own, rule.family), rules(dumps, other, rule.family));
    if many <= few {
        return None;
    }
    let message = format!(
        "On {} both iptables backends hold rules: {many} rule(s) of iptables-{other}, and {few} of iptables-{own}, one of which stops the \
         packet. Each packet passes both.",
        case.whereabouts()
    );
    let commands = if blocker.by_policy {
        vec![argv(&[rule.tool(), "-t", &rule.table, "-P", &rule.chain, "ACCEPT"])]
    } else {
        rule.delete_command().into_iter().collect()
    };
    let fix = format!(
        "Remove what iptables-{own} holds, if nothing on the node means to use that backend: the rule named here first. What wrote it may \
         write it again, until it is set to use iptables-{other}."
    );
    Some(Detail::new(message).fix(fix, commands))
}

/// Number of rules that a backend holds.
fn rules(dumps: &NetfilterDumps, backend: Backend, family: Family) -> usize {
    let dump = dumps.iptables(backend, family).value();
    dump.map_or(0, |text| text.lines().filter(|line| line.trim_start().starts_with("-A ")).count())
}
