//! State of a walk: the trace, the blockers, and the small steps that all stages share.

use skoop_model::{
    Evidence, Frame, IfIndex, Link, MacAddr, Mark, Packet, Place, Route, RouteKind, Stage, Step, Unseen,
};

use super::Said;
use super::{Answer, Blocker, Ending, Errno, Outcome, Site, Stop, Surroundings};
use crate::conntrack::Tracking;
use crate::namespace::link_text;
use crate::netfilter::{Event, Stopped};
use crate::{
    BridgePart, BridgePoint, Conntrack, DeviceHook, DevicePoint, Flow, Forks, Hook, HookPoint, HookResult, Lookup,
    Namespace, NfVerdict, PacketState,
};

/// Stages that one packet may pass in one namespace before it counts as looping.
const MAX_STAGES: usize = 64;

/// Steps that a trace has room for at once: as many as most have.
const STEPS: usize = 10;

/// A packet on its way through the namespace, with what the kernel keeps in its `sk_buff`.
#[derive(Debug)]
pub(super) struct Skb {
    pub packet: Packet,
    pub src_mac: MacAddr,
    pub dst_mac: MacAddr,
    pub state: PacketState,
    /// PREROUTING was passed on the bridge already (`ip_sabotage_in`, `net/bridge/br_netfilter_hooks.c`).
    pub prerouted: bool,
    /// The bridge port it came in by, from when the bridge showed it to PREROUTING until it is routed on (`nf_bridge_info`).
    pub in_port: Option<IfIndex>,
    /// The device it came in by; none for what this host made itself.
    pub input: Option<IfIndex>,
    /// Kind of the route that it has (`skb_dst`); none before routing. Bridges give it one that counts as unicast.
    pub route: Option<RouteKind>,
    /// How br_netfilter routed it, which is not asked for again (`br_nf_pre_routing_finish`: it has a dst).
    pub routed: Option<Routed>,
    /// The frame is for this host whatever the address of the device that shows it (`PACKET_HOST`).
    pub to_host: bool,
    /// A process made it, and is told at once what becomes of it.
    pub process: bool,
}

impl Skb {
    pub fn new(frame: Frame) -> Self {
        let mut state = PacketState::default();
        if frame.src_mac != MacAddr::ZERO {
            state.set_source_mac(frame.src_mac);
        }
        state.destination_mac = Some(frame.dst_mac).filter(|mac| *mac != MacAddr::ZERO);
        Self {
            packet: frame.packet,
            src_mac: frame.src_mac,
            dst_mac: frame.dst_mac,
            state,
            prerouted: false,
            in_port: None,
            input: None,
            route: None,
            routed: None,
            to_host: false,
            process: false,
        }
    }

    pub fn local(packet: Packet) -> Self {
        Self::new(Frame { src_mac: MacAddr::ZERO, dst_mac: MacAddr::ZERO, packet })
    }

    pub fn into_frame(self) -> Frame {
        Frame { src_mac: self.src_mac, dst_mac: self.dst_mac, packet: self.packet }
    }
}

/// A route that a packet has already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Routed {
    pub mark: Mark,
    pub tos: u8,
    /// Where it leads: IPv6 takes that for the device it came in by (`IP6CB(skb)->iif` of `ip6_rcv_core`).
    pub device: Option<IfIndex>,
}

/// Devices at a hook.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Devices {
    pub input: Option<IfIndex>,
    pub output: Option<IfIndex>,
    pub in_port: Option<IfIndex>,
    pub out_port: Option<IfIndex>,
}

/// One walk.
pub(super) struct Walker<'a, 'f> {
    pub site: Site<'a>,
    pub namespace: &'a Namespace,
    pub around: &'a dyn Surroundings,
    pub forks: &'f mut Forks,
    conntrack: &'f mut Conntrack,
    steps: Vec<Step>,
    blockers: Vec<Blocker>,
    conditional: bool,
    traced: bool,
    stages: usize,
    /// What the caller said of the packet.
    pub said: Said,
    /// The packet as its sender made it.
    pub origin: Option<Packet>,
    /// What goes back because of the first blocker.
    pub answer: Option<Answer>,
    /// What the sending process is told.
    pub errno: Option<Errno>,
    /// The bridge that the packet leaves through.
    pub via_bridge: Option<IfIndex>,
    /// The packet is itself an answer, and gets none.
    pub is_answer: bool,
}

