//! Clusters made of network namespaces: built, broken, measured with real packets.
//!
//! A [`Lab`] is a small Kubernetes cluster with a real datapath: nodes and pods are network namespaces with veth pairs, bridges, tunnels
//! and kube-proxy's rules, and the matching API objects are served by an API server. A [`Scenario`] breaks it in a known way and says what
//! a diagnosis must find; [`run`] does so for many, and lets the kernel be the judge.
//!
//! ```no_run
//! use skoop_lab::{Ask, Lab, LabSpec};
//!
//! let lab = Lab::build(&LabSpec::default())?;
//! let measured = lab.measure(&Ask::tcp("pod/default/client", "pod/default/server"))?;
//! assert_eq!(measured.to_string(), "40 of 40 answered");
//! lab.tear_down()?;
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! Root is needed. Nothing outside the lab's own namespaces is changed.

mod api;
mod background;
mod claim;
mod command;
mod diagnoser;
pub mod differential;
mod lab;
mod netns;
mod objects;
mod packets;
mod plan;
mod proxy;
mod runner;
mod scenario;
mod scoreboard;
mod servers;
mod source;
mod standing;
mod topology;

pub use api::{ApiServer, ObjectStore, StoreError};
pub use diagnoser::Skoop;
pub use lab::{Lab, LabSpec};
pub use packets::{ATTEMPTS, Attempt, Measured, PATIENCE};
pub use plan::{NodePlan, Plan, PodPlan, ServicePlan};
pub use proxy::{ProxyOptions, kube_proxy_iptables, kube_proxy_nftables};
pub use runner::{Diagnose, Event, Heal, Outcome, RunOptions, list_scenarios, run, run_one};
pub use scenario::{Ask, Change, Edit, Expect, ObjectPatch, ObjectRef, Place, Scenario, demo_scenarios};
pub use scoreboard::scoreboard;
pub use servers::{Listen, serve_main};
pub use source::LabSource;
pub use standing::{Standing, TakenDown, UpOptions, down, standing, up};
