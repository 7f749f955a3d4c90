//! Netfilter: the rules of one namespace, compiled, and the hooks that run them.
//!
//! [`Netfilter::compile`] reads the raw dumps of a namespace: both families, both `iptables` backends, native nftables, ipset.
//! It never fails. What it cannot read becomes an explicit unknown, which is asked of [`Forks`] when a packet meets it and is
//! listed by [`Netfilter::problems`] before.
//!
//! [`Netfilter::run`] passes a packet through one hook in the kernel's order of priorities: raw, connection tracking, mangle,
//! destination NAT, filter, security, source NAT, confirmation. Along the way of one packet in one namespace the caller keeps
//! one [`PacketState`] (also over the loopback device, where the kernel keeps the reference to the flow), and for all packets
//! of one walk in one namespace one [`Conntrack`].
//!
//! A rule whose match cannot be judged forks the way ([`Forks::unknown`]), unless nothing that it leads to changes a packet's
//! fate; `statistic` forks it by chance, a range of NAT addresses by a hash. A match or target is one file below `matches` or
//! `targets` and one line in its registry; long chains are indexed, so that a walk costs about the depth of the rules and not
//! their number.

mod args;
mod common;
mod compile;
mod event;
mod extensions;
mod harmless;
mod hooks;
mod image;
mod index;
mod ipset;
mod jhash;
mod matches;
mod nft;
mod order;
mod parse;
mod patch;
mod result;
mod run;
mod table;
mod targets;
mod test;
#[cfg(test)]
pub(crate) mod testkit;
mod traverse;
mod trial;
mod words;

use std::net::IpAddr;
use std::sync::Arc;

use skoop_model::{Backend, Evidence, Family, IfIndex, Link, MacAddr, NetfilterDumps, Packet, Port, RouteKind, Unseen};

pub use extensions::{Extension, ExtensionKind, extensions};
pub use patch::PatchError;
pub use result::{HookResult, NfBlocker, NfEvent, NfEventKind, NfVerdict, REMEMBERED, RejectWith, RuleRef, RuleSource};

pub(crate) use event::Event;
pub(crate) use matches::RecentMemory;
pub(crate) use nft::SetChange;
pub(crate) use result::Stopped;
pub(crate) use run::RuleDoubt;
pub(crate) use table::RuleId;

use crate::{Conntrack, Flow, Forks, PacketState, Receiver, Tri};
use common::PacketKey;
use compile::Compiled;
use run::{Layer, Run};

/// The five places where IP packets meet rules (`enum nf_inet_hooks`, `include/uapi/linux/netfilter.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hook {
    /// Before routing, for all that comes in by a device.
    Prerouting,
    /// For what is delivered here.
    Input,
    /// For what is forwarded.
    Forward,
    /// For what is sent from here.
    Output,
    /// After routing, for all that leaves by a device.
    Postrouting,
}

impl Hook {
    /// All hooks, by the kernel's number.
    pub const ALL: [Self; 5] = [Self::Prerouting, Self::Input, Self::Forward, Self::Output, Self::Postrouting];

    /// The name in nftables: `prerouting`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
        }
    }

    /// The name of the built-in chain: `PREROUTING`.
    pub fn chain(self) -> &'static str {
        match self {
            Self::Prerouting => "PREROUTING",
            Self::Input => "INPUT",
            Self::Forward => "FORWARD",
            Self::Output => "OUTPUT",
            Self::Postrouting => "POSTROUTING",
        }
    }
}

/// Where a packet meets a hook.
#[derive(Debug, Clone, Copy)]
pub struct HookPoint<'a> {
    /// Hook.
    pub hook: Hook,
    /// Device that rules see as `-i`.
    pub in_device: Option<&'a Link>,
    /// Device that rules see as `-o`.
    pub out_device: Option<&'a Link>,
    /// Bridge port that a frame came in by (`--physdev-in`).
    pub in_port: Option<&'a Link>,
    /// Bridge port that a frame leaves by (`--physdev-out`).
    pub out_port: Option<&'a Link>,
}