impl<'a, 'f> Walker<'a, 'f> {
    pub fn new(
        site: Site<'a>,
        conntrack: &'f mut Conntrack,
        around: &'a dyn Surroundings,
        forks: &'f mut Forks,
        conditional: bool,
        traced: bool,
    ) -> Self {
        Self {
            site,
            namespace: site.namespace,
            around,
            forks,
            conntrack,
            steps: Vec::with_capacity(if traced { STEPS } else { 0 }),
            blockers: Vec::new(),
            conditional,
            traced,
            stages: 0,
            said: Said::default(),
            origin: None,
            answer: None,
            errno: None,
            via_bridge: None,
            is_answer: false,
        }
    }

    /// A walker for an answer that is sent now.
    pub fn for_answer(&mut self) -> Walker<'a, '_> {
        let mut walker = Walker::new(self.site, self.conntrack, self.around, self.forks, false, self.traced);
        walker.is_answer = true;
        walker
    }

    /// Whether something stopped the packet before, here or elsewhere.
    pub fn is_blocked(&self) -> bool {
        self.conditional
    }

    fn is_port(&self, device: IfIndex) -> bool {
        self.namespace.link(device).is_some_and(|link| link.controller.is_some())
    }

    pub fn finish(self, ending: Ending) -> Outcome {
        let via_bridge = match &ending {
            Ending::Sent { device, .. } => self.via_bridge.filter(|_| self.is_port(*device)),
            _ => None,
        };
        Outcome {
            origin: self.origin,
            steps: self.steps,
            blockers: self.blockers,
            ending,
            answer: self.answer,
            errno: self.errno,
            via_bridge,
        }
    }

    /// Tells connection tracking what the caller said of the packet, once: of one in a tunnel when it comes out.
    pub fn assume(&mut self, skb: &mut Skb) {
        if skb.packet.encap.is_none()
            && let Some(assumed) = self.said.assumed.take()
        {
            skb.state.assume(assumed);
        }
    }

    /// Counts a stage; an error once the packet passed too many.
    pub fn enter(&mut self, skb: &Skb, device: Option<IfIndex>) -> Result<(), Ending> {
        self.stages += 1;
        if self.stages <= MAX_STAGES {
            return Ok(());
        }
        let evidence = Evidence::new("missing", format!("{MAX_STAGES} stages passed"));
        Err(self.stop(Stage::Routing, device, &skb.packet, Stop::Loop, evidence))
    }

    /// Whether the packet has passed no other stage yet.
    pub fn is_first_stage(&self) -> bool {
        self.stages == 1
    }

    /// Records a step that changes nothing. `tell` gives decision and evidence, and is asked only if somebody reads the trace.
    pub fn pass(
        &mut self,
        stage: Stage,
        device: Option<IfIndex>,
        packet: &Packet,
        tell: impl FnOnce(&Self) -> (String, Evidence),
    ) {
        if self.traced {
            let (decision, by) = tell(self);
            self.step(stage, device, packet.clone(), Some(packet.clone()), decision, by);
        }
    }

    /// Records a step that turns `before` into `after`.
    pub fn change(
        &mut self,
        stage: Stage,
        device: Option<IfIndex>,
        (before, after): (Packet, Packet),
        tell: impl FnOnce(&Self) -> (String, Evidence),
    ) {
        if self.traced {
            let (decision, by) = tell(self);
            self.step(stage, device, before, Some(after), decision, by);
        }
    }

    /// Records what stops the packet, for good.
    pub fn stop(
        &mut self,
        stage: Stage,
        device: Option<IfIndex>,
        packet: &Packet,
        stop: Stop,
        evidence: Evidence,
    ) -> Ending {
        self.block(stage, device, packet, stop, evidence);
        Ending::Stopped
    }

    /// Records what stops the packet, and goes on as if it had not.
    pub fn block(&mut self, stage: Stage, device: Option<IfIndex>, packet: &Packet, stop: Stop, evidence: Evidence) {
        let place = self.place(stage, device);
        self.steps.push(Step {
            place: place.clone(),
            before: packet.clone(),
            after: None,
            decision: stop.describe(),
            by: evidence.clone(),
            conditional: self.conditional,
            blocked: true,
        });
        self.blockers.push(Blocker {
            place,
            device,
            packet: packet.clone(),
            stop,
            evidence,
            conditional: self.conditional,
        });
        self.conditional = true;
    }

    /// Something that is not modelled ends the walk.
    pub fn unknown(&self, what: impl Into<String>, why: impl Into<String>) -> Ending {
        let what = format!("{} on {} {}", what.into(), self.site.node, self.site.label);
        Ending::Unknown(Unseen { what, why: why.into(), matters: true })
    }

