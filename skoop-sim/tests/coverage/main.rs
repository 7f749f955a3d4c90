//! Every extension that iptables or the kernel knows is judged, or stands on the list of those that are not with its reason.

use std::collections::HashMap;
use std::fs;
use std::process::Command;

use skoop_sim::{Extension, ExtensionKind, extensions};

/// Option, kernels, what covers it.
const OPTIONS: &str = include_str!("options.txt");

/// Where Debian installs the extensions of iptables.
const INSTALLED: &str = "/usr/lib/x86_64-linux-gnu/xtables";

/// Files that are no extension of their own.
const HELPERS: [&str; 2] = [
    // Verdicts and jumps.
    "libxt_standard",
    // What SNAT, DNAT, MASQUERADE and REDIRECT share.
    "libxt_NAT",
];

fn known() -> HashMap<(ExtensionKind, &'static str), Extension> {
    extensions().into_iter().map(|extension| ((extension.kind, extension.name), extension)).collect()
}

fn options() -> Vec<(&'static str, &'static str, &'static str)> {
    let row = |line: &'static str| {
        let mut parts = line.split('\t');
        (parts.next().expect("an option"), parts.next().expect("kernels"), parts.next().expect("what covers it"))
    };
    OPTIONS.lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

#[test]
fn every_option_of_debian_kernels_is_covered() {
    let known = known();
    for (option, kernels, covered) in options() {
        assert!(kernels.split(',').all(|kernel| ["6.1", "6.12", "newer"].contains(&kernel)), "{option}: {kernels}");
        for part in covered.split("; ") {
            let (kind, name) = part.split_once(' ').expect("a kind and a name");
            let kind = match kind {
                "match" => ExtensionKind::Match,
                "target" => ExtensionKind::Target,
                "set" => ExtensionKind::Set,
                // Expressions of nftables are compiled by name; the reader tells of those that it does not know.
                "nft" | "core" => continue,
                other => panic!("{option}: {other}"),
            };
            let extension = known.get(&(kind, name)).unwrap_or_else(|| panic!("{option}: {part} is not known"));
            assert!(extension.judged || extension.reason.is_some_and(|reason| !reason.is_empty()), "{part}");
        }
    }
}

#[test]
#[ignore = "needs the extensions of iptables: run by make test"]
fn every_installed_extension_is_known() {
    let known = known();
    let mut seen = 0;
    for entry in fs::read_dir(INSTALLED).expect("iptables is installed") {
        let file = entry.expect("an entry").file_name().into_string().expect("a name");
        let Some(stem) = file.strip_suffix(".so").filter(|stem| !HELPERS.contains(stem)) else { continue };
        let Some(name) = ["libxt_", "libipt_", "libip6t_"].iter().find_map(|prefix| stem.strip_prefix(prefix)) else {
            continue;
        };
        let target = name.chars().all(|letter| !letter.is_ascii_lowercase());
        let kind = if target { ExtensionKind::Target } else { ExtensionKind::Match };
        assert!(known.contains_key(&(kind, name)), "{file} is not known");
        seen += 1;
    }
    assert!(seen > 80, "{seen} extensions only");
}

#[test]
#[ignore = "needs /proc/config.gz: run by make test"]
fn every_option_of_the_running_kernel_is_covered() {
    let output = Command::new("gzip").args(["-dc", "/proc/config.gz"]).output().expect("gzip");
    assert!(output.status.success(), "/proc/config.gz");
    let text = String::from_utf8(output.stdout).expect("text");
    let covered: Vec<_> = options().into_iter().map(|(option, ..)| option).collect();
    let families = ["CONFIG_NETFILTER_XT_", "CONFIG_IP_NF_", "CONFIG_IP6_NF_", "CONFIG_IP_SET", "CONFIG_NFT_"];
    for line in text.lines().filter(|line| families.iter().any(|family| line.starts_with(family))) {
        let (option, _) = line.split_once('=').expect("an option that is set");
        assert!(covered.contains(&option), "{option} is not covered");
    }
}

/// The table of the documentation is that of the code.
#[test]
fn the_documentation_lists_every_extension() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/netfilter.md");
    let text = fs::read_to_string(path).expect("docs/netfilter.md");
    let table = table();
    assert!(text.contains(&table), "docs/netfilter.md lacks this table:\n\n{table}");
}

fn table() -> String {
    let row = |extension: &Extension| {
        let judged = if extension.judged { "yes" } else { "maybe" };
        let kind = extension.kind.name();
        format!("| {kind} | `{}` | {judged} | {} |\n", extension.name, extension.reason.unwrap_or_default())
    };
    let rows: String = extensions().iter().map(row).collect();
    format!("| kind | name | judged | maybe where this is not known |\n|---|---|---|---|\n{rows}")
}
