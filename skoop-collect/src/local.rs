//! This host as a [`NodeSnapshot`]: network namespaces, read over netlink, procfs and the netfilter tools.
//!
//! Every namespace is read by a thread that has entered it, several at a time. Reading changes nothing: no table, chain, module or
//! conntrack entry comes into being. What cannot be read is in the snapshot as unavailable, with its reason, and the rest is kept.

mod addresses;
mod cgroup;
mod conntrack;
mod links;
mod modules;
mod namespace;
mod neighbours;
mod netfilter;
mod netlink;
mod netns;
mod nexthops;
mod peers;
mod proc_net;
mod routes;
mod rules;
mod sockets;
mod sysctls;
mod tool;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use netlink_sys::protocols::NETLINK_ROUTE;
use skoop_model::{Family, HostRole, Item, NamespaceSnapshot, NetnsId, NodeName, NodeSnapshot, Reason, Unavailable};

use crate::CollectError;
use crate::error::reason_of;
use modules::Modules;
use namespace::Means;
use netlink::Netlink;
#[cfg(feature = "runtime")]
pub(crate) use netns::identity;
use netns::{Netns, Survey, refusal};
use peers::Foreign;
use tool::Tools;

/// A network namespace, by what people call it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NetnsRef {
    /// The calling thread's.
    Current,
    /// A name under `/run/netns` (`ip netns`).
    Name(String),
    /// That of a process.
    Pid(u32),
    /// A file that is one: a `ns/net` link or a bind mount of one.
    Path(PathBuf),
}

/// Which namespaces to collect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The node's own namespace.
    pub host: NetnsRef,
    /// The rest.
    pub others: Others,
}

/// Namespaces besides the node's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Others {
    /// None.
    None,
    /// Every namespace of `/run/netns` and of a process.
    All,
    /// These.
    These(Vec<NetnsRef>),
    /// Those of [`Others::All`] that a veth of the host's namespace leads to: the pods of the host.
    ConnectedByVeth,
}

impl Default for Selection {
    /// The current namespace as the host's, and all others.
    fn default() -> Self {
        Self { host: NetnsRef::Current, others: Others::All }
    }
}

/// How to collect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Dump the netfilter rules and the connection table.
    pub netfilter: bool,
    /// Entries of a connection table that are kept; a longer table says in its problems that it is cut.
    pub conntrack_entries: usize,
    /// Namespaces read at the same time.
    pub max_threads: usize,
    /// Longest run of one tool.
    pub tool_timeout: Duration,
    /// Longest output of one tool, in bytes.
    pub tool_output_bytes: usize,
    /// Directories searched for tools, in this order; relative ones are passed over.
    pub tool_path: Vec<PathBuf>,
    /// Directory of named namespaces.
    pub netns_dir: PathBuf,
}

impl Default for Options {
    /// With netfilter and a million connections, as many threads as processors (2 to 8), ten seconds and 256 MiB for a tool, tools from `PATH` and the `sbin`
    /// directories, names from `/run/netns`.
    fn default() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let system = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
        Self {
            netfilter: true,
            conntrack_entries: 1_000_000,
            max_threads: thread::available_parallelism().map_or(2, usize::from).clamp(2, 8),
            tool_timeout: Duration::from_secs(10),
            tool_output_bytes: 256 << 20,
            tool_path: std::env::split_paths(&path).chain(system).collect(),
            netns_dir: PathBuf::from("/run/netns"),
        }
    }
}

