//! From steps to what is drawn: a stop for each device, each rewriting or blocking hook, and both sockets.

use skoop_model::{Branch, Stage, Step};

use crate::render::change::{ChangeKind, changes, endpoint};
use crate::render::clean;
use crate::render::view::segments;

/// What a stop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopKind {
    /// A network device.
    Device,
    /// A hook that rewrites or blocks.
    Gate,
    /// A socket.
    End,
}

/// How the packet fares at a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Passes.
    Passed,
    /// Ends here.
    Blocked,
    /// Would pass if an earlier blocker were gone.
    Later,
}

/// One place that the packet is drawn through.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    pub(super) kind: StopKind,
    pub(super) label: String,
    pub(super) state: State,
    /// Why it is blocked, in short lines.
    pub(super) why: Vec<String>,
    /// Headers changed, in short lines.
    pub(super) changed: Vec<String>,
    /// The packet is inside a tunnel on its way to this stop.
    pub(super) tunnelled: bool,
}

/// The stops within one namespace.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) node: String,
    /// Namespace; empty for the underlay.
    pub(super) namespace: String,
    pub(super) stops: Vec<Stop>,
}

/// Columns of a stop's label: an IPv6 address with its port fits.
const LABEL: usize = 48;
/// Columns of a frame's title.
const NAME: usize = 60;
/// Columns of a note's line.
const NOTE: usize = 24;
/// Lines that tell why a stop blocks.
const WHY_LINES: usize = 3;

/// The way of a branch, part by part; parts without a stop are left out.
pub(super) fn parts(branch: &Branch) -> Vec<Part> {
    let mut parts = Vec::new();
    for segment in segments(&branch.steps) {
        let underlay = segment.is_underlay();
        let mut stops: Vec<Stop> = Vec::new();
        if parts.is_empty() {
            stops.extend(segment.steps.first().and_then(|step| sender(step)));
        }
        for step in segment.steps {
            // An underlay that lets the packet through is the line between two nodes.
            if !underlay || step.blocked {
                add(&mut stops, step);
            }
        }
        if !stops.is_empty() {
            parts.push(Part {
                node: if underlay { String::new() } else { short(segment.place.node.as_str(), NAME) },
                namespace: if underlay { String::new() } else { short(&segment.place.namespace, NAME) },
                stops,
            });
        }
    }
    parts
}

fn add(stops: &mut Vec<Stop>, step: &Step) {
    let changed = changed_lines(step);
    let stage = step.place.stage;
    let device = step.place.device.as_str();
    let fresh = match stage {
        Stage::Socket | Stage::Delivery => Some((StopKind::End, socket_label(step))),
        _ if !device.is_empty() => {
            let known =
                stops.last().is_some_and(|stop| stop.kind == StopKind::Device && stop.label == short(device, LABEL));
            (!known).then(|| (StopKind::Device, device.to_owned()))
        }
        _ if step.blocked || !changed.is_empty() => Some((StopKind::Gate, stage.name().to_uppercase())),
        _ => None,
    };
    if let Some((kind, label)) = fresh {
        stops.push(Stop {
            kind,
            label: short(&label, LABEL),
            state: if step.conditional { State::Later } else { State::Passed },
            why: Vec::new(),
            changed: Vec::new(),
            tunnelled: step.before.encap.is_some(),
        });
    }
    let Some(current) = stops.last_mut() else { return };
    current.changed.extend(changed);
    if step.blocked {
        current.state = State::Blocked;
        let mut lines = clean::wrap(&clean::line(&step.decision), NOTE);
        if lines.len() > WHY_LINES {
            lines.truncate(WHY_LINES);
            if let Some(last) = lines.last_mut() {
                last.push('…');
            }
        }
        current.why.extend(lines.iter().map(|line| clean::cut(line, NOTE + 4).into_owned()));
    }
}

/// The sender, where the walk does not begin with its socket.
fn sender(first: &Step) -> Option<Stop> {
    let packet = &first.before;
    (first.place.stage != Stage::Socket).then(|| Stop {
        kind: StopKind::End,
        label: short(&endpoint(packet.src, packet.sport()), LABEL),
        state: State::Passed,
        why: Vec::new(),
        changed: Vec::new(),
        tunnelled: false,
    })
}

/// Plain, and not too long for its place.
fn short(text: &str, columns: usize) -> String {
    clean::cut(&clean::line(text), columns).into_owned()
}

fn socket_label(step: &Step) -> String {
    let packet = &step.before;
    let (address, port) = match step.place.stage {
        Stage::Socket => (packet.src, packet.sport()),
        _ => (packet.dst, packet.dport()),
    };
    endpoint(address, port)
}

/// The changes that the picture shows, in short lines.
fn changed_lines(step: &Step) -> Vec<String> {
    let Some(after) = &step.after else { return Vec::new() };
    changes(step)
        .iter()
        .filter_map(|change| match change.kind {
            ChangeKind::Dnat => Some(format!("DNAT → {}", endpoint(after.dst, after.dport()))),
            ChangeKind::Snat => Some(format!("SNAT ← {}", endpoint(after.src, after.sport()))),
            ChangeKind::Encap => Some(format!("VXLAN → {}", after.dst)),
            ChangeKind::Decap => Some("VXLAN unpacked".to_owned()),
            ChangeKind::Mark | ChangeKind::Minor => None,
        })
        .collect()
}
