//! One namespace from what the standard tools printed: `ip -j`, `iptables-save`, `nft`, `ipset`, `sysctl`, `conntrack`, `ss`.
//!
//! [`Files`] holds the texts by file name and does no IO: [`Files::load`] makes a [`NamespaceSnapshot`] of them, equal to the one
//! that [`local`](crate::local) collects where both can know something. [`read_dir`] fills it from a directory.
//!
//! A file that is not there is unknown, never empty: its part of the snapshot is unavailable and says which file would tell. Whoever
//! knows that there is nothing puts an empty file in its place. An object or a line that cannot be read spoils only itself and
//! stands among [`Dumped::problems`].
//!
//! ```
//! use skoop_collect::dump::Files;
//!
//! let mut files = Files::default();
//! files.insert("ip-link.json", r#"[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"mtu":65536,"promiscuity":0}]"#);
//! let dumped = files.load();
//! assert_eq!(dumped.snapshot.links.elements()[0].name, "lo");
//! assert!(dumped.missing.iter().any(|file| file.name == "sysctl.txt"));
//! ```

mod addresses;
mod conntrack;
mod fields;
mod links;
mod names;
mod neighbours;
mod netfilter;
mod objects;
mod read;
mod routes;
mod rules;
mod services;
mod sockets;
mod sysctls;

use std::collections::BTreeMap;
use std::fmt;

use skoop_model::{Family, HostRole, Item, NamespaceSnapshot, NetnsId, Reason, Unavailable};

pub use read::{DumpError, read_dir};

use names::Devices;

/// Identity of a namespace that came from files.
pub const NETNS: NetnsId = NetnsId(1);

/// Prefix of the names of the match `recent`'s lists.
const XT_RECENT: &str = "xt_recent/";

/// The files that are read, and the command that prints each.
pub const FILES: [(&str, &str); 19] = [
    ("ip-link.json", "ip -d -j link"),
    ("ip-addr.json", "ip -j addr"),
    ("ip-route.json", "ip -j route show table all"),
    ("ip6-route.json", "ip -6 -j route show table all"),
    ("ip-rule.json", "ip -j rule"),
    ("ip6-rule.json", "ip -6 -j rule"),
    ("ip-neigh.json", "ip -j neigh show nud all"),
    ("bridge-fdb.json", "bridge -j fdb"),
    ("sysctl.txt", "sysctl -a -r ^net"),
    ("iptables-save.txt", "iptables-save"),
    ("iptables-legacy-save.txt", "iptables-legacy-save"),
    ("ip6tables-save.txt", "ip6tables-save"),
    ("ip6tables-legacy-save.txt", "ip6tables-legacy-save"),
    ("nft.json", "nft -j list ruleset"),
    ("nft.txt", "nft list ruleset"),
    ("ipset-save.txt", "ipset save"),
    ("ipvs-save.txt", "ipvsadm -Sn"),
    ("conntrack.txt", "conntrack -L -o extended"),
    ("ss.txt", "ss -tuanpe"),
];

/// Texts that the standard tools printed, by file name (see [`FILES`], and `xt_recent/NAME` for the lists of the match `recent`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    texts: BTreeMap<String, Result<String, Unavailable>>,
    /// The directory `xt_recent` was looked at.
    has_recent: bool,
    at_ms: u64,
}

/// A namespace, and what is not known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dumped {
    /// The namespace.
    pub snapshot: NamespaceSnapshot,
    /// Files that are not there.
    pub missing: Vec<Missing>,
    /// Routing that is known for the other family only.
    pub half_seen: Vec<HalfSeen>,
    /// What could not be read, in the order of the files.
    pub problems: Vec<Problem>,
}

/// A file that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub name: &'static str,
    /// The command that prints it.
    pub command: &'static str,
}

/// Routes or rules of one family that were not seen, though those of the other one were: the snapshot cannot say so itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HalfSeen {
    /// The family that was not seen.
    pub family: Family,
    /// What was not seen, and which file would tell: `IPv6 routes: there is no ip6-route.json`.
    pub text: String,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File.
    pub file: String,
    /// Line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub text: String,
}