    /// Passes a netfilter hook. Blockers are recorded and the packet goes on as if accepted.
    /// Says by which mark and TOS the packet has to be routed anew (OUTPUT only).
    pub fn hook(&mut self, hook: Hook, devices: Devices, skb: &mut Skb) -> Option<(Mark, u8)> {
        let passed = self.run_hook(hook, devices, skb);
        let device = devices.output.or(devices.input);
        let reroute = passed.0.rerouted_by;
        self.record(Layer::Ip(hook), device, skb, passed);
        reroute
    }

    /// Passes a netfilter hook with a copy that nobody follows: only what it leaves behind counts. Whether it passed.
    pub fn copy_hook(&mut self, hook: Hook, devices: Devices, copy: &mut Skb) -> bool {
        self.run_hook(hook, devices, copy).0.blockers.is_empty()
    }

    fn run_hook(&mut self, hook: Hook, devices: Devices, skb: &mut Skb) -> (HookResult, Vec<Event>) {
        let namespace = self.namespace;
        let link = |index: Option<IfIndex>| index.and_then(|index| namespace.link(index));
        let point = HookPoint {
            hook,
            in_device: link(devices.input),
            out_device: link(devices.output),
            in_port: link(devices.in_port),
            out_port: link(devices.out_port),
        };
        skb.state.untraced = !self.traced;
        let (packet, state) = (&mut skb.packet, &mut skb.state);
        namespace.netfilter().pass_ip(&point, packet, state, self.conntrack, namespace, self.forks)
    }

    /// Passes the hook of a device (`nf_ingress`, `nf_hook_egress`).
    pub fn device_hook(&mut self, hook: DeviceHook, device: &Link, skb: &mut Skb) {
        let namespace = self.namespace;
        if !namespace.netfilter().has_device_chains(hook, &device.name) {
            return;
        }
        let mac = |mac| Some(mac).filter(|_| device.mac.is_some());
        let point = DevicePoint { hook, device, src_mac: mac(skb.src_mac), dst_mac: mac(skb.dst_mac) };
        skb.state.untraced = !self.traced;
        let (packet, state) = (&mut skb.packet, &mut skb.state);
        let passed = namespace.netfilter().pass_device(&point, packet, state, self.conntrack, namespace, self.forks);
        self.record(Layer::Device(hook), Some(device.index), skb, passed);
    }

    /// Passes a hook of a bridge: all chains of its own family.
    pub fn bridge_hook(&mut self, hook: Hook, bridge: &Link, ports: (Option<&Link>, Option<&Link>), skb: &mut Skb) {
        self.bridge_hook_part(hook, BridgePart::All, bridge, ports, skb);
    }

    /// Passes some chains of a hook of a bridge.
    pub fn bridge_hook_part(
        &mut self,
        hook: Hook,
        part: BridgePart,
        bridge: &Link,
        ports: (Option<&Link>, Option<&Link>),
        skb: &mut Skb,
    ) {
        let namespace = self.namespace;
        if !namespace.netfilter().has_bridge_chains() {
            return;
        }
        let (in_port, out_port) = ports;
        let point = BridgePoint { hook, part, bridge, in_port, out_port, src_mac: skb.src_mac, dst_mac: skb.dst_mac };
        skb.state.untraced = !self.traced;
        let (packet, state) = (&mut skb.packet, &mut skb.state);
        let passed = namespace.netfilter().pass_bridge(&point, packet, state, self.conntrack, namespace, self.forks);
        self.record(Layer::Bridge(in_port), Some(bridge.index), skb, passed);
    }

    /// Takes down what a hook did.
    fn record(
        &mut self,
        layer: Layer<'_>,
        device: Option<IfIndex>,
        skb: &Skb,
        (result, events): (HookResult, Vec<Event>),
    ) {
        let stage = layer.stage();
        for event in events {
            self.event(stage, device, event);
        }
        if result.blockers.is_empty() {
            return;
        }
        // Rules behind the first blocker may have changed the packet since.
        let mut met = result.stopped.as_ref().map(|stopped| stopped.packet.clone());
        if let (Some(first), Some(stopped)) = (result.blockers.first(), result.stopped) {
            self.refuse(layer, device, skb, first.verdict, *stopped);
        }
        for blocker in result.blockers {
            let evidence = blocker.by.evidence();
            let packet = met.take().unwrap_or_else(|| skb.packet.clone());
            self.block(stage, device, &packet, Stop::Netfilter(Box::new(blocker)), evidence);
        }
    }

