//! Neighbours (`ip -j neigh`, also with `show proxy`) and forwarding databases (`bridge -j fdb`).

use std::collections::HashSet;

use skoop_model::{FdbEntry, IfIndex, Item, Link, LinkKind, MacAddr, Neighbour, NeighbourState, Vni};

use super::Reader;
use super::fields::Fields;

const FILE: &str = "ip-neigh.json";
const FDB_FILE: &str = "bridge-fdb.json";

/// The neighbours, the proxy entries last, as the kernel tells them.
pub(super) fn read(reader: &mut Reader<'_>) -> Item<Vec<Neighbour>> {
    let text = match reader.text(FILE) {
        Ok(text) => text,
        Err(why) => return Item::Unavailable(why),
    };
    let mut neighbours = reader.each(FILE, text, |reader, object| neighbour(reader, object).map(Some));
    neighbours.sort_by_key(|neighbour| neighbour.proxy);
    reader.known(neighbours)
}

fn neighbour(reader: &mut Reader<'_>, object: Fields<'_>) -> Result<Neighbour, String> {
    Ok(Neighbour {
        address: object.address("dst")?.ok_or("no dst")?,
        link: reader.devices.index(&object.text("dev").ok_or("no dev")?),
        mac: object.text("lladdr").and_then(|text| text.parse().ok()),
        state: state(object),
        proxy: object.get("proxy").is_some(),
    })
}

/// States by the strength with which the collector ranks them.
const STATES: [(&str, NeighbourState); 8] = [
    ("PERMANENT", NeighbourState::Permanent),
    ("NOARP", NeighbourState::NoArp),
    ("REACHABLE", NeighbourState::Reachable),
    ("STALE", NeighbourState::Stale),
    ("DELAY", NeighbourState::Delay),
    ("PROBE", NeighbourState::Probe),
    ("INCOMPLETE", NeighbourState::Incomplete),
    ("FAILED", NeighbourState::Failed),
];

fn state(object: Fields<'_>) -> NeighbourState {
    let is_in = |name: &str| object.lists("state", name) || object.text("state").is_some_and(|text| text == name);
    STATES.iter().find(|(name, _)| is_in(name)).map_or(NeighbourState::None, |(_, state)| *state)
}

/// The entries of bridges and VXLAN devices. Every device's own multicast addresses are printed too and forward nothing.
pub(super) fn read_fdb(reader: &mut Reader<'_>, links: &[Link]) -> Item<Vec<FdbEntry>> {
    let text = match reader.text(FDB_FILE) {
        Ok(text) => text,
        Err(why) => return Item::Unavailable(why),
    };
    let is_vxlan = |link: &&Link| matches!(link.kind, LinkKind::Vxlan(_));
    let vxlans: HashSet<IfIndex> = links.iter().filter(is_vxlan).map(|link| link.index).collect();
    let entries = reader.each(FDB_FILE, text, |reader, object| {
        Ok(Some(fdb(reader, object)?).filter(|entry| entry.controller.is_some() || vxlans.contains(&entry.link)))
    });
    reader.known(entries)
}

fn fdb(reader: &mut Reader<'_>, object: Fields<'_>) -> Result<FdbEntry, String> {
    let controller = object.text("master").map(|name| reader.devices.index(&name));
    let state = object.text("state").unwrap_or_default();
    let permanent = state == "permanent";
    let via = match object.text("viaIf") {
        Some(name) => Some(reader.devices.index(&name)),
        None => object.number("viaIfIndex")?.map(IfIndex),
    };
    Ok(FdbEntry {
        link: reader.devices.index(&object.text("ifname").ok_or("no ifname")?),
        mac: object.parse::<MacAddr>("mac")?.ok_or("no mac")?,
        vlan: object.number("vlan")?,
        controller,
        dst: object.address("dst")?,
        vni: object.number("vni")?.map(Vni),
        port: object.number("port")?,
        via,
        // On a bridge permanent is its own address, and static is set by hand; a VXLAN device calls permanent what is set by hand.
        local: controller.is_some() && permanent,
        is_static: permanent || state == "static",
    })
}