/// Collects the state of this host as that of `node`.
///
/// A veth's peer namespace is told where it is one of the selected ones, whether or not that one could be read.
///
/// # Errors
///
/// [`CollectError`] when the host's namespace does not exist or cannot be entered. Everything else that cannot be read stands in the
/// snapshot with its reason.
pub fn collect(node: NodeName, selection: &Selection, options: &Options) -> Result<NodeSnapshot, CollectError> {
    let begun = Instant::now();
    let mut snapshot = NodeSnapshot::new(node, now_ms());
    let here = Netns::open(&NetnsRef::Current, &options.netns_dir)?.id;
    let host = Netns::open(&selection.host, &options.netns_dir)?;
    let survey = Survey::take(&options.netns_dir);
    let (mut others, unseen) = others(&selection.others, host.id, &survey, options);
    snapshot.unseen = unseen;

    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned();
    let means = Means {
        tools: Tools {
            path: options.tool_path.clone(),
            timeout: options.tool_timeout,
            output_bytes: options.tool_output_bytes,
        },
        modules: Modules::read(&release),
        netfilter: options.netfilter,
        conntrack_entries: options.conntrack_entries,
    };
    let neighbourhood = within(&host, here, || Neighbourhood::read(host.id, &others))?;
    if selection.others == Others::ConnectedByVeth {
        others.retain(|netns| neighbourhood.connected.contains(&netns.id));
        // What could not be opened matters only if a veth may lead there.
        if neighbourhood.all_known {
            snapshot.unseen.clear();
        }
    }

    let mut all = vec![host];
    all.append(&mut others);
    let (mut read, unseen) = read_all(&all, here, &means, options.max_threads)?;
    snapshot.unseen.extend(unseen);
    peers::join(&mut read, &neighbourhood.numbers, |id| {
        let netns = all.iter().find(|netns| netns.id == id);
        netns.and_then(|netns| within(netns, here, || Neighbourhood::read(id, &all)).ok()).unwrap_or_default().numbers
    });
    for (mut namespace, _) in read {
        namespace.names = survey.names(namespace.id);
        namespace.pids = survey.pids(namespace.id);
        if namespace.role == HostRole::Other {
            namespace.pod_uid = cgroup::pod_uid(&namespace.pids);
        }
        snapshot.namespaces.push(namespace);
    }
    snapshot.kernel = Some(release).filter(|release| !release.is_empty());
    snapshot.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(snapshot)
}

/// The name that this host gives itself (`uname -n`).
pub fn hostname() -> NodeName {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    NodeName(match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    })
}

/// The selected namespaces besides `host`, open, by identity, and those that could not be opened.
fn others(selected: &Others, host: NetnsId, survey: &Survey, options: &Options) -> (Vec<Netns>, Vec<Unavailable>) {
    match selected {
        Others::None => (Vec::new(), Vec::new()),
        Others::All | Others::ConnectedByVeth => {
            let (opened, mut unseen) = survey.open_all(host, &options.netns_dir);
            unseen.extend(survey.unseen.iter().cloned());
            (opened, unseen)
        }
        Others::These(asked) => {
            let (mut opened, mut unseen) = (BTreeMap::new(), Vec::new());
            for asked in asked {
                match Netns::open(asked, &options.netns_dir) {
                    Ok(netns) if netns.id == host => {}
                    Ok(netns) => drop(opened.insert(netns.id, netns)),
                    Err(error) => unseen.push(refusal(&error)),
                }
            }
            (opened.into_values().collect(), unseen)
        }
    }
}

/// What a namespace's veths lead to.
#[derive(Default)]
struct Neighbourhood {
    /// The numbers that the namespace has for others.
    numbers: BTreeMap<i32, NetnsId>,
    /// Those of the others that a veth leads to.
    connected: BTreeSet<NetnsId>,
    /// No veth leads anywhere else.
    all_known: bool,
}

impl Neighbourhood {
    /// Asks in the thread's namespace `id`. A failure shows as an unavailable list of links when the namespace is read.
    fn read(id: NetnsId, others: &[Netns]) -> Self {
        let Ok(mut netlink) = Netlink::open("open a netlink socket", NETLINK_ROUTE) else { return Self::default() };
        let Ok(links) = links::read(&mut netlink, id) else { return Self::default() };
        let foreign: BTreeSet<i32> = links.iter().filter_map(|read| read.peer_nsid).collect();
        if foreign.is_empty() {
            return Self { all_known: true, ..Self::default() };
        }
        let others = others.iter().filter(|netns| netns.id != id);
        let numbers = peers::numbers(&mut netlink, others).unwrap_or_default();
        let connected = foreign.iter().filter_map(|number| numbers.get(number)).copied().collect();
        let all_known = foreign.iter().all(|number| numbers.contains_key(number));
        Self { numbers, connected, all_known }
    }
}

