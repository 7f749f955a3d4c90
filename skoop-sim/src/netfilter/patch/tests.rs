use proptest::prelude::*;
use skoop_model::{Backend, Family, Packet};

use super::super::testkit::{FORWARDED, Walk, nft_v4, syn, table, udp};
use super::super::{HookResult, Netfilter};
use crate::explore;

fn patched(netfilter: &mut Netfilter, changes: &str) -> Result<(), String> {
    netfilter.patch(Backend::Nft, Family::V4, changes).map_err(|error| error.to_string())
}

/// What becomes of a packet on every way, without the lines of the rules.
fn fates(netfilter: &Netfilter, packet: &Packet) -> Vec<HookResult> {
    let (ways, _) = explore(64, |forks| {
        let mut result = Walk::new(netfilter.clone()).hooks(&FORWARDED, &mut packet.clone(), forks);
        for blocker in &mut result.blockers {
            blocker.by.line = 0;
        }
        for by in result.events.iter_mut().filter_map(|event| event.by.as_mut()) {
            by.line = 0;
        }
        result
    });
    ways.into_iter().map(|way| way.value).collect()
}

fn assert_same(one: &Netfilter, other: &Netfilter, of: &str) {
    for host in 0..4 {
        for port in [80, 81, 443] {
            for packet in [
                syn(&format!("10.1.0.{host}"), 1000, &format!("10.0.0.{}", port % 5), port),
                syn("10.1.0.9", 1000, &format!("10.0.0.{host}"), port),
                udp("10.1.0.1", 1000, &format!("10.0.0.{host}"), port),
            ] {
                assert_eq!(fates(one, &packet), fates(other, &packet), "{packet}\n{of}");
            }
        }
    }
}

fn service(endpoints: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = "*nat\n:KUBE-SVC-A - [0:0]\n".to_owned();
    for endpoint in endpoints {
        let _ = writeln!(text, ":KUBE-SEP-{endpoint} - [0:0]");
    }
    for (place, endpoint) in endpoints.iter().enumerate() {
        let chance = 1.0 / f64::from(u32::try_from(endpoints.len() - place).unwrap());
        let _ = writeln!(
            text,
            "-A KUBE-SVC-A -m statistic --mode random --probability {chance:.11} -j KUBE-SEP-{endpoint}"
        );
        let _ = writeln!(text, "-A KUBE-SEP-{endpoint} -p tcp -m tcp -j DNAT --to-destination 10.2.0.{endpoint}:8080");
    }
    text
}

fn destinations(netfilter: &Netfilter) -> Vec<String> {
    let fates = fates(netfilter, &syn("10.1.0.1", 1000, "10.0.0.1", 80));
    fates
        .iter()
        .map(|fate| fate.events.first().map_or("none".to_owned(), |event| event.after.dst.to_string()))
        .collect()
}

#[test]
fn endpoints_come_and_go() {
    let base = table("nat", &[":KUBE-SERVICES - [0:0]", ":KUBE-SVC-A - [0:0]", "-A PREROUTING -j KUBE-SERVICES"]);
    let mut netfilter = nft_v4(base);
    assert_eq!(destinations(&netfilter), ["none"]);
    let lead = "-A KUBE-SERVICES -d 10.0.0.1/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-A\nCOMMIT\n";
    patched(&mut netfilter, &(service(&[1, 2]) + lead)).unwrap();
    assert_eq!(destinations(&netfilter), ["10.2.0.1", "10.2.0.2"]);
    let before = netfilter.clone();
    patched(&mut netfilter, &(service(&[2, 3]) + ":KUBE-SEP-1 - [0:0]\n-X KUBE-SEP-1\nCOMMIT\n")).unwrap();
    assert_eq!(destinations(&netfilter), ["10.2.0.2", "10.2.0.3"]);
    assert_eq!(destinations(&before), ["10.2.0.1", "10.2.0.2"], "a clone keeps what it had");
    patched(&mut netfilter, "*nat\n-D KUBE-SERVICES -p tcp -d 10.0.0.1 -m tcp --dport 80 -j KUBE-SVC-A\nCOMMIT\n")
        .unwrap();
    assert_eq!(destinations(&netfilter), ["none"]);
}

