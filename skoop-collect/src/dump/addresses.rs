//! Addresses: `ip -j addr`.

use ipnet::IpNet;
use skoop_model::{Address, AddressScope, Family, IfIndex, Item};

use super::Reader;
use super::fields::Fields;
use super::names::scope;

const FILE: &str = "ip-addr.json";

/// The addresses: IPv4 of all devices, then IPv6, each in the kernel's order; `ip` prints them by device.
pub(super) fn read(reader: &mut Reader<'_>) -> Item<Vec<Address>> {
    let text = match reader.text(FILE) {
        Ok(text) => text,
        Err(why) => return Item::Unavailable(why),
    };
    let devices = reader.each(FILE, text, |reader, device| {
        let name = device.text("ifname").unwrap_or_default();
        let index = match device.number("ifindex")? {
            Some(index) => IfIndex(index),
            None if !name.is_empty() => reader.devices.index(&name),
            None => return Err("no ifindex".to_owned()),
        };
        let mut found = Vec::new();
        for entry in device.objects("addr_info") {
            match address(index, entry) {
                Ok(address) => found.extend(address),
                Err(why) => reader.problem(FILE, 0, format!("address of {name}: {why}")),
            }
        }
        Ok(Some((index, found)))
    });
    let mut devices = devices;
    devices.sort_by_key(|(index, _)| *index);
    let mut addresses = Vec::new();
    for family in Family::ALL {
        let of_family = |address: &&Address| Family::of(address.ip()) == family;
        addresses.extend(devices.iter().flat_map(|(_, found)| found).filter(of_family).cloned());
    }
    reader.known(addresses)
}

fn address(link: IfIndex, entry: Fields<'_>) -> Result<Option<Address>, String> {
    if !["inet", "inet6"].contains(&entry.text("family").unwrap_or_default().as_ref()) {
        return Ok(None);
    }
    // An IPv6 address with a peer is printed as IPv4's are.
    let ip = entry.address("local")?.ok_or("no address")?;
    let length = entry.number("prefixlen")?.ok_or("no prefix length")?;
    let net = IpNet::new(ip, length).map_err(|_| format!("{ip}/{length} is no prefix"))?;
    let number = match entry.text("scope") {
        Some(text) => scope(&text).ok_or_else(|| format!("scope `{text}` is not known"))?,
        None => 0,
    };
    Ok(Some(Address {
        link,
        net,
        peer: entry.address("address")?.filter(|peer| *peer != ip),
        scope: AddressScope::from(number),
        secondary: entry.is_on("secondary") || entry.is_on("temporary"),
        deprecated: entry.is_on("deprecated"),
        tentative: entry.is_on("tentative"),
        dad_failed: entry.is_on("dadfailed"),
    }))
}
