//! Devices: `ip -d -j link`, or what `ip -j addr` says of them.

use std::net::IpAddr;

use skoop_model::{
    BridgeConfig, BridgePort, IfIndex, Item, Link, LinkKind, OperState, OuterDf, Port, PortState, VethPeer, Vni,
    VxlanConfig,
};

use super::fields::Fields;
use super::names::group;
use super::{NETNS, Reader};

const FILE: &str = "ip-link.json";
const OTHER_FILE: &str = "ip-addr.json";
/// Kind of a device that was listed without `-d`.
const UNTOLD: &str = "not told (ip without -d)";

/// A device, and the devices that it names.
struct Named {
    link: Link,
    controller: Option<String>,
    /// `IFLA_LINK` within the namespace.
    lower: Option<String>,
    underlay: Option<String>,
}

/// The devices, by index.
pub(super) fn read(reader: &mut Reader<'_>) -> Item<Vec<Link>> {
    let (file, text) = match (reader.text(FILE), reader.text(OTHER_FILE)) {
        (Ok(text), _) => (FILE, text),
        // The same objects, mostly without what only `-d` prints.
        (Err(_), Ok(text)) if !reader.has(FILE) => (OTHER_FILE, text),
        (Err(why), _) => return Item::Unavailable(why),
    };
    let named = reader.each(file, text, |reader, object| link(reader, file, object).map(Some));
    for element in &named {
        reader.devices.insert(&element.link.name, element.link.index);
    }
    if let Some(untold) = named.iter().find(|element| element.link.kind.name() == UNTOLD) {
        let name = untold.link.name.clone();
        reader.problem(file, 0, format!("the kind of {name} and others is not told: print it with `ip -d -j link`"));
    }
    let mut links: Vec<Link> = named.into_iter().map(|element| joined(reader, element)).collect();
    links.sort_by_key(|link| link.index);
    links.dedup_by_key(|link| link.index);
    reader.known(links)
}

fn joined(reader: &mut Reader<'_>, element: Named) -> Link {
    let Named { mut link, controller, lower, underlay } = element;
    link.controller = controller.map(|name| reader.devices.index(&name));
    match &mut link.kind {
        LinkKind::Veth { peer } => {
            if let Some(name) = lower {
                *peer = Some(VethPeer { index: reader.devices.index(&name), netns: Some(NETNS) });
            }
        }
        LinkKind::Vxlan(config) => config.underlay = underlay.map(|name| reader.devices.index(&name)),
        _ => {}
    }
    link
}

fn link(reader: &mut Reader<'_>, file: &'static str, object: Fields<'_>) -> Result<Named, String> {
    let index = IfIndex(object.number("ifindex")?.ok_or("no ifindex")?);
    let name = object.text("ifname").ok_or("no ifname")?.into_owned();
    let flag = |name| object.lists("flags", name);
    let loopback = flag("LOOPBACK");
    let mut link = Link {
        index,
        // Anything but six bytes is no link-layer address: that of an ipip device is its IPv4 address.
        mac: object.text("address").and_then(|text| text.parse().ok()),
        mtu_bytes: object.number("mtu")?.ok_or("no mtu")?,
        up: flag("UP"),
        lower_up: flag("LOWER_UP"),
        loopback,
        no_arp: flag("NOARP"),
        point_to_point: flag("POINTOPOINT"),
        promiscuous: flag("PROMISC"),
        oper_state: object.text("operstate").map_or(OperState::Unknown, |text| oper_state(&text)),
        hooks: if object.get("xdp").is_some() { vec!["xdp".to_owned()] } else { Vec::new() },
        ..Link::new(index, name, LinkKind::Physical)
    };
    if let Some(text) = object.text("group") {
        link.group = group(&text).unwrap_or_else(|| {
            let text = format!("group `{text}` of {} is a name of the host that printed it; taken to be 0", link.name);
            reader.problem(file, 0, text);
            0
        });
    }
    let mut named = Named {
        controller: object.text("master").map(Into::into),
        lower: object.text("link").map(Into::into),
        underlay: None,
        link,
    };
    let info = object.object("linkinfo");
    // Only `-d` prints promiscuity; without it a device has no link-info that could be seen.
    let told = info.is_some() || object.get("promiscuity").is_some();
    named.link.kind = match info.and_then(|info| info.text("info_kind")) {
        Some(kind) => kind_of(&kind, info.and_then(|info| info.object("info_data")), object, index, &mut named)?,
        None if loopback => LinkKind::Loopback,
        None if told => LinkKind::Physical,
        None => LinkKind::Other { kind: UNTOLD.to_owned() },
    };
    if let Some(info) = info.filter(|info| info.text("info_slave_kind").as_deref() == Some("bridge")) {
        named.link.bridge_port = info.object("info_slave_data").map(bridge_port);
    }
    Ok(named)
}

