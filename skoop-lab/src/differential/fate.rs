//! What became of a packet, as far as both the kernel and the simulator show it.

use std::fmt;
use std::net::IpAddr;

use super::headers::{Body, Headers};
use super::lab::Seen;
use super::shape::Shape;

/// A packet on a wire outside the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrived {
    pub wire: usize,
    pub src_mac: [u8; 6],
    pub dst_mac: [u8; 6],
    pub headers: Headers,
}

/// What went back to the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Type and code; none for a TCP reset.
    pub icmp: Option<(u8, u8)>,
    pub sender: IpAddr,
    pub to: IpAddr,
}

impl Answer {
    fn local(error: &Headers) -> Option<Self> {
        let Body::Icmp { kind, code, .. } = error.body else { return None };
        Some(Self { icmp: Some((kind, code)), sender: error.src, to: error.dst })
    }
}

/// What goes back, as far as the simulator says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Back {
    /// Nothing.
    Nothing,
    /// This.
    This(Answer),
    /// This, unless the kernel's own limit on errors of routing is used up (`ip_error`, net/ipv4/route.c), which no namespace can lift.
    Limited(Answer),
    /// An error of this type and code, or a reset (none), unless something stops it.
    Perhaps(Option<(u8, u8)>),
    /// It is not said.
    Unsaid,
}

impl Back {
    fn fits(&self, kernel: Option<&Answer>) -> bool {
        match (self, kernel) {
            (Self::Unsaid, _) | (Self::Nothing | Self::Perhaps(_) | Self::Limited(_), None) => true,
            (Self::This(_), None) | (Self::Nothing, Some(_)) => false,
            (Self::Perhaps(icmp), Some(answer)) => *icmp == answer.icmp,
            // A raw IPv6 socket does not tell to whom.
            (Self::This(expected) | Self::Limited(expected), Some(answer)) => {
                (expected.icmp, expected.sender) == (answer.icmp, answer.sender)
                    && (answer.to.is_unspecified() || expected.to == answer.to)
            }
        }
    }
}

impl fmt::Display for Back {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing back"),
            Self::This(answer) | Self::Limited(answer) => write!(f, "{answer}"),
            Self::Perhaps(Some((kind, code))) => write!(f, "perhaps icmp {kind}/{code}"),
            Self::Perhaps(None) => f.write_str("perhaps a reset"),
            Self::Unsaid => f.write_str("what goes back is not said"),
        }
    }
}

/// What the kernel did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It left the node; by several wires if it was copied.
    Sent(Vec<Arrived>),
    /// Sockets of the node got it. `None`: the destination, which IPv6 sockets do not tell.
    /// `also`: where it left besides, as a broadcast of the node does.
    Delivered { headers: Headers, answer: Option<Answer>, also: Vec<Arrived> },
    /// It went nowhere; what the system call said, if a process of the node sent it.
    Dropped { errno: Option<i32> },
    /// It went nowhere, and an error or reset came back.
    Rejected(Answer),
}

impl Fate {
    /// The name of the verdict.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sent(_) => "forwarded",
            Self::Delivered { .. } => "delivered",
            Self::Dropped { .. } => "dropped",
            Self::Rejected(_) => "rejected",
        }
    }

    /// Where it arrived, if at one place outside.
    pub fn arrived(&self) -> Option<&Arrived> {
        match self {
            Self::Sent(places) => places.first(),
            _ => None,
        }
    }

    /// Reads what was seen of what became of `sent`.
    pub fn of(seen: &Seen, sent: &Headers) -> Self {
        let answer = seen.answers.first().map(|out| Answer {
            icmp: match out.packet.headers.body {
                Body::Icmp { kind, code, .. } => Some((kind, code)),
                _ => None,
            },
            sender: out.packet.headers.src,
            to: out.packet.headers.dst,
        });
        // An error about a packet of the node's own reaches the node itself.
        let (own, errors): (Vec<_>, Vec<_>) =
            seen.delivered.iter().partition(|one| one.headers.is_error() == sent.is_error());
        let answer = answer.or_else(|| errors.first().and_then(|error| Answer::local(&error.headers)));
        let arrived = |out: &super::lab::Out| Arrived {
            wire: out.wire,
            src_mac: out.src_mac,
            dst_mac: out.dst_mac,
            headers: out.packet.headers.clone(),
        };
        let places: Vec<Arrived> = seen.out.iter().map(arrived).collect();
        if let Some(delivered) = own.first() {
            return Self::Delivered { headers: delivered.headers.clone(), answer, also: places };
        }
        if !places.is_empty() {
            return Self::Sent(places);
        }
        answer.map_or(Self::Dropped { errno: seen.refused }, Self::Rejected)
    }
}

/// What the simulator expects, on one way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expected {
    pub fate: Way,
    /// For people: what decided.
    pub why: String,
    /// What the system call of a sender says.
    pub errno: Option<&'static str>,
}

/// Numbers of errors (`include/uapi/asm-generic/errno-base.h`, errno.h) with their names.
const ERRNOS: [(i32, &str); 7] = [
    (1, "EPERM"),
    (13, "EACCES"),
    (22, "EINVAL"),
    (90, "EMSGSIZE"),
    (99, "EADDRNOTAVAIL"),
    (101, "ENETUNREACH"),
    (113, "EHOSTUNREACH"),
];

/// See [`Expected`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Way {
    /// It leaves. `random`: its source port or identifier is up to chance.
    Sent { arrived: Arrived, random: bool },
    /// It is delivered.
    Delivered { headers: Headers, random: bool, back: Back },
    /// It is stopped.
    Stopped { back: Back },
    /// It cannot be said.
    Unknown(String),
}

