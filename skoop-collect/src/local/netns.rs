//! Finding, opening and entering network namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{fstatfs, readlink, statfs};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use skoop_model::{NetnsId, Reason, Unavailable};

use super::NetnsRef;
use crate::CollectError;

/// `NSFS_MAGIC` of `include/uapi/linux/magic.h`.
const NSFS_MAGIC: u64 = 0x6e73_6673;
/// Processes kept of each namespace.
const MAX_PIDS: usize = 4;

/// An open namespace, which keeps it alive.
#[derive(Debug)]
pub(super) struct Netns {
    pub(super) id: NetnsId,
    pub(super) file: File,
    /// How it was found, for messages.
    pub(super) label: String,
}

impl Netns {
    /// Opens the namespace that `asked` names.
    pub(super) fn open(asked: &NetnsRef, netns_dir: &Path) -> Result<Self, CollectError> {
        let netns = asked.to_string();
        let Some(path) = asked.path(netns_dir) else { return Err(CollectError::NoNamespace { netns }) };
        let file = File::open(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => CollectError::NoNamespace { netns: netns.clone() },
            _ => CollectError::Namespace { operation: "open", netns: netns.clone(), source },
        })?;
        if !fstatfs(&file).is_ok_and(|status| is_nsfs(status.f_type)) {
            return Err(CollectError::NotNamespace { netns: path.display().to_string() });
        }
        match file.metadata() {
            Ok(metadata) => Ok(Self { id: NetnsId(metadata.ino()), file, label: netns }),
            Err(source) => Err(CollectError::Namespace { operation: "open", netns, source }),
        }
    }

    /// Moves the calling thread into the namespace.
    pub(super) fn enter(&self) -> Result<(), CollectError> {
        move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|errno| {
            let netns = self.label.clone();
            match errno {
                // A namespace of another kind.
                Errno::INVAL => CollectError::NotNamespace { netns },
                errno => CollectError::Namespace { operation: "enter", netns, source: errno.into() },
            }
        })
    }
}

impl NetnsRef {
    /// The file that is the namespace; none for a name that can be none's.
    fn path(&self, netns_dir: &Path) -> Option<PathBuf> {
        match self {
            Self::Current => Some(PathBuf::from("/proc/thread-self/ns/net")),
            Self::Name(name) => {
                let plain = !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != "..";
                plain.then(|| netns_dir.join(name))
            }
            Self::Pid(pid) => Some(PathBuf::from(format!("/proc/{pid}/ns/net"))),
            Self::Path(path) => Some(path.clone()),
        }
    }
}

impl fmt::Display for NetnsRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => f.write_str("of this process"),
            Self::Name(name) => f.write_str(name),
            Self::Pid(pid) => write!(f, "of process {pid}"),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// The namespaces that have a name or a process.
#[derive(Debug, Default)]
pub(super) struct Survey {
    names: BTreeMap<NetnsId, Vec<String>>,
    pids: BTreeMap<NetnsId, Vec<u32>>,
    /// What looked like a namespace and could not be looked at.
    pub(super) unseen: Vec<Unavailable>,
}

impl Survey {
    /// Looks through `netns_dir` and the processes.
    pub(super) fn take(netns_dir: &Path) -> Self {
        let mut survey = Self::default();
        survey.take_names(netns_dir);
        survey.take_processes();
        survey
    }

    /// Names of a namespace under `/run/netns`, sorted.
    pub(super) fn names(&self, id: NetnsId) -> Vec<String> {
        self.names.get(&id).cloned().unwrap_or_default()
    }

    /// The smallest process ids in a namespace.
    pub(super) fn pids(&self, id: NetnsId) -> Vec<u32> {
        self.pids.get(&id).cloned().unwrap_or_default()
    }

    /// Opens every namespace but `host`; those that cannot be opened are told.
    pub(super) fn open_all(&self, host: NetnsId, netns_dir: &Path) -> (Vec<Netns>, Vec<Unavailable>) {
        let ids: BTreeSet<_> = self.names.keys().chain(self.pids.keys()).copied().filter(|id| *id != host).collect();
        let (mut opened, mut unseen) = (Vec::new(), Vec::new());
        for id in ids {
            match self.open(id, netns_dir) {
                Ok(netns) => opened.push(netns),
                Err(why) => unseen.push(why),
            }
        }
        (opened, unseen)
    }