fn kind_of(
    kind: &str,
    data: Option<Fields<'_>>,
    object: Fields<'_>,
    index: IfIndex,
    named: &mut Named,
) -> Result<LinkKind, String> {
    Ok(match kind {
        "veth" => LinkKind::Veth { peer: foreign_peer(object, index)? },
        "bridge" => LinkKind::Bridge(data.map(bridge).unwrap_or_default()),
        "vxlan" => {
            let data = data.ok_or("a VXLAN device without info_data")?;
            named.underlay = data.text("link").map(Into::into);
            LinkKind::Vxlan(vxlan(data)?)
        }
        other => LinkKind::Other { kind: other.to_owned() },
    })
}

/// The peer of a veth that leads to another namespace. One in the same namespace is named by `link`.
fn foreign_peer(object: Fields<'_>, own: IfIndex) -> Result<Option<VethPeer>, String> {
    let abroad = object.get("link_netnsid").is_some();
    let index = object.number("link_index")?.map(IfIndex).or(abroad.then_some(own));
    Ok(index.filter(|index| index.0 != 0).map(|index| VethPeer { index, netns: None }))
}

fn bridge(data: Fields<'_>) -> BridgeConfig {
    BridgeConfig {
        vlan_filtering: data.is_on("vlan_filtering"),
        stp: data.is_on("stp_state"),
        nf_call_iptables: data.is_on("nf_call_iptables"),
        nf_call_ip6tables: data.is_on("nf_call_ip6tables"),
    }
}

fn bridge_port(data: Fields<'_>) -> BridgePort {
    BridgePort {
        state: data.text("state").map_or(PortState::Disabled, |text| port_state(&text)),
        hairpin: data.is_on("hairpin"),
        learning: data.is_on("learning"),
        unicast_flood: data.is_on("flood"),
        // Older than the attribute (Linux 4.12), a kernel always floods broadcast.
        broadcast_flood: data.is_on_or("bcast_flood", true),
        isolated: data.is_on("isolated"),
        neighbour_suppress: data.is_on("neigh_suppress"),
    }
}

fn vxlan(data: Fields<'_>) -> Result<VxlanConfig, String> {
    let address = |keys: &[&str]| -> Result<Option<IpAddr>, String> {
        for key in keys {
            if let Some(address) = data.address(key)? {
                return Ok(Some(address));
            }
        }
        Ok(None)
    };
    Ok(VxlanConfig {
        vni: Vni(data.number("id")?.unwrap_or(0)),
        port: Port(data.number("port")?.unwrap_or(0)),
        local: address(&["local", "local6"])?,
        remote: address(&["remote", "remote6", "group", "group6"])?,
        underlay: None,
        learning: data.is_on("learning"),
        // `inherit` is a word; so is `auto`.
        ttl: data.number("ttl").ok().flatten().unwrap_or(0),
        dont_fragment: match data.text("df").as_deref() {
            Some("set") => OuterDf::Set,
            Some("inherit") => OuterDf::Inherit,
            _ => OuterDf::Unset,
        },
        collect_metadata: data.is_on("external"),
    })
}

fn oper_state(text: &str) -> OperState {
    match text {
        "UP" => OperState::Up,
        "DOWN" => OperState::Down,
        "LOWERLAYERDOWN" => OperState::LowerLayerDown,
        "NOTPRESENT" => OperState::NotPresent,
        "TESTING" => OperState::Testing,
        "DORMANT" => OperState::Dormant,
        _ => OperState::Unknown,
    }
}

fn port_state(text: &str) -> PortState {
    match text {
        "listening" | "1" => PortState::Listening,
        "learning" | "2" => PortState::Learning,
        "forwarding" | "3" => PortState::Forwarding,
        "blocking" | "4" => PortState::Blocking,
        _ => PortState::Disabled,
    }
}
