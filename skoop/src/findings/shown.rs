//! Rules of netfilter that are known as evidence only, taken apart again.

use skoop_model::Evidence;

/// `-A CHAIN … (TOOL, table TABLE, line N)`, or `… (nft, table FAMILY TABLE, chain CHAIN, handle N)`.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The rule without its place.
    pub rule: &'a str,
    /// The command that shows and changes it.
    pub tool: &'a str,
    /// Table; with its family for nftables.
    pub table: &'a str,
    /// Chain.
    pub chain: &'a str,
    handle: Option<&'a str>,
}

impl<'a> Shown<'a> {
    /// None if the evidence is no rule of netfilter.
    pub fn of(evidence: &'a Evidence) -> Option<Self> {
        if !is_rule(evidence) {
            return None;
        }
        let (rule, place) = evidence.text.rsplit_once(" (")?;
        let mut parts = place.strip_suffix(')')?.split(", ");
        let tool = parts.next()?;
        let part = |name: &str| place.trim_end_matches(')').split(", ").find_map(|part| part.strip_prefix(name));
        let own = || rule.strip_prefix("-A ").and_then(|rest| rest.split(' ').next());
        let (table, handle) = (part("table ")?, part("handle "));
        Some(Self { rule, tool, table, chain: part("chain ").or_else(own)?, handle })
    }

    /// Whether it is a rule of native nftables.
    pub fn is_nft(&self) -> bool {
        self.tool == "nft"
    }

    /// Family and table of a rule of nftables.
    pub fn nft_table(&self) -> Option<(&'a str, &'a str)> {
        self.table.split_once(' ').filter(|_| self.is_nft())
    }

    /// The command that deletes the rule. None for one of iptables with quotes, and for one of nftables without handle.
    pub fn delete_command(&self) -> Option<Vec<String>> {
        if let Some((family, table)) = self.nft_table() {
            let words = ["nft", "delete", "rule", family, table, self.chain, "handle", self.handle?];
            return Some(words.map(str::to_owned).to_vec());
        }
        let rest = self.rule.strip_prefix("-A ").filter(|rest| !rest.contains('"'))?;
        let words = [self.tool, "-t", self.table, "-D"].into_iter().chain(rest.split_whitespace());
        Some(words.map(str::to_owned).collect())
    }
}

/// Whether the evidence is a rule of netfilter, whichever tool wrote it.
pub fn is_rule(evidence: &Evidence) -> bool {
    ["iptables", "nftables"].contains(&evidence.kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_both_kinds_are_taken_apart() {
        let iptables = Evidence::new("iptables", "-A FORWARD -p udp -j DROP (ip6tables-nft, table filter, line 3)");
        let shown = Shown::of(&iptables).expect("a rule");
        assert_eq!((shown.table, shown.chain, shown.is_nft()), ("filter", "FORWARD", false));
        assert_eq!(
            shown.delete_command().map(|words| words.join(" ")).as_deref(),
            Some("ip6tables-nft -t filter -D FORWARD -p udp -j DROP")
        );
        let nft = Evidence::new(
            "nftables",
            "tcp dport 80 drop comment \"a (b)\" (nft, table inet guard, chain input, handle 4)",
        );
        let shown = Shown::of(&nft).expect("a rule");
        assert_eq!((shown.nft_table(), shown.chain), (Some(("inet", "guard")), "input"));
        assert_eq!(
            shown.delete_command().map(|words| words.join(" ")).as_deref(),
            Some("nft delete rule inet guard input handle 4")
        );
        let unnumbered = Evidence::new("nftables", "drop (nft, table inet guard, chain input)");
        assert_eq!(Shown::of(&unnumbered).and_then(|shown| shown.delete_command()), None);
        assert!(Shown::of(&Evidence::new("route", "default via 10.0.0.1 (nft, table a b, chain c)")).is_none());
    }
}
