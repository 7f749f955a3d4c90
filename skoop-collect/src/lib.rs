//! Live systems, as the snapshots of [`skoop_model`].
//!
//! Each way of seeing is a feature and a module:
//!
//! | module | feature | sees |
//! |---|---|---|
//! | [`local`] | `local` | this host: every network namespace, over netlink, procfs, `/proc/sys` and the netfilter tools |
//! | [`runtime`] | `runtime` | the pods of this host, as its container runtime tells them |
//! | [`kube`] | `kube` | the objects of a cluster, over the Kubernetes API |
//! | [`bundle`] | `bundle` | what was recorded earlier, in a `.skoop` file |
//! | [`nodes`] | `nodes` | the nodes of a cluster, by agents on them and by other ways |
//! | [`dump`] | `dump` | one namespace, in the output of `ip`, `iptables-save`, `nft` and their like that somebody sent |
//!
//! Two rules hold for all of them. Collecting changes nothing: no table, chain, module or conntrack entry comes into being. And
//! nothing is silently empty: each part of a snapshot has its time, or the reason why it could not be read, and what could not be
//! read never takes the rest with it. A [`CollectError`] is for the case that nothing can be seen at all.
//!
//! The devices of this host, and why the firewall could not be read:
//!
//! ```
//! # #[cfg(feature = "local")] {
//! use skoop_collect::local::{NetnsRef, Options, Others, Selection, collect, hostname};
//!
//! let selection = Selection { host: NetnsRef::Current, others: Others::None };
//! let snapshot = collect(hostname(), &selection, &Options::default())?;
//! for namespace in &snapshot.namespaces {
//!     for link in namespace.links.elements() {
//!         println!("{}: {} ({}), MTU {}", link.index, link.name, link.kind.name(), link.mtu_bytes);
//!     }
//!     if let Err(why) = namespace.netfilter.nft_json.get() {
//!         println!("no nftables rules: {why}");
//!     }
//! }
//! # }
//! # Ok::<(), skoop_collect::CollectError>(())
//! ```
//!
//! A host with all its pods is `Selection::default()`; [`local::Others`] has the ways in between.

#[cfg(feature = "bundle")]
pub mod bundle;
#[cfg(feature = "dump")]
pub mod dump;
mod error;
#[cfg(feature = "kube")]
pub mod kube;
#[cfg(feature = "local")]
pub mod local;
#[cfg(feature = "nodes")]
pub mod nodes;
#[cfg(feature = "runtime")]
pub mod runtime;

pub use error::CollectError;
