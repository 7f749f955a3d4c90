//! Asks the kernel and the simulator the same, and compares.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use serde_json::Value;
use skoop_model::{Family, Mark, NamespaceSnapshot, Packet, Port, Protocol, RouteKind, Transport};
use skoop_sim::{Fib, Flow, Forks, Lookup, SourceCheck, explore};

use super::generate::FlowText;
use super::lab::{Answer, Lab};

/// What became of a question.
#[derive(Debug, Clone, PartialEq)]
enum Fate {
    /// The kernel's word for the error.
    Error(&'static str),
    /// Delivered here.
    Here(String),
    /// Sent on: device, gateway, and the source chosen where one was to be chosen.
    Sent { device: String, gateway: Option<IpAddr>, src: Option<IpAddr> },
    /// The simulator does not know.
    Unknown,
}

const INVALID: &str = "Invalid argument";
const NO_HOST: &str = "No route to host";
const NO_NET: &str = "Network is unreachable";
const DENIED: &str = "Permission denied";

/// Compares every flow; the number compared, and the differences.
pub(crate) fn compare(lab: &Lab, flows: &[FlowText]) -> (usize, Vec<String>) {
    let (snapshot, flows, answers, matches) = ask_settled(lab, flows);
    let words: Vec<String> = flows.iter().map(|flow| flow.words()).collect();
    let fib = Fib::new(&snapshot);
    let mut differences = Vec::new();
    for (((flow, words), answer), matched) in flows.iter().zip(&words).zip(&answers).zip(&matches) {
        let (ways, _) = explore(64, |forks| fates(&fib, &snapshot, flow, forks));
        let kernel = kernel_fate(answer, flow);
        if !ways.iter().any(|way| way.value.contains(&kernel) || way.value.contains(&Fate::Unknown)) {
            let ours: Vec<_> = ways.iter().map(|way| &way.value).collect();
            differences.push(format!("get {words}\n  kernel {kernel:?}\n  ours   {ours:?}"));
        }
        if let Some(difference) = route_difference(&fib, &snapshot, flow, matched, &kernel) {
            differences.push(format!("get fibmatch {words}\n  {difference}"));
        }
    }
    (flows.len(), differences)
}

/// Asks until the state is the same before and after: the kernel adds IPv6 addresses to the local table some time
/// later.
fn ask_settled<'a>(
    lab: &Lab,
    flows: &'a [FlowText],
) -> (NamespaceSnapshot, Vec<&'a FlowText>, Vec<Answer>, Vec<Answer>) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut before = lab.snapshot();
    loop {
        let flows: Vec<&FlowText> = flows.iter().filter(|flow| is_askable(flow, &before)).collect();
        let ask = |extra: &str| {
            let lines: Vec<String> = flows.iter().map(|flow| format!("route get {extra}{}", flow.words())).collect();
            lab.ask(&[], &lines)
        };
        let (answers, matches) = (ask(""), ask("fibmatch "));
        let after = lab.snapshot();
        if before.routes.value() == after.routes.value() && before.addresses.value() == after.addresses.value() {
            return (after, flows, answers, matches);
        }
        assert!(Instant::now() < deadline, "routes or addresses keep changing");
        before = after;
    }
}

/// How often the first of two next hops is taken.
pub(crate) fn share_of_first_hop(lab: &Lab, gateway: &str, count: u16) -> f64 {
    let questions: Vec<String> =
        (0..count).map(|number| format!("route get 172.16.0.1 ipproto tcp sport {} dport 80", 1024 + number)).collect();
    let gateway: IpAddr = gateway.parse().expect("an address");
    let answers = lab.ask(&[], &questions);
    let first = answers.iter().filter(|answer| {
        let first = answer.as_ref().ok().and_then(|value| value.get(0)?.get("gateway")?.as_str()?.parse().ok());
        first == Some(gateway)
    });
    f64::from(u16::try_from(first.count()).expect("small")) / f64::from(count)
}

/// IPv4 refuses to send from an address that is not its own, before any lookup.
fn is_askable(flow: &FlowText, snapshot: &NamespaceSnapshot) -> bool {
    let Some(src) = flow.src.as_ref().filter(|_| !flow.v6 && flow.iif.is_none()) else { return true };
    snapshot.addresses.elements().iter().any(|address| address.ip().to_string() == *src)
}

fn kernel_fate(answer: &Answer, flow: &FlowText) -> Fate {
    let value = match answer {
        Ok(value) => value.get(0).expect("one answer"),
        Err(message) => {
            let known = [INVALID, NO_HOST, NO_NET, DENIED].into_iter().find(|word| message.contains(word));
            assert!(known.is_some(), "{message} for {}", flow.words());
            return Fate::Error(known.unwrap_or_default());
        }
    };
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    match text("type").unwrap_or("unicast") {
        "unicast" => Fate::Sent {
            device: text("dev").unwrap_or_default().to_owned(),
            gateway: text("gateway").map(|address| address.parse().expect("an address")),
            src: text("prefsrc").filter(|_| flow.iif.is_none()).map(|address| address.parse().expect("an address")),
        },
        kind => Fate::Here(kind.to_owned()),
    }
}

