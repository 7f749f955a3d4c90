//! Which native base chains may change a packet's fate.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use skoop_model::Family;

use super::{NativeChain, NativeFamily};

/// Statements that change no packet's fate, with those that only lead on to another chain.
const HARMLESS: [&str; 12] =
    ["match", "counter", "log", "accept", "return", "continue", "limit", "quota", "last", "comment", "set", "ct count"];

/// The objects of a ruleset, as far as harm hangs on them.
#[derive(Debug, Default)]
pub(super) struct Tables {
    base: Vec<NativeChain>,
    chains: HashMap<Name, Contents>,
}

/// Family, table and chain.
type Name = (String, String, String);

#[derive(Debug, Default)]
struct Contents {
    /// The first harmful statement.
    harm: Option<String>,
    leads_to: Vec<String>,
}

impl Tables {
    /// Takes one object in. One that is not understood can only be something that acts through a rule, which names it.
    pub(super) fn object(&mut self, object: &Value) {
        if let Some(chain) = object.get("chain") {
            self.chain(chain);
        } else if let Some(rule) = object.get("rule") {
            self.rule(rule);
        }
    }

    fn chain(&mut self, chain: &Value) {
        let (family, table, name) = (text(chain, "family"), text(chain, "table"), text(chain, "name"));
        let (Some(hook), Some(kind)) = (chain.get("hook").and_then(Value::as_str), NativeFamily::parse(&family)) else {
            return;
        };
        if chain.get("policy").and_then(Value::as_str) == Some("drop") {
            let contents = self.chains.entry((family, table.clone(), name.clone())).or_default();
            contents.harm = Some("its policy is drop".to_owned());
        }
        let devices = match chain.get("dev") {
            Some(Value::String(device)) => vec![device.clone()],
            Some(Value::Array(devices)) => devices.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        self.base.push(NativeChain {
            family: kind,
            table,
            chain: name,
            hook: hook.to_owned(),
            priority: chain.get("prio").and_then(Value::as_i64).unwrap_or(0),
            devices,
            harm: String::new(),
        });
    }

    fn rule(&mut self, rule: &Value) {
        let name = (text(rule, "family"), text(rule, "table"), text(rule, "chain"));
        let contents = self.chains.entry(name).or_default();
        match rule.get("expr").and_then(Value::as_array) {
            Some(statements) => statements.iter().for_each(|statement| contents.statement(statement)),
            None => contents.harms("a rule that is not understood"),
        }
    }

    /// Base chains from which something harmful can be reached, without tables that are `owned` by iptables.
    pub(super) fn harmful_chains(self, owned: impl Fn(Family, &str) -> bool) -> Vec<NativeChain> {
        let Self { base, chains } = self;
        let native = |chain: &NativeChain| match chain.family {
            NativeFamily::Ip(family) => !owned(family, &chain.table),
            _ => true,
        };
        let harmful = |mut chain: NativeChain| {
            chain.harm = reach(&chains, &chain)?;
            Some(chain)
        };
        let mut found: Vec<_> = base.into_iter().filter(native).filter_map(harmful).collect();
        found.sort_by_key(NativeChain::order);
        found
    }
}

fn reach(chains: &HashMap<Name, Contents>, base: &NativeChain) -> Option<String> {
    let family = base.family.to_string();
    let mut open = vec![base.chain.clone()];
    let mut seen = HashSet::new();
    while let Some(chain) = open.pop() {
        if !seen.insert(chain.clone()) {
            continue;
        }
        let Some(contents) = chains.get(&(family.clone(), base.table.clone(), chain)) else { continue };
        if let Some(harm) = &contents.harm {
            return Some(harm.clone());
        }
        open.extend(contents.leads_to.iter().cloned());
    }
    None
}

impl Contents {
    fn harms(&mut self, what: &str) {
        self.harm.get_or_insert_with(|| what.to_owned());
    }

    fn statement(&mut self, statement: &Value) {
        let Some(object) = statement.as_object() else {
            return self.harms("a statement that is not understood");
        };
        for (name, value) in object {
            match name.as_str() {
                "jump" | "goto" => self.lead(value),
                "vmap" => self.verdict_map(value.get("data").unwrap_or(value)),
                "xt" if value.get("type").and_then(Value::as_str) == Some("match") => {}
                harmless if HARMLESS.contains(&harmless) => {}
                other => self.harms(&format!("it holds the statement `{other}`")),
            }
        }
    }

    fn lead(&mut self, value: &Value) {
        match value.get("target").and_then(Value::as_str) {
            Some(target) => self.leads_to.push(target.to_owned()),
            None => self.harms("a jump that is not understood"),
        }
    }

    /// Verdicts anywhere in a map: `{"set": [[key, {"drop": null}], …]}`; a named map may hold any.
    fn verdict_map(&mut self, value: &Value) {
        match value {
            Value::String(name) if name.starts_with('@') => self.harms(&format!("it asks the verdict map `{name}`")),
            Value::Array(values) => values.iter().for_each(|value| self.verdict_map(value)),
            Value::Object(object) => {
                for (name, value) in object {
                    match name.as_str() {
                        "drop" | "queue" => self.harms(&format!("it holds the verdict `{name}`")),
                        "jump" | "goto" => self.lead(value),
                        _ => self.verdict_map(value),
                    }
                }
            }
            _ => {}
        }
    }
}

fn text(object: &Value, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