/// Runs `work` in a thread of its own that has entered `netns`; the caller's thread is in `here` and stays there.
fn within<T: Send>(netns: &Netns, here: NetnsId, work: impl FnOnce() -> T + Send) -> Result<T, CollectError> {
    thread::scope(|scope| {
        let worker = thread::Builder::new().spawn_scoped(scope, || {
            if netns.id != here {
                netns.enter()?;
            }
            Ok(work())
        });
        let worker = worker.map_err(|source| CollectError::System { operation: "start a thread", source })?;
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A namespace that was read, with its veths that lead out of it.
type Read = (NamespaceSnapshot, Foreign);

/// Reads the namespaces, the first as the host's, with at most `threads` at a time. The order is kept. Of those besides the host's,
/// the ones that cannot be entered are told.
fn read_all(
    all: &[Netns],
    here: NetnsId,
    means: &Means,
    threads: usize,
) -> Result<(Vec<Read>, Vec<Unavailable>), CollectError> {
    let next = AtomicUsize::new(0);
    let mut results: Vec<_> = thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, || work(all, &next, here, means));
        let workers = (0..threads.clamp(1, all.len())).map(spawn).collect::<Vec<_>>();
        if workers.iter().all(Result::is_err) {
            let failure = workers.into_iter().find_map(Result::err);
            let source = failure.unwrap_or_else(|| io::Error::other("no thread"));
            return Err(CollectError::System { operation: "start a thread", source });
        }
        let join = |worker: thread::ScopedJoinHandle<'_, _>| {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        // Fewer threads than wished for read the same namespaces.
        Ok(workers.into_iter().flatten().flat_map(join).collect::<Vec<_>>())
    })?;
    results.sort_by_key(|(position, _)| *position);
    let (mut read, mut unseen) = (Vec::new(), Vec::new());
    for (position, result) in results {
        match result {
            Ok(namespace) => read.push(namespace),
            Err(error) if position == 0 => return Err(error),
            Err(error) => unseen.push(refusal(&error)),
        }
    }
    Ok((read, unseen))
}

/// Takes one namespace after another until none is left.
fn work(
    all: &[Netns],
    next: &AtomicUsize,
    mut here: NetnsId,
    means: &Means,
) -> Vec<(usize, Result<Read, CollectError>)> {
    let mut outcomes = Vec::new();
    loop {
        let position = next.fetch_add(1, Ordering::Relaxed);
        let Some(netns) = all.get(position) else { return outcomes };
        let entered = if netns.id == here { Ok(()) } else { netns.enter() };
        let outcome = entered.map(|()| {
            here = netns.id;
            let role = if position == 0 { HostRole::Host } else { HostRole::Other };
            namespace::read(netns.id, role, means)
        });
        outcomes.push((position, outcome));
    }
}

/// A part read now, or why not.
fn item<T>(read: impl FnOnce() -> Result<T, Unavailable>) -> Item<T> {
    let at_ms = now_ms();
    read().map_or_else(Item::Unavailable, |value| Item::known(at_ms, value))
}

/// The wall clock, in milliseconds since the Unix epoch.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn unavailable(operation: &str, error: &io::Error) -> Unavailable {
    let reason = match reason_of(error) {
        // The file of a namespace's or a process's own went with it.
        Reason::NotFound => Reason::Gone,
        reason => reason,
    };
    Unavailable::new(reason, format!("{operation}: {error}"))
}

/// The IP family that a route netlink message begins with.
fn family_of(payload: &[u8]) -> Option<Family> {
    match payload.first() {
        Some(2) => Some(Family::V4),
        Some(10) => Some(Family::V6),
        _ => None,
    }
}

/// Whether a route netlink message is of IPv4 or IPv6.
fn is_ip(payload: &[u8]) -> bool {
    family_of(payload).is_some()
}