#[test]
fn errors_change_nothing() {
    let text =
        table("filter", &[":A - [0:0]", ":B - [0:0]", "-A FORWARD -j A", "-A A -j B", "-A B -s 10.1.0.1/32 -j DROP"]);
    let mut netfilter = nft_v4(text.clone());
    let fresh = nft_v4(text);
    for (changes, why) in [
        ("-A FORWARD -j DROP", "line 2: there is no chain"),
        ("*filter\n-A NONE -j DROP\nCOMMIT\n", "line 2: there is no chain `NONE`"),
        (
            "*filter\n-A FORWARD -j DROP\n-A A -j NONE\nCOMMIT\n",
            "line 3: `-A A -j NONE`: there is no chain or target `NONE`",
        ),
        ("*filter\n-I FORWARD -j DROP\n", "line 2: no COMMIT at the end"),
        ("*filter\n-I FORWARD -j DROP\n-X B\nCOMMIT\n", "line 3: chain `B` holds rules"),
        ("*filter\n-I FORWARD -j DROP\n-F B\n-X B\nCOMMIT\n", "line 5: chain `B` is deleted, and rules lead to it"),
        ("*filter\n-I FORWARD -j DROP\n-A B -j A\nCOMMIT\n", "line 4: chains lead in a circle"),
        ("*filter\n-I FORWARD -j DROP\n-D B -j DROP\nCOMMIT\n", "line 3: `-D B -j DROP`: there is no such rule"),
        ("*filter\n-I FORWARD 3 -j DROP\nCOMMIT\n", "line 2: `-I FORWARD 3 -j DROP`: the chain has fewer rules"),
        ("*filter\n-I FORWARD -j DROP\nCOMMIT\n*foo\nCOMMIT\n", "line 4: there is no table `foo`"),
        ("*filter\n-A FORWARD -j INPUT\nCOMMIT\n", "line 2: `-A FORWARD -j INPUT`: `INPUT` is built in"),
        ("*filter\n:A DROP [0:0]\nCOMMIT\n", "line 2: `:A DROP [0:0]`: only built-in chains have a policy"),
    ] {
        let error = patched(&mut netfilter, changes).unwrap_err();
        assert!(error == why || changes.starts_with("-A"), "{error}\n{why}");
        assert_same(&netfilter, &fresh, changes);
    }
}

#[test]
fn policies_tables_and_places() {
    let mut netfilter = nft_v4(table("filter", &["-A FORWARD -s 10.1.0.1/32 -j ACCEPT"]));
    let packet = |host: u8| syn(&format!("10.1.0.{host}"), 1000, "10.0.0.1", 80);
    let stopped = |netfilter: &Netfilter, host: u8| {
        fates(netfilter, &packet(host))[0].blockers.first().map(|blocker| blocker.by.to_string())
    };
    patched(&mut netfilter, "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n").unwrap();
    assert_eq!(stopped(&netfilter, 1), None);
    assert_eq!(stopped(&netfilter, 2).unwrap(), ":FORWARD DROP [0:0] (iptables-nft, table filter)");
    patched(&mut netfilter, "*mangle\n-A PREROUTING -s 10.1.0.1 -m comment --comment \"a b\" -j DROP\nCOMMIT\n")
        .unwrap();
    assert_eq!(
        stopped(&netfilter, 1).unwrap(),
        "-A PREROUTING -s 10.1.0.1 -m comment --comment \"a b\" -j DROP (iptables-nft, table mangle)"
    );
    patched(&mut netfilter, "*mangle\n-D PREROUTING 1\nCOMMIT\n*filter\n-I FORWARD 2 -s 10.1.0.2 -j ACCEPT\n-P FORWARD ACCEPT\n-A FORWARD -j DROP\nCOMMIT\n").unwrap();
    assert_eq!((stopped(&netfilter, 1), stopped(&netfilter, 2)), (None, None));
    assert_eq!(stopped(&netfilter, 3).unwrap(), "-A FORWARD -j DROP (iptables-nft, table filter)");
}