    /// Opens a namespace by any of the ways in which it was seen.
    fn open(&self, id: NetnsId, netns_dir: &Path) -> Result<Netns, Unavailable> {
        let names = self.names.get(&id).into_iter().flatten().cloned().map(NetnsRef::Name);
        let pids = self.pids.get(&id).into_iter().flatten().copied().map(NetnsRef::Pid);
        let mut why = Unavailable::new(Reason::Gone, format!("network namespace {id} vanished while being looked for"));
        for way in names.chain(pids) {
            match Netns::open(&way, netns_dir) {
                // A name or process id may by now be another namespace's.
                Ok(netns) if netns.id == id => return Ok(netns),
                Ok(_) | Err(CollectError::NoNamespace { .. } | CollectError::NotNamespace { .. }) => {}
                Err(error) => why = refusal(&error),
            }
        }
        Err(why)
    }

    fn take_names(&mut self, netns_dir: &Path) {
        let Ok(entries) = fs::read_dir(netns_dir) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            match (statfs(&path), fs::metadata(&path)) {
                (Ok(status), Ok(metadata)) if is_nsfs(status.f_type) => {
                    self.names.entry(NetnsId(metadata.ino())).or_default().push(name);
                }
                (Ok(_), Ok(_)) => {
                    let detail = format!("{} is only what is left of a network namespace", path.display());
                    self.unseen.push(Unavailable::new(Reason::Gone, detail));
                }
                (Err(errno), _) => self.unseen.push(super::unavailable(&path.display().to_string(), &errno.into())),
                (_, Err(error)) => self.unseen.push(super::unavailable(&path.display().to_string(), &error)),
            }
        }
        self.names.values_mut().for_each(|names| names.sort());
        self.unseen.sort();
    }

    fn take_processes(&mut self) {
        let mut denied = 0usize;
        let Ok(entries) = fs::read_dir("/proc") else { return };
        let mut pids: Vec<u32> =
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        pids.sort_unstable();
        for pid in pids {
            match readlink(format!("/proc/{pid}/ns/net"), Vec::new()) {
                Ok(link) => {
                    if let Some(id) = link.to_str().ok().and_then(inode) {
                        let pids = self.pids.entry(id).or_default();
                        if pids.len() < MAX_PIDS {
                            pids.push(pid);
                        }
                    }
                }
                Err(Errno::ACCESS | Errno::PERM) => denied += 1,
                Err(_) => {}
            }
        }
        if denied > 0 {
            let detail = format!("the network namespaces of {denied} processes: seeing them takes CAP_SYS_PTRACE");
            self.unseen.push(Unavailable::new(Reason::Permission, detail));
        }
    }
}

/// `net:[INODE]`.
fn inode(link: &str) -> Option<NetnsId> {
    link.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok().map(NetnsId)
}

/// The namespace that a file is; none if it is none.
#[cfg(feature = "runtime")]
pub(crate) fn identity(path: &Path) -> Option<NetnsId> {
    statfs(path).ok().filter(|status| is_nsfs(status.f_type))?;
    fs::metadata(path).ok().map(|metadata| NetnsId(metadata.ino()))
}

/// Why a namespace stays unseen.
pub(super) fn refusal(error: &CollectError) -> Unavailable {
    let mut detail = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        detail = format!("{detail}: {cause}");
        source = cause.source();
    }
    Unavailable::new(error.reason(), detail)
}

fn is_nsfs(kind: impl TryInto<u64>) -> bool {
    kind.try_into().is_ok_and(|kind| kind == NSFS_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_processes_name_the_namespace() {
        assert_eq!(inode("net:[4026531840]"), Some(NetnsId(4_026_531_840)));
        assert_eq!(inode("mnt:[1]"), None);
        assert_eq!(inode("net:[]"), None);
    }

    #[test]
    fn names_that_lead_elsewhere_are_nobodys() {
        let directory = Path::new("/run/netns");
        for name in ["", ".", "..", "../../proc/1/ns/net", "a\0b"] {
            let error = Netns::open(&NetnsRef::Name(name.to_owned()), directory).err();
            assert!(matches!(error, Some(CollectError::NoNamespace { .. })), "{name:?}: {error:?}");
        }
    }

    #[test]
    fn a_file_that_is_no_namespace_is_told_apart() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("dead"), "").expect("a file");
        let error = Netns::open(&NetnsRef::Name("dead".to_owned()), directory.path()).err();
        assert!(matches!(error, Some(CollectError::NotNamespace { .. })), "{error:?}");
        let survey = Survey::take(directory.path());
        assert!(survey.unseen.iter().any(|why| why.reason == Reason::Gone && why.detail.contains("dead")));
    }

    #[test]
    fn this_process_is_found_in_its_namespace() {
        let here = Netns::open(&NetnsRef::Current, Path::new("/run/netns")).expect("a namespace");
        let survey = Survey::take(Path::new("/nonexistent"));
        assert!(!survey.pids(here.id).is_empty());
    }
}
