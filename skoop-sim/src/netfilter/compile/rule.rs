//! One `-A` line, compiled.

use std::borrow::Cow;

use skoop_model::{Family, Protocol};

use super::{Builder, place, span};
use crate::netfilter::args::Args;
use crate::netfilter::common::{Common, Net};
use crate::netfilter::matches::{Match, tcp_dports_only, udp_dports_only};
use crate::netfilter::parse::Line;
use crate::netfilter::table::{Rule, Verdict};
use crate::netfilter::targets::Target;
use crate::netfilter::test::Test;
use crate::netfilter::words::{Word, Words};

/// Options whose next word is their value, whatever it looks like.
const FREE_TEXT: [&str; 5] = ["--comment", "--log-prefix", "--nflog-prefix", "--string", "--hex-string"];

/// What `-A` is followed by, while it is read.
struct Reader<'w, 't> {
    family: Family,
    words: &'w [Word<'t>],
    common: Common,
    matches: Vec<Match>,
    verdict: Option<Verdict>,
    in_device: Option<&'w Word<'t>>,
    out_device: Option<&'w Word<'t>>,
}

impl<'t> Builder<'t> {
    /// Adds a rule; none if even its chain cannot be read. Anything else that is not understood makes the rule match "maybe".
    pub(super) fn rule(&mut self, line: &Line<'t>) -> Option<()> {
        let mut words = std::mem::take(&mut self.words);
        words.clear();
        words.extend(Words::new(line.text));
        let added = self.add(line, &words);
        self.words = words;
        added
    }

    /// The same, of words that were split already.
    pub(in crate::netfilter) fn add(&mut self, line: &Line<'t>, words: &[Word<'t>]) -> Option<()> {
        let [_, chain, rest @ ..] = words else { return None };
        let Cow::Borrowed(chain) = chain.text else { return None };
        let chain = self.chain_id(chain, line);
        let mut reader = Reader {
            family: self.family,
            words: rest,
            common: Common::default(),
            matches: Vec::new(),
            verdict: None,
            in_device: None,
            out_device: None,
        };
        let mut understood = true;
        while let Some((first, rest)) = reader.words.split_first() {
            if reader.step(self).is_some() {
                continue;
            }
            if std::mem::take(&mut understood) {
                reader.matches.push(Match::Opaque(format!("`{}` is not understood", first.text).into()));
            }
            reader.words = rest;
        }
        let mut common = reader.common;
        common.in_device = reader.in_device.map_or(0, |word| self.device_of(word));
        common.out_device = reader.out_device.map_or(0, |word| self.device_of(word));
        let verdict = reader.verdict.unwrap_or(Verdict::Continue);
        let matches = reader.matches;
        let rule = Rule {
            common,
            verdict,
            first_test: place(self.tests.len()),
            tests: u16::try_from(matches.len()).ok()?,
            chance: matches.iter().any(|matcher| matcher.chance().is_some()),
            harmless: false,
            source: span(line),
            handle: 0,
        };
        for matcher in &matches {
            if let Match::Opaque(reason) = matcher {
                self.note_opaque(reason.clone(), line);
            }
        }
        if let Verdict::Target(target) = verdict
            && let Some(Target::Opaque(reason, _)) = self.targets.get(usize::try_from(target).ok()?)
        {
            self.note_opaque(reason.clone(), line);
        }
        self.tests.extend(matches.into_iter().map(Test::Match));
        self.rules.push((chain, rule));
        Some(())
    }

    fn note_opaque(&mut self, reason: Box<str>, line: &Line<'_>) {
        self.opaque.entry(reason).or_insert((0, line.number)).0 += 1;
    }

    fn device_of(&mut self, word: &Word<'t>) -> u32 {
        match &word.text {
            Cow::Borrowed(text) => self.device(text),
            // A device name in quotes with escapes: its own pattern.
            Cow::Owned(text) => {
                self.devices.push(crate::netfilter::common::DevicePattern::parse(text));
                place(self.devices.len() - 1)
            }
        }
    }
}

impl<'w, 't> Reader<'w, 't> {
    /// Reads the next option of the rule itself, or the next match or target with all its options. None at the end, or where the
    /// next word is not understood.
    fn step(&mut self, builder: &mut Builder<'t>) -> Option<()> {
        let (first, rest) = self.words.split_first()?;
        let negated = first.is("!");
        let (option, rest) = if negated { rest.split_first()? } else { (first, rest) };
        if option.quoted {
            return None;
        }
        match (option.text.as_ref(), negated) {
            ("-m" | "--match", false) => {
                let (name, rest) = rest.split_first()?;
                let (options, rest) = split_options(rest);
                self.words = rest;
                self.extension(&name.text, options);
                Some(())
            }
            ("-j" | "--jump", false) => {
                let (name, rest) = rest.split_first()?;
                self.words = &[];
                self.verdict = Some(jump(builder, &name.text, Args::new(self.family, rest)));
                Some(())
            }
            ("-g" | "--goto", false) => {
                let (name, rest) = rest.split_first()?;
                self.words = rest;
                self.verdict = Some(goto(builder, &name.text));
                Some(())
            }
            (text, _) if text.starts_with("--") && !is_common(text) => {
                // Options of `-p NAME` without `-m NAME`, as in rule files written by hand.
                let protocol = Protocol(self.common.protocol).to_string();
                let (options, rest) = split_options(self.words);
                self.words = rest;
                self.extension(&protocol, options);
                Some(())
            }
            _ => self.common_option(option, negated, rest),
        }
    }

