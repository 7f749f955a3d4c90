//! What can make collecting fail as a whole. A part that cannot be read is no error: it stands in the snapshot as `Unavailable`.

use std::io;

use skoop_model::Reason;
use thiserror::Error;

/// A collection that could not be made: operation, object and source.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CollectError {
    /// There is no such network namespace.
    #[error("network namespace {netns}: there is none: `ip netns list` and `ls /proc/PID/ns/net` show what there is")]
    NoNamespace {
        /// The namespace as it was asked for: `/run/netns/NAME`, `/proc/PID/ns/net`.
        netns: String,
    },
    /// The file is there, but is no network namespace: what is left of a name after its mount went away.
    #[error("{netns} is not a network namespace: remove it with `ip netns delete`, or name another one")]
    NotNamespace {
        /// The namespace as it was asked for.
        netns: String,
    },
    /// The host's namespace could not be opened or entered.
    #[error("cannot {operation} network namespace {netns}")]
    Namespace {
        /// What was tried: `open`, `enter`.
        operation: &'static str,
        /// The namespace as it was asked for.
        netns: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The system refused something without which nothing can be collected.
    #[error("cannot {operation}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Nothing says which cluster to ask.
    #[cfg(feature = "kube")]
    #[error("no cluster is known: name a kubeconfig, set KUBECONFIG, or run in a pod of the cluster")]
    NoCluster,
    /// A kubeconfig that was named is not there. No other one takes its place.
    #[cfg(feature = "kube")]
    #[error("kubeconfig {path}: there is no such file: name one that exists")]
    NoKubeconfig {
        /// Path as it was named; several are joined with `:`.
        path: String,
    },
    /// A kubeconfig cannot be used.
    #[cfg(feature = "kube")]
    #[error("cannot use kubeconfig {path}")]
    Kubeconfig {
        /// Path of the file.
        path: String,
        /// What the client says.
        source: Box<::kube::config::KubeconfigError>,
    },
    /// The kubeconfig has no context of this name.
    #[cfg(feature = "kube")]
    #[error("kubeconfig {path} has no context `{context}`: it has {known}")]
    NoContext {
        /// Path of the file.
        path: String,
        /// Name of the context.
        context: String,
        /// Names that would do, joined with commas; `none`.
        known: String,
    },
    /// The pod in which this runs has no usable service account.
    #[cfg(feature = "kube")]
    #[error("cannot use this pod's service account: mount its token, or name a kubeconfig")]
    InCluster(#[source] Box<::kube::config::InClusterError>),
    /// No client could be made: broken certificates, a credential plugin that fails.
    #[cfg(feature = "kube")]
    #[error("cannot set up a client for cluster {cluster}")]
    Client {
        /// Name of the cluster's context.
        cluster: String,
        /// What the client says.
        source: Box<::kube::Error>,
    },
}

impl CollectError {
    /// Kind of the failure, as a snapshot would name it.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NoNamespace { .. } | Self::NotNamespace { .. } => Reason::NotFound,
            Self::Namespace { source, .. } | Self::System { source, .. } => reason_of(source),
            #[cfg(feature = "kube")]
            Self::NoCluster | Self::NoKubeconfig { .. } | Self::NoContext { .. } => Reason::NotFound,
            #[cfg(feature = "kube")]
            Self::Kubeconfig { .. } | Self::InCluster(_) | Self::Client { .. } => Reason::Failed,
        }
    }
}

/// `ESRCH`, `ENXIO`, `ENODEV`: a process or device that was there a moment ago.
const GONE: [i32; 3] = [3, 6, 19];
/// `ENOSYS`, `EPROTONOSUPPORT`, `EOPNOTSUPP`, `EAFNOSUPPORT`: the kernel was built without it.
const UNSUPPORTED: [i32; 4] = [38, 93, 95, 97];

/// Kind of an operating system error.
pub(crate) fn reason_of(error: &io::Error) -> Reason {
    match error.raw_os_error() {
        Some(number) if GONE.contains(&number) => return Reason::Gone,
        Some(number) if UNSUPPORTED.contains(&number) => return Reason::Unsupported,
        _ => {}
    }
    match error.kind() {
        io::ErrorKind::PermissionDenied => Reason::Permission,
        io::ErrorKind::NotFound => Reason::NotFound,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Reason::Timeout,
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Reason::Malformed,
        io::ErrorKind::Unsupported => Reason::Unsupported,
        _ => Reason::Failed,
    }
}