/// The two places of a device where frames meet rules (`enum nf_dev_hooks`, `include/uapi/linux/netfilter.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeviceHook {
    /// Before anything else looks at a frame that came in.
    Ingress,
    /// After everything else, before the queueing discipline of the device.
    Egress,
}

impl DeviceHook {
    /// The name in nftables: `ingress`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// Where a frame meets the hook of a device.
#[derive(Debug, Clone, Copy)]
pub struct DevicePoint<'a> {
    /// Hook.
    pub hook: DeviceHook,
    /// The device.
    pub device: &'a Link,
    /// Source MAC address of the frame, if it has one.
    pub src_mac: Option<MacAddr>,
    /// Destination MAC address of the frame, if it has one.
    pub dst_mac: Option<MacAddr>,
}

/// Which chains of a bridge's hook: br_netfilter takes the frame through the hooks of IP between them (`NF_BR_PRI_BRNF`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BridgePart {
    /// All of them.
    All,
    /// Those that run before.
    BeforeIp,
    /// Those that run after.
    AfterIp,
}

impl BridgePart {
    /// Whether chains of this priority belong to it. Of priority 0 those that were registered after br_netfilter, which is when the
    /// first bridge is made, come before it.
    fn holds(self, priority: i32) -> bool {
        match self {
            Self::All => true,
            Self::BeforeIp => priority <= 0,
            Self::AfterIp => priority > 0,
        }
    }
}

/// Where a frame meets a hook of a bridge (`enum nf_br_hook_priorities`, `include/uapi/linux/netfilter_bridge.h`).
#[derive(Debug, Clone, Copy)]
pub struct BridgePoint<'a> {
    /// Hook.
    pub hook: Hook,
    /// Which of its chains.
    pub part: BridgePart,
    /// The bridge.
    pub bridge: &'a Link,
    /// Port that the frame came in by; none at OUTPUT and POSTROUTING.
    pub in_port: Option<&'a Link>,
    /// Port that it leaves by; none at PREROUTING and INPUT.
    pub out_port: Option<&'a Link>,
    /// Source MAC address of the frame.
    pub src_mac: MacAddr,
    /// Destination MAC address of the frame.
    pub dst_mac: MacAddr,
}

/// What the match `rpfilter` asks for beyond the reverse route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReversePath {
    /// `--loose`: any device will do.
    pub loose: bool,
    /// `--validmark`: the mark of the packet counts.
    pub valid_mark: bool,
    /// `--accept-local`: the source may be an address of this host.
    pub accept_local: bool,
}

/// What rules ask of the rest of the namespace.
pub trait NetfilterEnv {
    /// Type of an address by the local routing table (`inet_dev_addr_type`, `net/ipv4/fib_frontend.c`), by one device if given.
    /// None: not known.
    fn address_kind(&self, address: IpAddr, device: Option<IfIndex>) -> Option<RouteKind>;

    /// The source address that MASQUERADE takes for a packet that leaves by `out`. None: there is none, the packet is dropped.
    fn masquerade_address(&self, out: IfIndex, packet: &Packet) -> Option<IpAddr>;

    /// The device of the route for `flow`, as nftables' `fib` asks for it: only a unicast route counts, and with `device` only one by it
    /// (`nft_fib4_eval`, `net/ipv4/netfilter/nft_fib_ipv4.c`). None: not known; none inside: there is none.
    fn fib_device(&self, _flow: &Flow, _device: Option<IfIndex>) -> Option<Option<&Link>> {
        None
    }

    /// Whether a packet of this host's own, sent by user `uid`, has a route: what OUTPUT asks at once where it changed address or mark.
    fn routes(&self, _packet: &Packet, _uid: Option<u32>) -> bool {
        true
    }

    /// Number of a sysctl, by its path below `/proc/sys`. None: not known.
    fn sysctl(&self, path: &str) -> Option<i64>;