/// `ip-link.json, line 3: no ifindex`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.text),
            line => write!(f, "{}, line {line}: {}", self.file, self.text),
        }
    }
}

impl Files {
    /// Texts that were printed at `at_ms`, in milliseconds since the Unix epoch.
    pub fn at(at_ms: u64) -> Self {
        Self { at_ms, ..Self::default() }
    }

    /// Adds what a tool printed. The name is one of [`FILES`], or `xt_recent/NAME`; others are kept and not read.
    pub fn insert(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.put(name.into(), Ok(text.into()));
    }

    /// Adds a file that is there and cannot be read.
    pub fn insert_unreadable(&mut self, name: impl Into<String>, why: Unavailable) {
        self.put(name.into(), Err(why));
    }

    /// Says that all lists of the match `recent` are among the files, if only none.
    pub fn saw_recent(&mut self) {
        self.has_recent = true;
    }

    fn put(&mut self, name: String, text: Result<String, Unavailable>) {
        self.has_recent |= name.starts_with(XT_RECENT);
        self.texts.insert(name, text);
    }

    /// Names of the files that are there.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// Whether a file of this name is read.
    pub fn is_known(name: &str) -> bool {
        FILES.iter().any(|(known, _)| *known == name)
            || name.strip_prefix(XT_RECENT).is_some_and(|list| !list.is_empty() && !list.contains('/'))
    }

    /// The namespace that the files tell of.
    pub fn load(&self) -> Dumped {
        let mut reader =
            Reader { files: self, devices: Devices::default(), problems: Vec::new(), half_seen: Vec::new() };
        let mut snapshot = NamespaceSnapshot::new(NETNS, HostRole::Host);
        // Links come first: all else names devices, which they number.
        snapshot.links = links::read(&mut reader);
        snapshot.addresses = addresses::read(&mut reader);
        snapshot.routes = routes::read(&mut reader);
        snapshot.rules = rules::read(&mut reader);
        snapshot.neighbours = neighbours::read(&mut reader);
        snapshot.fdb = neighbours::read_fdb(&mut reader, snapshot.links.elements());
        snapshot.sysctls = sysctls::read(&mut reader, snapshot.links.elements());
        snapshot.conntrack = conntrack::read(&mut reader, snapshot.sysctls.value());
        snapshot.sockets = sockets::read(&mut reader);
        snapshot.netfilter = netfilter::read(&mut reader);
        reader.strangers();
        let Reader { problems, half_seen, .. } = reader;
        let missing = FILES.iter().filter(|(name, _)| !self.texts.contains_key(*name));
        let missing = missing.map(|(name, command)| Missing { name, command }).collect();
        Dumped { snapshot, missing, half_seen, problems }
    }
}

/// The files while they are read.
struct Reader<'a> {
    files: &'a Files,
    devices: Devices,
    problems: Vec<Problem>,
    half_seen: Vec<HalfSeen>,
}

/// Problems of one file that are kept; a file of another kind would fill the memory with them.
const MOST_PROBLEMS: usize = 100;

impl<'a> Reader<'a> {
    /// The text of a file, or why there is none.
    fn text(&self, name: &'static str) -> Result<&'a str, Unavailable> {
        match self.files.texts.get(name) {
            Some(Ok(text)) => Ok(text),
            Some(Err(why)) => Err(why.clone()),
            None => Err(Unavailable::new(Reason::NotCollected, format!("there is no {name}"))),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.files.texts.contains_key(name)
    }

    fn known<T>(&self, value: T) -> Item<T> {
        Item::known(self.files.at_ms, value)
    }

    fn problem(&mut self, file: &str, line: usize, text: impl Into<String>) {
        let of_file = self.problems.iter().rev().take_while(|problem| problem.file == file).count();
        if of_file < MOST_PROBLEMS {
            self.problems.push(Problem { file: file.to_owned(), line, text: text.into() });
        }
    }

    /// A name that is not read is most likely a misspelt one.
    fn strangers(&mut self) {
        let strangers: Vec<String> =
            self.files.names().filter(|name| !Files::is_known(name)).map(str::to_owned).collect();
        for name in strangers {
            self.problem(&name, 0, "not read: no file of this name is known");
        }
    }
}

#[cfg(test)]
mod tests;