fn packet(flow: &FlowText) -> Packet {
    let (protocol, transport) = match flow.transport {
        Some((name, sport, dport)) => {
            let protocol: Protocol = name.parse().expect("a protocol");
            (protocol, Transport::Udp { sport: Port(sport), dport: Port(dport) })
        }
        // What the kernel fills in for IPv4.
        None if !flow.v6 => (Protocol::UDP, Transport::Other),
        None => (Protocol(0), Transport::Other),
    };
    let any = if flow.v6 { "::" } else { "0.0.0.0" };
    let [src, dst] = [flow.src.as_deref().unwrap_or(any), &flow.dst].map(|text| text.parse().expect("an address"));
    Packet { mark: Mark(flow.mark), tos: flow.tos, ..Packet::new(src, dst, protocol, transport, 60) }
}

fn question(flow: &FlowText, snapshot: &NamespaceSnapshot) -> Flow {
    let index = |name: Option<&str>| name.map(|name| snapshot.link_named(name).expect("a device").index);
    Flow { iif: index(flow.iif), oif: index(flow.oif), uid: Some(flow.uid), ..Flow::of(&packet(flow)) }
}

/// What may become of the question on one way: more than one where the kernel's order of checks is not told by its
/// answer.
fn fates(fib: &Fib, snapshot: &NamespaceSnapshot, flow: &FlowText, forks: &mut Forks) -> Vec<Fate> {
    let question = question(flow, snapshot);
    let Some(device) = question.iif.filter(|_| !flow.v6) else {
        return vec![fate(fib, snapshot, &question, &fib.lookup(&question, forks))];
    };
    let packet = packet(flow);
    if fib.martian(&packet, device).is_some() {
        return vec![Fate::Error(INVALID)];
    }
    let lookup = fib.lookup(&question, forks);
    let (out, local) = match &lookup {
        Lookup::Found(found) => (found.device(), found.is_local()),
        _ => (None, false),
    };
    let name = flow.iif.expect("it came in");
    let forwards = snapshot.sysctls.value().expect("sysctls").device(Family::V4, name, "forwarding") == Some(1);
    if !local && !forwards {
        return vec![Fate::Error(NO_HOST)];
    }
    if !matches!(lookup, Lookup::Found(_)) {
        return vec![fate(fib, snapshot, &question, &lookup)];
    }
    match fib.validate_source(&packet, device, out.filter(|_| !local), forks) {
        SourceCheck::Ok => vec![fate(fib, snapshot, &question, &lookup)],
        SourceCheck::Martian { .. } | SourceCheck::RpFilter { .. } => vec![Fate::Error(INVALID)],
        SourceCheck::Unknown(_) => vec![Fate::Unknown],
    }
}

fn fate(fib: &Fib, snapshot: &NamespaceSnapshot, question: &Flow, lookup: &Lookup<'_>) -> Fate {
    match lookup {
        Lookup::Found(found) if found.kind() == RouteKind::Unicast => {
            let device = found.device().and_then(|index| snapshot.link(index)).map(|link| link.name.clone());
            // The kernel's answer shows a source for IPv4 where it chose one, for IPv6 always.
            let chooses = question.iif.is_none() && (question.src.is_none() || question.family() == Family::V6);
            let open = Flow { src: None, ..question.clone() };
            let src = if chooses { fib.source_address(&open, found) } else { None };
            Fate::Sent { device: device.unwrap_or_default(), gateway: found.gateway(), src }
        }
        Lookup::Found(found) => Fate::Here(found.kind().name()),
        Lookup::Refused { kind: RouteKind::Blackhole, .. } => Fate::Error(INVALID),
        Lookup::Refused { kind: RouteKind::Prohibit, .. } => Fate::Error(DENIED),
        Lookup::Refused { route: Some(_), .. } => Fate::Error(NO_HOST),
        Lookup::Refused { route: None, .. } | Lookup::NoRoute { .. } => Fate::Error(NO_NET),
        Lookup::Unknown(_) => Fate::Unknown,
    }
}

/// Whether the route itself is another one than the kernel's.
fn route_difference(
    fib: &Fib,
    snapshot: &NamespaceSnapshot,
    flow: &FlowText,
    matched: &Answer,
    fate: &Fate,
) -> Option<String> {
    if matches!(fate, Fate::Error(_)) {
        return None;
    }
    let value = matched.as_ref().ok()?.get(0)?;
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    if flow.v6 && value.get("nhid").is_some() {
        // Routes of one nexthop object share a cached entry, and the answer names the route that was asked first.
        return None;
    }
    let kind = text("type").unwrap_or("unicast").to_owned();
    // Tables local and main are one until the first rule is added, and the kernel then calls both main.
    let is_one = kind != "unicast" && text("table").is_none();
    let kernel = (
        prefix(text("dst")?, flow.v6),
        kind,
        if is_one { "local" } else { text("table").unwrap_or("main") }.to_owned(),
        value.get("metric").and_then(Value::as_u64).unwrap_or(0),
    );
    let question = question(flow, snapshot);
    let (ways, _) = explore(64, |forks| match fib.lookup(&question, forks) {
        Lookup::Found(found) => {
            let route = found.route;
            Some((route.dst, route.kind.name(), route.table.name(), u64::from(route.metric)))
        }
        _ => None,
    });
    let fits = ways.iter().any(|way| way.value.as_ref().is_none_or(|ours| *ours == kernel));
    (!fits).then(|| format!("kernel {kernel:?}\n  ours   {:?}", ways.iter().map(|way| &way.value).collect::<Vec<_>>()))
}

fn prefix(text: &str, v6: bool) -> IpNet {
    let any = if v6 { "::/0" } else { "0.0.0.0/0" };
    match text {
        "default" => any.parse().expect("a prefix"),
        text => text.parse().unwrap_or_else(|_| IpNet::from(text.parse::<IpAddr>().expect("an address"))),
    }
}
