//! `srh` (`net/ipv6/netfilter/ip6t_srh.c`): the segment routing header of IPv6.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv6Addr};

use skoop_model::{Family, Protocol};

use super::Matcher;
use super::shared::{Header, extension, extension_length};
use crate::Tri;
use crate::netfilter::args::{Arg, Args, number};
use crate::netfilter::common::{Net, bits};
use crate::netfilter::run::Run;

const ROUTING: u8 = 43;
/// `IPV6_SRCRT_TYPE_4`.
const SEGMENT_ROUTING: u8 = 4;

#[derive(Debug, Default)]
pub(crate) struct Srh(Vec<(Test, bool)>);

#[derive(Debug, Clone, Copy)]
enum Test {
    NextHeader(u8),
    Length(Ordering, u32),
    SegmentsLeft(Ordering, u32),
    LastEntry(Ordering, u32),
    Tag(u32),
    PreviousSegment(Net),
    NextSegment(Net),
    LastSegment(Net),
}

impl Matcher for Srh {
    fn parse(args: Args<'_>) -> Option<Self> {
        args.map(|arg| Some((test(&arg)?, arg.negated))).collect::<Option<_>>().map(Self)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        match extension(run.packet, ROUTING) {
            Header::Absent => Tri::No,
            Header::Opaque => Tri::Maybe,
            Header::Known(bytes, next) => self.of_bytes(bytes, next).into(),
        }
    }
}

fn test(arg: &Arg<'_>) -> Option<Test> {
    let value = || number(arg.value()?);
    let net = || Net::parse(arg.value()?, Family::V6);
    Some(match arg.name {
        "--srh-next-hdr" => Test::NextHeader(arg.parsed::<Protocol>()?.0),
        "--srh-hdr-len-eq" => Test::Length(Ordering::Equal, value()?),
        "--srh-hdr-len-gt" => Test::Length(Ordering::Greater, value()?),
        "--srh-hdr-len-lt" => Test::Length(Ordering::Less, value()?),
        "--srh-segs-left-eq" => Test::SegmentsLeft(Ordering::Equal, value()?),
        "--srh-segs-left-gt" => Test::SegmentsLeft(Ordering::Greater, value()?),
        "--srh-segs-left-lt" => Test::SegmentsLeft(Ordering::Less, value()?),
        "--srh-last-entry-eq" => Test::LastEntry(Ordering::Equal, value()?),
        "--srh-last-entry-gt" => Test::LastEntry(Ordering::Greater, value()?),
        "--srh-last-entry-lt" => Test::LastEntry(Ordering::Less, value()?),
        "--srh-tag" => Test::Tag(value()?),
        "--srh-psid" => Test::PreviousSegment(net()?),
        "--srh-nsid" => Test::NextSegment(net()?),
        "--srh-lsid" => Test::LastSegment(net()?),
        _ => return None,
    })
}

impl Srh {
    fn of_bytes(&self, bytes: &[u8], next: u8) -> bool {
        let [_, words, kind, left, last, _, tag_high, tag_low, ..] = bytes else { return false };
        if extension_length(bytes).is_none() || *kind != SEGMENT_ROUTING || left > last {
            return false;
        }
        let segment = |place: Option<u8>| {
            let start = 8 + usize::from(place?) * 16;
            let octets = <[u8; 16]>::try_from(bytes.get(start..start + 16)?).ok()?;
            Some(IpAddr::from(Ipv6Addr::from(octets)))
        };
        let within = |net: Net, place| segment(place).map(|address| bits(address) & net.mask == net.address);
        self.0.iter().all(|(test, negated)| {
            let holds = match *test {
                Test::NextHeader(wanted) => Some(next == wanted),
                Test::Length(order, wanted) => Some(u32::from(*words).cmp(&wanted) == order),
                Test::SegmentsLeft(order, wanted) => Some(u32::from(*left).cmp(&wanted) == order),
                Test::LastEntry(order, wanted) => Some(u32::from(*last).cmp(&wanted) == order),
                Test::Tag(wanted) => Some(u32::from(u16::from_be_bytes([*tag_high, *tag_low])) == wanted),
                // "if (srh->segments_left == srh->first_segment) return false" and the like, inverted or not.
                Test::PreviousSegment(prefix) => {
                    left.checked_add(1).filter(|_| left != last).and_then(|place| within(prefix, Some(place)))
                }
                Test::NextSegment(prefix) => left.checked_sub(1).and_then(|place| within(prefix, Some(place))),
                Test::LastSegment(prefix) => within(prefix, Some(0)),
            };
            holds.is_some_and(|holds| holds != *negated)
        })
    }
}