    /// What the first blocker of a hook makes the kernel say, to the sender and to its peer.
    fn refuse(
        &mut self,
        layer: Layer<'_>,
        device: Option<IfIndex>,
        skb: &Skb,
        verdict: NfVerdict,
        Stopped { packet, tracking, confirmed, rerouted }: Stopped,
    ) {
        if let NfVerdict::Reject(with) = verdict {
            let flow = match tracking {
                Tracking::Tracked { id, .. } if !confirmed => Some(id),
                _ => None,
            };
            // Going on as if allowed may have made the flow known since; the answer leaves before that.
            let known = flow.is_some_and(|flow| self.conntrack.set_confirmed(flow, false));
            let mut met = Skb { packet, state: PacketState::default(), ..*skb };
            met.state.tracking = tracking;
            if let Some(by) = rerouted {
                met.route = self.route_kind(&met.packet, by, skb.state.sender.uid);
            }
            // Before routing REJECT looks for a route itself (`nf_reject_fill_skb_dst`).
            met.route.get_or_insert(RouteKind::Unicast);
            match layer {
                Layer::Ip(_) => self.reject(&met, with),
                Layer::Device(_) => self.reject_there(&met, with, device),
                Layer::Bridge(port) => self.reject_there(&met, with, port.map(|port| port.index)),
            }
            if let (true, Some(flow)) = (known, flow) {
                self.conntrack.set_confirmed(flow, true);
            }
        }
        if matches!(layer, Layer::Ip(Hook::Output | Hook::Postrouting)) {
            self.fail(skb, Errno::Eperm);
        }
    }

    /// Kind of the route that a packet of this host's own would get now (`ip_route_me_harder`, net/ipv4/netfilter.c).
    fn route_kind(&self, packet: &Packet, (mark, tos): (Mark, u8), uid: Option<u32>) -> Option<RouteKind> {
        let flow = Flow { mark, tos, uid, ..Flow::of(packet) };
        match self.namespace.fib().lookup(&flow, &mut Forks::first()) {
            Lookup::Found(found) => Some(found.kind()),
            _ => None,
        }
    }

    fn event(&mut self, stage: Stage, device: Option<IfIndex>, event: Event) {
        let told = (event.describe(), self.namespace.netfilter().evidence(&event));
        self.change(stage, device, (event.before, event.after), |_| told);
    }

    fn step(
        &mut self,
        stage: Stage,
        device: Option<IfIndex>,
        before: Packet,
        after: Option<Packet>,
        decision: String,
        by: Evidence,
    ) {
        let place = self.place(stage, device);
        self.steps.push(Step { place, before, after, decision, by, conditional: self.conditional, blocked: false });
    }

    fn place(&self, stage: Stage, device: Option<IfIndex>) -> Place {
        Place {
            node: self.site.node.clone(),
            namespace: self.site.label.to_owned(),
            device: device.map(|device| self.namespace.device_name(device)).unwrap_or_default(),
            stage,
        }
    }

    /// A device as evidence: what [`link_evidence`] says, made beforehand, because most packets meet two.
    pub fn link_evidence(&self, link: &Link) -> Evidence {
        self.namespace.link_text(link).map_or_else(|| link_evidence(link), |text| Evidence::new("link", text))
    }

    /// A route as evidence.
    pub fn route_evidence(&self, route: &Route) -> Evidence {
        Evidence::new("route", route_text(self.namespace, route))
    }
}

/// The route as `ip route` prints it.
pub(crate) fn route_text(namespace: &Namespace, route: &Route) -> String {
    route.to_text(|index| namespace.link(index).map(|link| link.name.as_str()))
}

/// A device as evidence.
pub(super) fn link_evidence(link: &Link) -> Evidence {
    Evidence::new("link", link_text(link))
}

/// Whose hook it is.
#[derive(Debug, Clone, Copy)]
enum Layer<'a> {
    Ip(Hook),
    Device(DeviceHook),
    /// With the port that the frame came in by.
    Bridge(Option<&'a Link>),
}

impl Layer<'_> {
    fn stage(self) -> Stage {
        match self {
            Self::Ip(hook) => stage_of(hook),
            Self::Device(DeviceHook::Ingress) => Stage::Ingress,
            Self::Device(DeviceHook::Egress) => Stage::Egress,
            Self::Bridge(_) => Stage::Bridge,
        }
    }
}

fn stage_of(hook: Hook) -> Stage {
    match hook {
        Hook::Prerouting => Stage::Prerouting,
        Hook::Input => Stage::Input,
        Hook::Forward => Stage::Forward,
        Hook::Output => Stage::Output,
        Hook::Postrouting => Stage::Postrouting,
    }
}