/// A table as it should be: chains with their rules.
#[derive(Debug, Clone)]
struct Model(Vec<(String, Vec<String>)>);

const NAMES: [&str; 6] = ["A", "B", "C", "D", "E", "F"];

/// What a line does: which command, chain, place, rule.
type Step = (u8, usize, usize, u16);

fn rule(code: u16) -> String {
    let [a, b] = code.to_be_bytes();
    let matches = match a % 6 {
        0 => String::new(),
        1 => format!("-s 10.1.0.{} ", b % 4),
        2 => format!("-d 10.0.0.{}/32 -p tcp -m tcp --dport {} ", b % 4, 80 + u16::from(b % 2)),
        3 => format!("-d 10.0.0.{}/32 ", b % 5),
        4 => format!("-p udp -m udp --dport {} ", 80 + u16::from(b % 2)),
        _ => format!("-m comment --comment \"rule {b}\" -m mark --mark {} ", b % 3),
    };
    let target = match a / 6 % 8 {
        0 => "-j ACCEPT".to_owned(),
        1 => "-j DROP".to_owned(),
        2 => "-j RETURN".to_owned(),
        3 => format!("-j MARK --set-xmark {:#x}/0xffffffff", b % 3),
        4 => "-j LOG".to_owned(),
        5 => format!("-g {}", NAMES[usize::from(b) % 6]),
        _ => format!("-j {}", NAMES[usize::from(b) % 6]),
    };
    matches + &target
}

impl Model {
    fn new() -> Self {
        Self(["INPUT", "FORWARD", "OUTPUT"].into_iter().map(|name| (name.to_owned(), Vec::new())).collect())
    }

    fn rules(&mut self, name: &str) -> Option<&mut Vec<String>> {
        self.0.iter_mut().find(|(known, _)| known == name).map(|(_, rules)| rules)
    }

    fn text(&self) -> String {
        let mut text = "*filter\n".to_owned();
        for (name, _) in &self.0 {
            let policy = if NAMES.contains(&name.as_str()) { "-" } else { "ACCEPT" };
            text += &format!(":{name} {policy} [0:0]\n");
        }
        for (name, rules) in &self.0 {
            for rule in rules {
                text += &format!("-A {name} {rule}\n");
            }
        }
        text + "COMMIT\n"
    }

    fn leads_to(rule: &str) -> Option<&str> {
        let name = rule.rsplit(' ').next()?;
        NAMES.contains(&name).then_some(name)
    }

    /// Takes a step, and tells its line; none if it is an error.
    fn step(&mut self, (command, chain, place, code): Step) -> (String, Option<()>) {
        let name = ["FORWARD", "A", "B", "C", "D", "E", "F"][chain % 7];
        let rule = rule(code);
        let built_in = name == "FORWARD";
        let known = |model: &Self, rule: &str| {
            Self::leads_to(rule).is_none_or(|to| model.0.iter().any(|(known, _)| known == to)).then_some(())
        };
        match command % 8 {
            0 if built_in => (":FORWARD - [0:0]".to_owned(), Some(())),
            0 => {
                match self.rules(name) {
                    Some(rules) => rules.clear(),
                    None => self.0.push((name.to_owned(), Vec::new())),
                }
                (format!(":{name} - [0:0]"), Some(()))
            }
            1 | 2 => {
                let done = known(self, &rule).and_then(|()| {
                    let rules = self.rules(name)?;
                    let place = place % (rules.len() + 2);
                    (place <= rules.len()).then(|| rules.insert(place, rule.clone()))?;
                    Some(place)
                });
                let number = done.map_or(9_999, |place| place + 1);
                (format!("-I {name} {number} {rule}"), done.map(|_| ()))
            }
            3 => {
                let done = self.rules(name).and_then(|rules| {
                    let place = place % (rules.len() + 1);
                    (place < rules.len()).then(|| rules.remove(place))?;
                    Some(place)
                });
                (format!("-D {name} {}", done.map_or(9_999, |place| place + 1)), done.map(|_| ()))
            }
            4 => {
                let deleted = self.rules(name).and_then(|rules| {
                    let rule = rules.get(place % rules.len().max(1))?.clone();
                    let first = rules.iter().position(|known| *known == rule)?;
                    rules.remove(first);
                    Some(rule)
                });
                let rule = deleted.clone().unwrap_or_else(|| "-j NFQUEUE".to_owned());
                (format!("-D {name} {rule}"), deleted.map(|_| ()))
            }
            5 => {
                let done = self.rules(name).is_some_and(|rules| rules.is_empty() && !built_in);
                self.0.retain(|(known, _)| !done || known != name);
                (format!("-X {name}"), done.then_some(()))
            }
            _ => {
                let done = known(self, &rule).and_then(|()| {
                    self.rules(name)?.push(rule.clone());
                    Some(())
                });
                (format!("-A {name} {rule}"), done)
            }
        }
    }

