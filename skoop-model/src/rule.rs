//! Routing policy rules.

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Family, Mark, PortRange, Protocol, TableId};

/// One routing rule (`ip rule`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingRule {
    /// Family.
    pub family: Family,
    /// Priority: smaller is asked first.
    pub priority: u32,
    /// `not`: the rule applies where its selectors do not all match.
    #[serde(default)]
    pub invert: bool,
    /// Source prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<IpNet>,
    /// Destination prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dst: Option<IpNet>,
    /// Incoming device by name; `lo` is "sent by this host".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iif: Option<String>,
    /// Outgoing device by name: the one that the socket is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oif: Option<String>,
    /// Mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<MarkMask>,
    /// TOS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos: Option<u8>,
    /// IP protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// Source ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sports: Option<PortRange>,
    /// Destination ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dports: Option<PortRange>,
    /// User ids of the sender, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uids: Option<(u32, u32)>,
    /// `l3mdev`: the table of the packet's VRF.
    #[serde(default)]
    pub l3mdev: bool,
    /// `suppress_prefixlength`: a result with this prefix length or a shorter one does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress_prefix_length: Option<u32>,
    /// `suppress_ifgroup`: a result by a device of this group does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress_group: Option<u32>,
    /// Selectors that are not modelled, by name; the rule is "maybe" where the others match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmodelled: Vec<String>,
    /// What to do.
    pub action: RuleAction,
}

impl RoutingRule {
    /// The rule 0 of a family, without selectors, that looks into the main table: a base to build on.
    pub fn any(family: Family) -> Self {
        Self {
            family,
            priority: 0,
            invert: false,
            src: None,
            dst: None,
            iif: None,
            oif: None,
            mark: None,
            tos: None,
            protocol: None,
            sports: None,
            dports: None,
            uids: None,
            l3mdev: false,
            suppress_prefix_length: None,
            suppress_group: None,
            unmodelled: Vec::new(),
            action: RuleAction::Lookup(TableId::MAIN),
        }
    }
}

/// A mark under a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkMask {
    /// Value wanted.
    pub value: Mark,
    /// Bits compared.
    pub mask: Mark,
}

impl MarkMask {
    /// Whether `mark` has the value under the mask.
    pub fn matches(self, mark: Mark) -> bool {
        mark.0 & self.mask.0 == self.value.0
    }
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleAction {
    /// Look into a table.
    Lookup(TableId),
    /// Go on at this priority.
    Goto(u32),
    /// Nothing.
    Nop,
    /// Drop silently.
    Blackhole,
    /// ICMP network unreachable.
    Unreachable,
    /// ICMP administratively prohibited.
    Prohibit,
    /// An action that is not modelled, by number.
    Other(u8),
}

/// As `ip rule` prints it: `100: from 10.244.0.0/16 lookup 100`.
impl fmt::Display for RoutingRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.priority)?;
        if self.invert {
            f.write_str(" not")?;
        }
        match self.src {
            Some(src) => write!(f, " from {src}")?,
            None => f.write_str(" from all")?,
        }
        if let Some(dst) = self.dst {
            write!(f, " to {dst}")?;
        }
        if let Some(tos) = self.tos {
            write!(f, " tos {tos:#x}")?;
        }
        if let Some(mark) = self.mark {
            write!(f, " fwmark {}", mark.value)?;
            if mark.mask.0 != u32::MAX {
                write!(f, "/{}", mark.mask)?;
            }
        }
        if let Some(iif) = &self.iif {
            write!(f, " iif {iif}")?;
        }
        if let Some(oif) = &self.oif {
            write!(f, " oif {oif}")?;
        }
        if self.l3mdev {
            f.write_str(" lookup [l3mdev-table]")?;
        }
        if let Some((first, last)) = self.uids {
            write!(f, " uidrange {first}-{last}")?;
        }
        if let Some(protocol) = self.protocol {
            write!(f, " ipproto {protocol}")?;
        }
        for (name, ports) in [("sport", self.sports), ("dport", self.dports)] {
            if let Some(ports) = ports {
                write!(f, " {name} {}-{}", ports.first, ports.last)?;
            }
        }
        for name in &self.unmodelled {
            write!(f, " {name} ?")?;
        }
        match self.action {
            RuleAction::Lookup(table) if !self.l3mdev => write!(f, " lookup {}", table.name())?,
            RuleAction::Lookup(_) => {}
            RuleAction::Goto(priority) => write!(f, " goto {priority}")?,
            RuleAction::Nop => f.write_str(" nop")?,
            RuleAction::Blackhole => f.write_str(" blackhole")?,
            RuleAction::Unreachable => f.write_str(" unreachable")?,
            RuleAction::Prohibit => f.write_str(" prohibit")?,
            RuleAction::Other(number) => write!(f, " action {number}")?,
        }
        if let Some(length) = self.suppress_prefix_length {
            write!(f, " suppress_prefixlength {length}")?;
        }
        Ok(())
    }
}