/// Which port or identifier was drawn at random before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Free {
    Nothing,
    /// The packet's own.
    Port,
    /// The one that it goes to, if it is not translated back, or that of the packet which it cites.
    Answered,
}

impl Expected {
    /// Whether the kernel did that.
    pub fn fits(&self, kernel: &Fate, free: Free) -> bool {
        let free_of = |random: bool| if random { Free::Port } else { free };
        match (&self.fate, kernel) {
            (Way::Sent { arrived, random }, Fate::Sent(places) | Fate::Delivered { also: places, .. }) => places
                .iter()
                .any(|place| same_place(arrived, place) && same(&arrived.headers, &place.headers, free_of(*random))),
            (Way::Delivered { headers, random, back }, Fate::Delivered { headers: real, answer, .. }) => {
                let mut wanted = headers.clone();
                if real.dst.is_unspecified() {
                    // What IPv6 sockets do not tell.
                    (wanted.dst, wanted.ttl, wanted.tos, wanted.cited) =
                        (real.dst, real.ttl, real.tos, real.cited.clone());
                }
                same(&wanted, real, free_of(*random)) && back.fits(answer.as_ref())
            }
            (Way::Stopped { back }, Fate::Dropped { errno }) => {
                let said = ERRNOS.iter().find(|(number, _)| Some(*number) == *errno).map(|(_, name)| *name);
                back.fits(None) && said == self.errno
            }
            (Way::Stopped { back }, Fate::Rejected(answer)) => back.fits(Some(answer)),
            _ => false,
        }
    }
}

fn same_place(one: &Arrived, other: &Arrived) -> bool {
    one.wire == other.wire && one.dst_mac == other.dst_mac
}

/// Compares what forwarding and rules may change.
fn same(expected: &Headers, real: &Headers, free: Free) -> bool {
    let mut expected = expected.clone();
    if free != Free::Nothing {
        match (&mut expected.body, &real.body) {
            (Body::Icmp { id, .. }, Body::Icmp { id: drawn, .. }) => *id = *drawn,
            (Body::Tcp { sport, .. }, Body::Tcp { sport: drawn, .. })
            | (Body::Udp { sport, .. }, Body::Udp { sport: drawn, .. })
            | (Body::Sctp { sport, .. }, Body::Sctp { sport: drawn, .. })
            | (Body::Dccp { sport, .. }, Body::Dccp { sport: drawn, .. }) => *sport = *drawn,
            _ => {}
        }
    }
    if free == Free::Answered {
        match (&mut expected.body, &real.body) {
            (Body::Icmp { id, .. }, Body::Icmp { id: drawn, .. }) => *id = *drawn,
            (Body::Tcp { dport, .. }, Body::Tcp { dport: drawn, .. })
            | (Body::Udp { dport, .. }, Body::Udp { dport: drawn, .. })
            | (Body::Sctp { dport, .. }, Body::Sctp { dport: drawn, .. }) => *dport = *drawn,
            _ => {}
        }
    }
    let cited = match (&expected.cited, &real.cited) {
        (Some(expected), Some(real)) => {
            (expected.src, expected.dst) == (real.src, real.dst)
                && (free == Free::Answered || plain(&expected.body) == plain(&real.body))
        }
        _ => true,
    };
    let key = |headers: &Headers| (headers.src, headers.dst, headers.protocol, headers.ttl, headers.tos);
    key(&expected) == key(real)
        && expected.options == real.options
        && plain(&expected.body) == plain(&real.body)
        && cited
}

/// Without what is not on the wire.
fn plain(body: &Body) -> Body {
    let mut body = body.clone();
    match &mut body {
        Body::Tcp { server, .. } => *server = false,
        Body::Sctp { chunk, .. } => *chunk = 0,
        _ => {}
    }
    body
}

impl Fate {
    /// For people.
    pub fn text(&self, shape: Shape) -> String {
        match self {
            Self::Sent(places) => places.iter().map(|place| place.text(shape)).collect::<Vec<_>>().join(" and "),
            Self::Delivered { headers, answer, also } => {
                let answer = answer.as_ref().map(|answer| format!(", answered {answer}")).unwrap_or_default();
                let also: Vec<_> = also.iter().map(|place| format!(", and {}", place.text(shape))).collect();
                format!("delivered {headers}{answer}{}", also.concat())
            }
            Self::Dropped { errno: None } => "dropped".to_owned(),
            Self::Dropped { errno: Some(errno) } => {
                let name = ERRNOS.iter().find(|(number, _)| number == errno).map_or("another error", |(_, name)| *name);
                format!("dropped, {name}")
            }
            Self::Rejected(answer) => format!("rejected {answer}"),
        }
    }
}

impl Arrived {
    fn text(&self, shape: Shape) -> String {
        let name = shape.wires().get(self.wire).map_or("?", |wire| wire.name);
        format!("sent by {name} to {}: {}", super::shape::text(self.dst_mac), self.headers)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.icmp {
            Some((kind, code)) => write!(f, "icmp {kind}/{code}")?,
            None => f.write_str("reset")?,
        }
        write!(f, " from {} to {}", self.sender, self.to)
    }
}

impl Expected {
    /// For people.
    pub fn text(&self, shape: Shape) -> String {
        let fate = match &self.fate {
            Way::Sent { arrived, random } => {
                format!("{}{}", arrived.text(shape), if *random { " (any port)" } else { "" })
            }
            Way::Delivered { headers, back, .. } => format!("delivered {headers}, {back}"),
            Way::Stopped { back } => match self.errno {
                Some(errno) => format!("stopped, {errno}, {back}"),
                None => format!("stopped, {back}"),
            },
            Way::Unknown(what) => format!("unknown: {what}"),
        };
        format!("{fate} [{}]", self.why)
    }
}