    /// Whether all chains that are led to are there, without a circle.
    fn is_sound(&self) -> bool {
        let rules = || self.0.iter().flat_map(|(name, rules)| rules.iter().map(move |rule| (name, rule)));
        let mut edges: Vec<_> =
            rules().filter_map(|(name, rule)| Some((name.as_str(), Self::leads_to(rule)?))).collect();
        if edges.iter().any(|(_, to)| !self.0.iter().any(|(name, _)| name == to)) {
            return false;
        }
        while !edges.is_empty() {
            let before = edges.len();
            let leads: Vec<_> = edges.iter().map(|(from, _)| *from).collect();
            edges.retain(|(_, to)| leads.contains(to));
            if edges.len() == before {
                return false;
            }
        }
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn changed_is_as_compiled_anew(
        texts in prop::collection::vec(prop::collection::vec((any::<u8>(), 0_usize..7, 0_usize..40, any::<u16>()), 1..12), 1..12),
    ) {
        let mut model = Model::new();
        // All chains are there, and one is long enough to be indexed.
        for chain in 1..7 {
            model.step((0, chain, 0, 0)).1.unwrap();
        }
        for code in 0..20 {
            model.step((7, 0, 0, 0x0e00 + code)).1.unwrap();
            model.rules("A").unwrap().push(format!("-d 10.0.0.{code}/32 -j DROP"));
        }
        model.rules("FORWARD").unwrap().push("-j A".to_owned());
        model.rules("FORWARD").unwrap().push("-j B".to_owned());
        let mut netfilter = nft_v4(model.text());
        let mut history = model.text();
        let mut applied = 0;
        for steps in texts {
            let mut next = model.clone();
            let (mut changes, mut fine) = ("*filter\n".to_owned(), true);
            for step in steps {
                let before = next.clone();
                let (line, done) = next.step(step);
                // One step in error in a text is enough, and most texts should have none.
                // A chain that is led to may be deleted here before the last rule that leads to it, there not.
                let early = line.starts_with("-X") && !next.is_sound();
                let skip = early || (done.is_none() && step.3 % 16 != 0);
                if skip || (done.is_some() && !next.is_sound() && step.3 % 16 != 0) {
                    next = before;
                    continue;
                }
                fine &= done.is_some();
                changes += &line;
                changes.push('\n');
            }
            changes += "COMMIT\n";
            history += &changes;
            let result = patched(&mut netfilter, &changes);
            prop_assert_eq!(result.is_ok(), fine && next.is_sound(), "{:?}\n{}", result, history);
            if result.is_ok() {
                model = next;
                applied += 1;
            }
            assert_same(&netfilter, &nft_v4(model.text()), &history);
            let now = super::patched::text_of(&netfilter.0.tables[0]);
            prop_assert_eq!(sorted(&now), sorted(&model.text()), "{}", history);
        }
        prop_assume!(applied > 0);
    }
}

/// Lines of the chains, chains by name.
fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort_by_key(|line| {
        line.split(' ').take(if line.starts_with('-') { 2 } else { 1 }).collect::<Vec<_>>().join(" ")
    });
    lines
}
