//! The Linux network stack, simulated on collected state.
//!
//! [`Namespace`] compiles a snapshot of one network namespace; [`walk`] takes one packet through it as Linux would: device, bridge,
//! netfilter, routing, neighbour, tunnel. Where chance, a hash or something unknown decides, [`explore`] takes every way.
//! The crate does no IO, reads no clock and starts no thread. Every rule that it follows names its kernel source; the kernel
//! is the judge, in the tests.

mod conntrack;
mod fib;
mod fork;
mod hash;
#[doc(hidden)]
pub mod mutation;
mod namespace;
mod netfilter;
mod sockets;
mod stack;
mod tri;

pub use conntrack::{Assumed, Conntrack, KnownFlows, PacketState, Sender};
pub use fib::{Fib, Flow, Found, Lookup, Miss, SourceCheck, Tried};
pub use fork::{Choice, ForkKind, Forks, Way, explore};
pub use namespace::Namespace;
pub use netfilter::{
    BridgePart, BridgePoint, DeviceHook, DevicePoint, Extension, ExtensionKind, Hook, HookPoint, HookResult, Netfilter,
    NetfilterEnv, NfBlocker, NfEvent, NfEventKind, NfVerdict, PatchError, REMEMBERED, RejectWith, ReversePath, RuleRef,
    RuleSource, extensions,
};
pub use sockets::{Lacks, Near, Receiver, receiver};
pub use stack::{
    Answer, AnswerKind, Blocker, Ending, Entry, Errno, Outcome, Resolution, Said, Site, Stop, Surroundings, dotted,
    judge, walk, walk_said,
};
pub use tri::Tri;