    /// Whether a transparent socket (`IP_TRANSPARENT`) takes `packet`, which came in by `device`: a connected one that takes it as it
    /// is, else a listener that would take it if it went to this address and port.
    fn transparent_socket(&self, _packet: &Packet, _device: IfIndex, _address: IpAddr, _port: Port) -> Tri {
        Tri::Maybe
    }

    /// Whether the way back to the source of a packet that came in by `device` leads by it (`ipt_rpfilter.c`, `ip6t_rpfilter.c`).
    fn reverse_path(&self, _packet: &Packet, _device: &Link, _options: ReversePath) -> Tri {
        Tri::Maybe
    }

    /// The socket that would take a packet that came in by `device`, as `xt_socket` and nftables' `socket` look it up. None: not known.
    fn socket(&self, _packet: &Packet, _device: IfIndex) -> Option<Receiver> {
        None
    }

    /// Whether there are IPsec policies. None: not known.
    fn has_ipsec(&self) -> Option<bool> {
        None
    }

    /// The first primary address of a device, to which REDIRECT leads. None: not known.
    fn primary_address(&self, _device: IfIndex, _family: Family) -> Option<IpAddr> {
        None
    }
}

/// The compiled rules of one namespace. Cheap to clone and to share between threads.
#[derive(Debug, Clone)]
pub struct Netfilter(Arc<Compiled>);

impl Netfilter {
    /// Compiles the dumps of a namespace. A dump that is unavailable counts as unknown, never as empty.
    pub fn compile(dumps: &NetfilterDumps) -> Self {
        Self(Arc::new(Compiled::new(dumps)))
    }

    /// What was not understood. It matters only where a packet meets it; then [`Forks`] holds it too.
    pub fn problems(&self) -> &[Unseen] {
        &self.0.problems
    }

    /// Changes tables of iptables as `iptables-restore --noflush` (`ip6tables-…`, `-nft`, `-legacy`) would by the same text, all of it
    /// or, on an error, nothing: `*nat`, `:CHAIN - [0:0]` (makes the chain, or empties it), `-A`, `-I`, `-D`, `-F`, `-N`, `-X`, `-P`,
    /// `COMMIT`. This is what kube-proxy writes.
    ///
    /// It costs time by the length of the text and of the chains that it names, not by the size of the table; a rule that is written
    /// again as it stands is kept. Three things cost more, once: the first change of a table (names are collected), a change while a
    /// clone of this `Netfilter` lives (the table is compiled anew, the clone keeps the old one), and, when more than half of a table
    /// is left over from changes, tidying up.
    ///
    /// A [`Conntrack`] holds flows with the rules that translated them: it must not outlive a change.
    pub fn patch(&mut self, backend: Backend, family: Family, changes: &str) -> Result<(), PatchError> {
        patch::patch(Arc::make_mut(&mut self.0), backend, family, changes)
    }

    /// Passes `packet` through one hook. After a drop or reject it goes on as if that rule had accepted the packet.
    pub fn run(
        &self,
        at: &HookPoint<'_>,
        packet: &mut Packet,
        state: &mut PacketState,
        conntrack: &mut Conntrack,
        env: &dyn NetfilterEnv,
        forks: &mut Forks,
    ) -> HookResult {
        self.told(self.pass_ip(at, packet, state, conntrack, env, forks))
    }

    /// [`Self::run`], with events that keep the number of their rule instead of its words.
    pub(crate) fn pass_ip(
        &self,
        at: &HookPoint<'_>,
        packet: &mut Packet,
        state: &mut PacketState,
        conntrack: &mut Conntrack,
        env: &dyn NetfilterEnv,
        forks: &mut Forks,
    ) -> (HookResult, Vec<Event>) {
        self.pass(Layer::Inet, at, packet, state, conntrack, env, forks)
    }

    fn told(&self, (result, events): (HookResult, Vec<Event>)) -> HookResult {
        HookResult { events: events.into_iter().map(|event| event.told(&self.0)).collect(), ..result }
    }

