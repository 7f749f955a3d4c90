//! Sysctls: `sysctl -a`.

use std::collections::HashSet;

use skoop_model::{Item, Link, Sysctls};

use super::Reader;

const FILE: &str = "sysctl.txt";

/// The values below `net`. Others decide nothing here.
pub(super) fn read(reader: &mut Reader<'_>, links: &[Link]) -> Item<Sysctls> {
    let text = match reader.text(FILE) {
        Ok(text) => text,
        Err(why) => return Item::Unavailable(why),
    };
    let names: HashSet<&str> = links.iter().map(|link| link.name.as_str()).collect();
    let mut sysctls = Sysctls::default();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        // What `sysctl` complains of when it may not read something is no value.
        if line.is_empty() || line.starts_with(['#', ';']) || line.starts_with("sysctl:") {
            continue;
        }
        match line.split_once('=') {
            Some((key, value)) => {
                if let Some(path) = path(key.trim(), &names) {
                    sysctls.set(path, value);
                }
            }
            None => reader.problem(FILE, number + 1, "no `key = value`"),
        }
    }
    reader.known(sysctls)
}

/// The path below `/proc/sys` of a key: `net.ipv4.conf.eth0/100.rp_filter`. Some tools print the path itself, or leave the dots of a
/// device's name as they are.
fn path(key: &str, links: &HashSet<&str>) -> Option<String> {
    let path: String = if key.starts_with("net/") {
        key.to_owned()
    } else {
        let swapped = |letter| match letter {
            '.' => '/',
            '/' => '.',
            other => other,
        };
        key.chars().map(swapped).collect()
    };
    path.strip_prefix("net/")?;
    Some(mended(&path, links).unwrap_or(path))
}

/// A path in which the dots of a device's name became slashes.
fn mended(path: &str, links: &HashSet<&str>) -> Option<String> {
    let (family, rest) = path.strip_prefix("net/")?.split_once("/conf/")?;
    let (device, name) = rest.rsplit_once('/')?;
    let dotted = device.replace('/', ".");
    (device.contains('/') && links.contains(dotted.as_str())).then(|| format!("net/{family}/conf/{dotted}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_dots_are_kept_however_they_are_printed() {
        let links = HashSet::from(["flannel.1", "eth0"]);
        for key in [
            "net.ipv4.conf.flannel/1.rp_filter",
            "net/ipv4/conf/flannel.1/rp_filter",
            "net.ipv4.conf.flannel.1.rp_filter",
        ] {
            assert_eq!(path(key, &links).as_deref(), Some("net/ipv4/conf/flannel.1/rp_filter"));
        }
        assert_eq!(path("kernel.ostype", &links), None);
        assert_eq!(
            path("net.ipv4.neigh.default.gc_thresh1", &links).as_deref(),
            Some("net/ipv4/neigh/default/gc_thresh1")
        );
    }
}
