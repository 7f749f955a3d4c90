//! Native nftables: tables that no `iptables` wrote.
//!
//! Their rules are not evaluated yet. A base chain from which nothing can be reached that drops, changes or redirects a packet is
//! harmless; any other one is an explicit unknown at its hook.

mod harm;

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use skoop_model::{Family, Item, Unseen};

use super::{Hook, HookPoint};
use harm::Tables;

/// A base chain that may change a packet's fate.
#[derive(Debug)]
pub(crate) struct NativeChain {
    pub family: NativeFamily,
    pub table: String,
    pub chain: String,
    pub hook: String,
    pub priority: i64,
    /// Devices of a chain of family netdev.
    pub devices: Vec<String>,
    /// What in it may change a packet's fate.
    pub harm: String,
}

/// Families of native tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NativeFamily {
    Ip(Family),
    Inet,
    Bridge,
    Netdev,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Native {
    pub chains: Vec<NativeChain>,
    pub unseen: Vec<Unseen>,
}

/// Reads `nft -j list ruleset`. `owned` says which tables the `iptables` dumps hold.
pub(super) fn read(dump: &Item<String>, owned: impl Fn(Family, &str) -> bool) -> Native {
    let what = "nftables ruleset".to_owned();
    let text = match dump.get() {
        Ok(text) => text,
        Err(why) => {
            let unseen = vec![Unseen { what, why: why.to_string(), matters: false }];
            return Native { chains: Vec::new(), unseen };
        }
    };
    let mut native = Native::default();
    if text.trim_ascii().is_empty() {
        return native;
    }
    let mut tables = Tables::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    if let Err(error) = deserializer.deserialize_map(Root(&mut tables)) {
        native.unseen.push(Unseen { what, why: format!("the dump is not understood: {error}"), matters: false });
    }
    native.chains = tables.harmful_chains(owned);
    native
}

impl NativeChain {
    /// Whether packets at `at` pass the chain.
    pub(super) fn concerns(&self, at: &HookPoint<'_>, family: Family) -> bool {
        let hook = at.hook.chain().to_ascii_lowercase();
        let bridged = at.in_port.is_some() || at.out_port.is_some();
        match self.family {
            NativeFamily::Ip(of) => of == family && self.hook == hook,
            NativeFamily::Inet if self.hook == "ingress" => self.is_ingress_of(at),
            NativeFamily::Inet => self.hook == hook,
            NativeFamily::Bridge => bridged && self.hook == hook,
            NativeFamily::Netdev => self.is_ingress_of(at) || self.is_egress_of(at),
        }
    }

    /// Before all other hooks of a packet that comes in.
    fn is_ingress_of(&self, at: &HookPoint<'_>) -> bool {
        let devices = [at.in_port, at.in_device].into_iter().flatten();
        self.hook == "ingress"
            && at.hook == Hook::Prerouting
            && devices.into_iter().any(|link| self.devices.contains(&link.name))
    }

    fn is_egress_of(&self, at: &HookPoint<'_>) -> bool {
        let devices = [at.out_port, at.out_device].into_iter().flatten();
        self.hook == "egress"
            && at.hook == Hook::Postrouting
            && devices.into_iter().any(|link| self.devices.contains(&link.name))
    }

    /// Priority among the IP hooks: ingress comes before and egress after all of them.
    pub(super) fn order(&self) -> i64 {
        match self.hook.as_str() {
            "ingress" => i64::MIN,
            "egress" => i64::MAX,
            _ => self.priority,
        }
    }
}

/// `inet firewall input`.
impl fmt::Display for NativeChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.family, self.table, self.chain)
    }
}

impl fmt::Display for NativeFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ip(Family::V4) => "ip",
            Self::Ip(Family::V6) => "ip6",
            Self::Inet => "inet",
            Self::Bridge => "bridge",
            Self::Netdev => "netdev",
        })
    }
}

impl NativeFamily {
    /// None for families that no IP packet meets.
    fn parse(text: &str) -> Option<Self> {
        match text {
            "ip" => Some(Self::Ip(Family::V4)),
            "ip6" => Some(Self::Ip(Family::V6)),
            "inet" => Some(Self::Inet),
            "bridge" => Some(Self::Bridge),
            "netdev" => Some(Self::Netdev),
            _ => None,
        }
    }
}

/// `{"nftables": [object, …]}`, object by object: what was read before an error is kept.
struct Root<'a>(&'a mut Tables);

impl<'de> Visitor<'de> for Root<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the output of nft -j list ruleset")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "nftables" {
                map.next_value_seed(Objects(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Objects<'a>(&'a mut Tables);

impl<'de> DeserializeSeed<'de> for Objects<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Objects<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut objects: A) -> Result<(), A::Error> {
        while let Some(object) = objects.next_element::<Value>()? {
            self.0.object(&object);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