    /// What stands behind an event of these rules.
    pub(crate) fn evidence(&self, event: &Event) -> Evidence {
        event.evidence(&self.0)
    }

    /// Whether any chain looks at frames at this hook of the device: if not, [`Self::run_device`] does nothing.
    pub fn has_device_chains(&self, hook: DeviceHook, device: &str) -> bool {
        self.0.order.devices.iter().any(|(name, of, _)| *of == hook && **name == *device)
    }

    /// Passes a frame through a hook of a device: chains of the families netdev and inet. Like [`Self::run`].
    pub fn run_device(
        &self,
        at: &DevicePoint<'_>,
        packet: &mut Packet,
        state: &mut PacketState,
        conntrack: &mut Conntrack,
        env: &dyn NetfilterEnv,
        forks: &mut Forks,
    ) -> HookResult {
        self.told(self.pass_device(at, packet, state, conntrack, env, forks))
    }

    /// [`Self::run_device`], as [`Self::pass_ip`].
    pub(crate) fn pass_device(
        &self,
        at: &DevicePoint<'_>,
        packet: &mut Packet,
        state: &mut PacketState,
        conntrack: &mut Conntrack,
        env: &dyn NetfilterEnv,
        forks: &mut Forks,
    ) -> (HookResult, Vec<Event>) {
        let (hook, in_device, out_device) = match at.hook {
            DeviceHook::Ingress => (Hook::Prerouting, Some(at.device), None),
            // `nf_hook_egress`: the device stands as the one that the frame leaves by.
            DeviceHook::Egress => (Hook::Postrouting, None, Some(at.device)),
        };
        let point = HookPoint { hook, in_device, out_device, in_port: None, out_port: None };
        self.pass(Layer::Device(at), &point, packet, state, conntrack, env, forks)
    }

    /// Whether any chain of family bridge is there: if not, [`Self::run_bridge`] does nothing.
    pub fn has_bridge_chains(&self) -> bool {
        self.0.order.bridge.iter().any(|groups| !groups.is_empty())
    }

    /// Passes a frame through a hook of a bridge: chains of the family bridge. Like [`Self::run`].
    pub fn run_bridge(
        &self,
        at: &BridgePoint<'_>,
        packet: &mut Packet,
        state: &mut PacketState,
        conntrack: &mut Conntrack,
        env: &dyn NetfilterEnv,
        forks: &mut Forks,
    ) -> HookResult {
        self.told(self.pass_bridge(at, packet, state, conntrack, env, forks))
    }

    /// [`Self::run_bridge`], as [`Self::pass_ip`].
    pub(crate) fn pass_bridge(
        &self,
        at: &BridgePoint<'_>,
        packet: &mut Packet,
        state: &mut PacketState,
        conntrack: &mut Conntrack,
        env: &dyn NetfilterEnv,
        forks: &mut Forks,
    ) -> (HookResult, Vec<Event>) {
        let (in_device, out_device) = (at.in_port, at.out_port);
        let point = HookPoint { hook: at.hook, in_device, out_device, in_port: None, out_port: None };
        self.pass(Layer::Bridge(at), &point, packet, state, conntrack, env, forks)
    }

    #[expect(clippy::too_many_arguments, reason = "what three public functions have in common")]
    fn pass(
        &self,
        layer: Layer<'_>,
        at: &HookPoint<'_>,
        packet: &mut Packet,
        state: &mut PacketState,
        conntrack: &mut Conntrack,
        env: &dyn NetfilterEnv,
        forks: &mut Forks,
    ) -> (HookResult, Vec<Event>) {
        let key = PacketKey::of(packet);
        let (result, events) = (HookResult::default(), Vec::new());
        let mut run = Run { rules: &self.0, at, layer, packet, state, conntrack, env, forks, result, events, key };
        run.hook();
        (run.result, run.events)
    }
}

#[cfg(test)]
mod tests;
