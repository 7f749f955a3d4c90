//! `conntrack` and `state` (`net/netfilter/xt_conntrack.c`): what connection tracking says of the packet.

use skoop_model::{Family, Port, PortRange, Protocol};

use super::Matcher;
use crate::Tri;
use crate::conntrack::{Connection, Direction, Info, Tracking, Tuple, TupleKey};
use crate::netfilter::args::{Arg, Args, ports};
use crate::netfilter::common::{Net, bits};
use crate::netfilter::run::Run;

/// States by name, with bits of our own.
const STATES: [(&str, u8); 7] = [
    ("INVALID", INVALID),
    ("NEW", NEW),
    ("ESTABLISHED", ESTABLISHED),
    ("RELATED", RELATED),
    ("UNTRACKED", UNTRACKED),
    ("SNAT", SNAT),
    ("DNAT", DNAT),
];
const INVALID: u8 = 1;
const NEW: u8 = 1 << 1;
const ESTABLISHED: u8 = 1 << 2;
const RELATED: u8 = 1 << 3;
const UNTRACKED: u8 = 1 << 4;
const SNAT: u8 = 1 << 5;
const DNAT: u8 = 1 << 6;

/// `--ctstatus` by name; NONE is no bit and never matches.
const STATUSES: [(&str, u8); 5] =
    [("NONE", 0), ("EXPECTED", 1), ("SEEN_REPLY", SEEN_REPLY), ("ASSURED", ASSURED), ("CONFIRMED", CONFIRMED)];
const SEEN_REPLY: u8 = 1 << 1;
const ASSURED: u8 = 1 << 2;
const CONFIRMED: u8 = 1 << 3;

#[derive(Debug, Default)]
pub(crate) struct Conntrack {
    states: Option<(u8, bool)>,
    /// The other tests, few of which a rule has.
    tests: Vec<(Test, bool)>,
}

#[derive(Debug, Clone, Copy)]
enum Test {
    Direction(Direction),
    Protocol(Protocol),
    OriginalSource(Net),
    OriginalDestination(Net),
    ReplySource(Net),
    ReplyDestination(Net),
    OriginalSourcePort(PortRange),
    OriginalDestinationPort(PortRange),
    ReplySourcePort(PortRange),
    ReplyDestinationPort(PortRange),
    Status(u8),
    /// How long the flow still has to live is not modelled.
    Expiry,
}

impl Matcher for Conntrack {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        let family = args.family;
        for arg in args {
            match arg.name {
                "--ctstate" | "--state" => parsed.states = Some((named(&STATES, &arg)?, arg.negated)),
                _ => parsed.tests.push((test(&arg, family)?, arg.negated)),
            }
        }
        Some(parsed)
    }

    fn doubt(&self) -> Option<String> {
        let expiry = self.tests.iter().any(|(test, _)| matches!(test, Test::Expiry));
        Some(if expiry {
            "match `conntrack`: how long the flow still has to live is not known".to_owned()
        } else {
            "match `conntrack`: what the table says of the flow is not known".to_owned()
        })
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let flow = run.conntrack.of_packet(run.state);
        if let Some((wanted, negated)) = self.states
            && (state_bits(run.state.tracking, flow) & wanted != 0) == negated
        {
            return Tri::No;
        }
        // "if (ct == NULL) return info->match_flags & XT_CONNTRACK_STATE"
        let Some((connection, _, direction)) = flow else {
            return self.states.is_some().into();
        };
        let tests = self.tests.iter();
        tests.fold(Tri::Yes, |all, (test, negated)| all.and(test.eval(connection, direction).invert_if(*negated)))
    }
}

fn named(names: &[(&str, u8)], arg: &Arg<'_>) -> Option<u8> {
    let bit = |name: &str| names.iter().find(|(known, _)| *known == name).map(|(_, bit)| *bit);
    arg.value()?.split(',').try_fold(0, |all, name| Some(all | bit(name)?))
}

fn test(arg: &Arg<'_>, family: Family) -> Option<Test> {
    let net = || Net::parse(arg.value()?, family);
    let range = || ports(arg.value()?, ':');
    Some(match arg.name {
        "--ctdir" => Test::Direction(match arg.value()? {
            "ORIGINAL" => Direction::Original,
            "REPLY" => Direction::Reply,
            _ => return None,
        }),
        "--ctproto" => Test::Protocol(arg.parsed()?),
        "--ctorigsrc" => Test::OriginalSource(net()?),
        "--ctorigdst" => Test::OriginalDestination(net()?),
        "--ctreplsrc" => Test::ReplySource(net()?),
        "--ctrepldst" => Test::ReplyDestination(net()?),
        "--ctorigsrcport" => Test::OriginalSourcePort(range()?),
        "--ctorigdstport" => Test::OriginalDestinationPort(range()?),
        "--ctreplsrcport" => Test::ReplySourcePort(range()?),
        "--ctrepldstport" => Test::ReplyDestinationPort(range()?),
        "--ctstatus" => Test::Status(named(&STATUSES, arg)?),
        "--ctexpire" => {
            arg.value()?;
            Test::Expiry
        }
        _ => return None,
    })
}

fn state_bits(tracking: Tracking, flow: Option<(&Connection, Info, Direction)>) -> u8 {
    let Some((connection, info, _)) = flow else {
        return if tracking == Tracking::Untracked { UNTRACKED } else { INVALID };
    };
    let state = match info {
        Info::New => NEW,
        Info::Established => ESTABLISHED,
        Info::Related => RELATED,
    };
    let source = if connection.source.active { SNAT } else { 0 };
    let destination = if connection.destination.active { DNAT } else { 0 };
    state | source | destination
}

impl Test {
    fn eval(self, connection: &Connection, direction: Direction) -> Tri {
        let address = |net: Net, address| (bits(address) & net.mask == net.address).into();
        let port = |range: PortRange, port: Option<u16>| range.contains(Port(port.unwrap_or(0))).into();
        let (original, reply): (&Tuple, &Tuple) = (&connection.original, &connection.reply);
        match self {
            Self::Direction(wanted) => (direction == wanted).into(),
            Self::Protocol(protocol) => (original.protocol == protocol).into(),
            Self::OriginalSource(net) => address(net, original.src),
            Self::OriginalDestination(net) => address(net, original.dst),
            Self::ReplySource(net) => address(net, reply.src),
            Self::ReplyDestination(net) => address(net, reply.dst),
            Self::OriginalSourcePort(range) => port(range, original.sport()),
            Self::OriginalDestinationPort(range) => port(range, destination_port(original)),
            Self::ReplySourcePort(range) => port(range, reply.sport()),
            Self::ReplyDestinationPort(range) => port(range, destination_port(reply)),
            Self::Status(wanted) => status(connection, wanted),
            Self::Expiry => Tri::Maybe,
        }
    }
}

/// `tuple->dst.u.all`: type and code stand for the port of ICMP.
fn destination_port(tuple: &Tuple) -> Option<u16> {
    match tuple.key {
        TupleKey::Icmp { kind, code, .. } => Some(u16::from_be_bytes([kind, code])),
        _ => tuple.dport(),
    }
}

fn status(connection: &Connection, wanted: u8) -> Tri {
    let confirmed = wanted & CONFIRMED != 0 && connection.confirmed;
    let replied = wanted & SEEN_REPLY != 0 && connection.seen_reply;
    let assured = if wanted & ASSURED != 0 { connection.assured } else { Tri::No };
    Tri::from(confirmed || replied).or(assured)
}
