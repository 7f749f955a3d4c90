//! Plain data for Kubernetes network diagnosis.
//!
//! Everything that skoop knows about a network, as values: packets, the kernel state of a network namespace, the
//! snapshot of a node, the reduced objects of a cluster, and the report that answers a question. No IO, no clock, no async:
//! collectors fill these types, the simulator and the engine read them, and all of them serialise.
//!
//! IPv4 and IPv6 share one path: addresses are [`std::net::IpAddr`], prefixes are [`ipnet::IpNet`].
//!
//! ```
//! use skoop_model::{Packet, Port, Protocol, Transport};
//!
//! let syn = Packet::tcp_syn("10.244.1.2".parse()?, Port(40_000), "10.244.2.2".parse()?, Port(80));
//! assert_eq!(syn.protocol, Protocol::TCP);
//! assert_eq!(syn.to_string(), "tcp 10.244.1.2:40000 > 10.244.2.2:80");
//! assert!(matches!(syn.transport, Transport::Tcp { .. }));
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

mod address;
mod cluster;
mod conntrack;
mod finding;
mod ids;
mod item;
mod link;
mod neighbour;
mod netfilter;
mod node;
mod packet;
mod question;
mod report;
mod route;
mod rule;
mod runtime;
mod schema;
mod socket;
mod sysctl;

pub use address::{Address, AddressScope};
pub use cluster::{
    AddressType, ClusterSnapshot, ConfigMap, ContainerPort, DaemonSet, Endpoint, EndpointPort, EndpointSlice, IpBlock,
    KubeNode, LabelSelector, Namespace, NetworkPolicy, ObjectKey, Pod, PodPhase, PolicyPeer, PolicyPort, PolicyRule,
    Requirement, RequirementOperator, Service, ServicePort, ServiceType, TargetPort, TrafficPolicy, Workload,
};
pub use conntrack::{ConntrackEntry, ConntrackStatus, ConntrackTable, ConntrackTuple};
pub use finding::{Evidence, Fix, Role, Severity};
pub use ids::{Family, IfIndex, MacAddr, Mark, NetnsId, NodeName, ParseError, Port, PortRange, Protocol, TableId, Vni};
pub use item::{Item, Reason, Unavailable};
pub use link::{BridgeConfig, BridgePort, Link, LinkKind, OperState, OuterDf, PortState, VethPeer, VxlanConfig};
pub use neighbour::{FdbEntry, Neighbour, NeighbourState};
pub use netfilter::{Backend, HookOwner, NetfilterDumps};
pub use node::{HostRole, NamespaceSnapshot, NodeSnapshot};
pub use packet::{Bytes, Details, Encap, ExtensionHeader, Fragment, Frame, Packet, SctpChunk, TcpFlags, Transport};
pub use question::{End, Question, QuestionError, ResolvedEnd, ResolvedQuestion};
pub use report::{
    Branch, Deciding, Finding, Horizon, Intent, IntentVerdict, Place, ReplySummary, Report, Share, SnapshotInfo, Stage,
    Step, Unseen, Verdict,
};
pub use route::{NextHop, Route, RouteKind, RouteProtocol, RouteScope};
pub use rule::{MarkMask, RoutingRule, RuleAction};
pub use runtime::{Runtime, Sandbox};
pub use schema::{SCHEMA_VERSION, SchemaError, check_schema};
pub use socket::{Socket, SocketState};
pub use sysctl::Sysctls;
