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
    pub wire: Option<usize>,
}

/// What the kernel did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It left the node; by several wires if it was copied.
    Sent(Vec<Arrived>),
    /// Sockets of the node got it. `None`: the destination, which IPv6 sockets do not tell.
    Delivered { headers: Headers, answer: Option<Answer> },
    /// It went nowhere.
    Dropped,
    /// It went nowhere, and an error or reset came back.
    Rejected(Answer),
}

impl Fate {
    /// The name of the verdict.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sent(_) => "forwarded",
            Self::Delivered { .. } => "delivered",
            Self::Dropped => "dropped",
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

    /// Reads what was seen.
    pub fn of(seen: &Seen) -> Self {
        let answer = seen.answers.first().map(|out| Answer {
            icmp: match out.packet.headers.body {
                Body::Icmp { kind, code, .. } => Some((kind, code)),
                _ => None,
            },
            sender: out.packet.headers.src,
            to: out.packet.headers.dst,
            wire: Some(out.wire),
        });
        if let Some(delivered) = seen.delivered.first() {
            return Self::Delivered { headers: delivered.headers.clone(), answer };
        }
        if !seen.out.is_empty() {
            let arrived = |out: &super::lab::Out| Arrived {
                wire: out.wire,
                src_mac: out.src_mac,
                dst_mac: out.dst_mac,
                headers: out.packet.headers.clone(),
            };
            return Self::Sent(seen.out.iter().map(arrived).collect());
        }
        answer.map_or(Self::Dropped, Self::Rejected)
    }
}

/// What the simulator expects, on one way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expected {
    pub fate: Way,
    /// For people: what decided.
    pub why: String,
}

/// See [`Expected`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Way {
    /// It leaves. `random`: its source port or identifier is up to chance.
    Sent { arrived: Arrived, random: bool },
    /// It is delivered.
    Delivered { headers: Headers, random: bool },
    /// It is stopped by one of these at once: what goes back. None: nothing.
    Stopped { answers: Vec<Option<(u8, u8)>>, reset: bool },
    /// It cannot be said.
    Unknown(String),
}

impl Expected {
    /// Whether the kernel did that.
    pub fn fits(&self, kernel: &Fate, free_port: bool) -> bool {
        match (&self.fate, kernel) {
            (Way::Sent { arrived, random }, Fate::Sent(places)) => places.iter().any(|place| {
                same_place(arrived, place) && same(&arrived.headers, &place.headers, *random || free_port)
            }),
            (Way::Delivered { headers, random }, Fate::Delivered { headers: real, .. }) => {
                let mut wanted = headers.clone();
                if real.dst.is_unspecified() {
                    // What IPv6 sockets do not tell.
                    (wanted.dst, wanted.ttl, wanted.tos, wanted.cited) =
                        (real.dst, real.ttl, real.tos, real.cited.clone());
                }
                same(&wanted, real, *random || free_port)
            }
            (Way::Stopped { .. }, Fate::Dropped) => true,
            (Way::Stopped { answers, reset }, Fate::Rejected(answer)) => match answer.icmp {
                Some(icmp) => answers.contains(&Some(icmp)),
                None => *reset,
            },
            _ => false,
        }
    }
}

fn same_place(one: &Arrived, other: &Arrived) -> bool {
    one.wire == other.wire && one.dst_mac == other.dst_mac
}

/// Compares what forwarding and rules may change. `any`: the source port or identifier is up to chance.
fn same(expected: &Headers, real: &Headers, any: bool) -> bool {
    let mut expected = expected.clone();
    if any {
        match (&mut expected.body, &real.body) {
            (Body::Icmp { id, .. }, Body::Icmp { id: drawn, .. }) => *id = *drawn,
            (Body::Tcp { sport, .. }, Body::Tcp { sport: drawn, .. })
            | (Body::Udp { sport, .. }, Body::Udp { sport: drawn, .. })
            | (Body::Sctp { sport, .. }, Body::Sctp { sport: drawn, .. }) => *sport = *drawn,
            _ => {}
        }
    }
    let cited = match (&expected.cited, &real.cited) {
        (Some(expected), Some(real)) => {
            (expected.src, expected.dst, plain(&expected.body)) == (real.src, real.dst, plain(&real.body))
        }
        _ => true,
    };
    let key = |headers: &Headers| (headers.src, headers.dst, headers.protocol, headers.ttl, headers.tos);
    key(&expected) == key(real) && plain(&expected.body) == plain(&real.body) && cited
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
            Self::Delivered { headers, answer: None } => format!("delivered {headers}"),
            Self::Delivered { headers, answer: Some(answer) } => format!("delivered {headers}, answered {answer}"),
            Self::Dropped => "dropped".to_owned(),
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
            Way::Delivered { headers, .. } => format!("delivered {headers}"),
            Way::Stopped { answers, reset } => format!("stopped {answers:?}{}", if *reset { " reset" } else { "" }),
            Way::Unknown(what) => format!("unknown: {what}"),
        };
        format!("{fate} [{}]", self.why)
    }
}
