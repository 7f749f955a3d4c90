//! Routing rules: `ip -j rule`, `ip -6 -j rule`.

use ipnet::IpNet;
use skoop_model::{Family, Item, Mark, MarkMask, Port, PortRange, Protocol, RoutingRule, RuleAction, TableId};

use super::fields::{Fields, prefix};
use super::names::{group, table, tos};
use super::{HalfSeen, Reader};

const FILES: [(Family, &str); 2] = [(Family::V4, "ip-rule.json"), (Family::V6, "ip6-rule.json")];
/// Selectors that are not modelled.
const UNMODELLED: [&str; 6] = ["tun_id", "dscp", "flowlabel", "flowlabel_mask", "sport_mask", "dport_mask"];

/// The rules of both families by priority; of equal priority, IPv4 first.
pub(super) fn read(reader: &mut Reader<'_>) -> Item<Vec<RoutingRule>> {
    let mut rules = Vec::new();
    let mut why_not = Vec::new();
    for (family, file) in FILES {
        match reader.text(file) {
            Ok(text) => rules.extend(reader.each(file, text, |_, object| rule(object, family).map(Some))),
            Err(why) => why_not.push((family, why)),
        }
    }
    rules.sort_by_key(|rule: &RoutingRule| rule.priority);
    match why_not.as_slice() {
        [] => reader.known(rules),
        [(family, why)] => {
            reader.half_seen.push(HalfSeen { family: *family, text: format!("{family} routing rules: {why}") });
            reader.known(rules)
        }
        [(_, why), ..] => Item::Unavailable(why.clone()),
    }
}

fn rule(object: Fields<'_>, family: Family) -> Result<RoutingRule, String> {
    let mut rule = RoutingRule {
        priority: object.number("priority")?.ok_or("no priority")?,
        invert: object.get("not").is_some(),
        src: net(object, "src", "srclen", family)?,
        dst: net(object, "dst", "dstlen", family)?,
        iif: object.text("iif").map(Into::into),
        oif: object.text("oif").map(Into::into),
        mark: mark(object)?,
        tos: object.text("tos").map(|text| tos(&text)).transpose()?.filter(|tos| *tos != 0),
        protocol: object.text("ipproto").and_then(|text| text.parse::<Protocol>().ok()),
        sports: ports(object, "sport")?,
        dports: ports(object, "dport")?,
        uids: object.number("uid_start")?.zip(object.number("uid_end")?),
        l3mdev: object.get("l3mdev").is_some(),
        suppress_prefix_length: object.number("suppress_prefixlen")?,
        suppress_group: suppressed_group(object)?,
        action: action(object)?,
        ..RoutingRule::any(family)
    };
    rule.unmodelled.extend(UNMODELLED.iter().filter(|name| object.get(name).is_some()).map(|name| (*name).to_owned()));
    // The name of a protocol that only that host's /etc/protocols knows.
    if let Some(name) = object.text("ipproto").filter(|_| rule.protocol.is_none()) {
        rule.unmodelled.push(format!("ipproto {name}"));
    }
    Ok(rule)
}

fn net(object: Fields<'_>, key: &str, length: &str, family: Family) -> Result<Option<IpNet>, String> {
    let Some(text) = object.text(key).filter(|text| text != "all") else { return Ok(None) };
    let whole = prefix(&text, family).ok_or_else(|| format!("{key}: `{text}` is no prefix"))?;
    let net = match object.number::<u8>(length)? {
        Some(length) => IpNet::new(whole.addr(), length).map_err(|_| format!("{key}: /{length} is too long"))?,
        None => whole,
    };
    Ok(Some(net).filter(|net| net.prefix_len() > 0))
}

fn mark(object: Fields<'_>) -> Result<Option<MarkMask>, String> {
    let (value, mask) = (object.number("fwmark")?, object.number("fwmask")?);
    if value.is_none() && mask.is_none() {
        return Ok(None);
    }
    Ok(Some(MarkMask { value: Mark(value.unwrap_or(0)), mask: Mark(mask.unwrap_or(u32::MAX)) }))
}

/// `sport` alone, or `sport_start` and `sport_end`.
fn ports(object: Fields<'_>, key: &str) -> Result<Option<PortRange>, String> {
    let first = match object.number(key)? {
        Some(only) => return Ok(Some(PortRange { first: Port(only), last: Port(only) })),
        None => object.number(&format!("{key}_start"))?,
    };
    let last = object.number(&format!("{key}_end"))?;
    Ok(first.zip(last).map(|(first, last)| PortRange { first: Port(first), last: Port(last) }))
}

fn suppressed_group(object: Fields<'_>) -> Result<Option<u32>, String> {
    let Some(text) = object.text("suppress_ifgroup") else { return Ok(None) };
    group(&text).map(Some).ok_or_else(|| format!("group `{text}` is a name of the host that printed it"))
}

fn action(object: Fields<'_>) -> Result<RuleAction, String> {
    if let Some(target) = object.number("goto")? {
        return Ok(RuleAction::Goto(target));
    }
    if object.get("nop").is_some() {
        return Ok(RuleAction::Nop);
    }
    if object.get("l3mdev").is_some() {
        return Ok(RuleAction::Lookup(TableId(0)));
    }
    match object.text("action").as_deref() {
        Some("blackhole") => return Ok(RuleAction::Blackhole),
        Some("unreachable") => return Ok(RuleAction::Unreachable),
        Some("prohibit") => return Ok(RuleAction::Prohibit),
        Some("nop") => return Ok(RuleAction::Nop),
        None | Some("unicast" | "to_tbl" | "lookup") => {}
        Some(other) => {
            return other.parse().map(RuleAction::Other).map_err(|_| format!("action `{other}` is not known"));
        }
    }
    match object.text("table") {
        Some(text) => table(&text).map(RuleAction::Lookup),
        None => Err("neither table nor action".to_owned()),
    }
}