    fn common_option(&mut self, option: &Word<'t>, negated: bool, rest: &'w [Word<'t>]) -> Option<()> {
        let common = &mut self.common;
        if matches!(option.text.as_ref(), "-f" | "--fragment") {
            self.matches.push(Match::fragment(negated));
            self.words = rest;
            return Some(());
        }
        let (value, rest) = rest.split_first()?;
        match option.text.as_ref() {
            "-s" | "--source" | "--src" => {
                common.src = Net::parse(&value.text, self.family)?;
                common.inverted.src = negated;
            }
            "-d" | "--destination" | "--dst" => {
                common.dst = Net::parse(&value.text, self.family)?;
                common.inverted.dst = negated;
            }
            "-p" | "--protocol" | "--proto" => {
                common.protocol = if value.is("all") { 0 } else { value.text.parse::<Protocol>().ok()?.0 };
                common.inverted.protocol = negated;
            }
            "-i" | "--in-interface" => {
                self.in_device = Some(value);
                common.inverted.in_device = negated;
            }
            "-o" | "--out-interface" => {
                self.out_device = Some(value);
                common.inverted.out_device = negated;
            }
            _ => return None,
        }
        self.words = rest;
        Some(())
    }

    /// Compiles a match. One that only names destination ports becomes part of the common ones; one that always says yes is left out.
    fn extension(&mut self, name: &str, options: &[Word<'_>]) {
        let matcher = Match::parse(name, Args::new(self.family, options));
        let own = |protocol| self.common.protocol == protocol && !self.common.inverted.protocol;
        let dports = match &matcher {
            Match::Tcp(tcp) if own(Protocol::TCP.0) => tcp_dports_only(tcp),
            Match::Udp(udp) if own(Protocol::UDP.0) => udp_dports_only(udp),
            _ => None,
        };
        match (dports, &matcher) {
            (Some(range), _) if self.common.dports.is_none() => self.common.dports = Some(range),
            (_, Match::Nothing(_)) => {}
            _ => self.matches.push(matcher),
        }
    }
}

fn is_common(option: &str) -> bool {
    [
        "--match",
        "--jump",
        "--goto",
        "--source",
        "--src",
        "--destination",
        "--dst",
        "--protocol",
        "--proto",
        "--in-interface",
        "--out-interface",
        "--fragment",
    ]
    .contains(&option)
}

/// Splits the options of a match from what follows them: the next match, the target, or an option of the rule itself.
fn split_options<'w, 't>(words: &'w [Word<'t>]) -> (&'w [Word<'t>], &'w [Word<'t>]) {
    let mut end = 0;
    while let Some(word) = words.get(end) {
        let ends = |word: &Word<'_>| {
            let text = word.text.as_ref();
            let short = ["-m", "-j", "-g", "-s", "-d", "-p", "-i", "-o", "-f"].contains(&text);
            !word.quoted && (short || is_common(text))
        };
        if ends(word) || (word.is("!") && words.get(end + 1).is_some_and(ends)) {
            break;
        }
        let free = !word.quoted && FREE_TEXT.contains(&word.text.as_ref());
        end = (end + if free { 2 } else { 1 }).min(words.len());
    }
    words.split_at(end)
}

fn jump(builder: &mut Builder<'_>, name: &str, options: Args<'_>) -> Verdict {
    match name {
        "ACCEPT" => Verdict::Accept,
        "DROP" => Verdict::Drop,
        "RETURN" => Verdict::Return,
        _ => match builder.names.get(name) {
            Some(chain) => Verdict::Jump(*chain),
            None => target(builder, Target::parse(name, options)),
        },
    }
}

fn goto(builder: &mut Builder<'_>, name: &str) -> Verdict {
    match builder.names.get(name) {
        Some(chain) => Verdict::Goto(*chain),
        None => target(builder, Target::Opaque(format!("chain `{name}` is not in the dump").into(), true)),
    }
}

fn target(builder: &mut Builder<'_>, target: Target) -> Verdict {
    builder.targets.push(target);
    Verdict::Target(place(builder.targets.len() - 1))
}
