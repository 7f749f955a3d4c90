//! Packets and their sequences.

use super::super::case::{Process, Step};
use super::super::headers::{Body, Headers, ICMP, ICMP6, PAYLOAD, SCTP, TCP, UDP};
use super::super::random::Random;
use super::super::shape::{BRIDGE, HOSTS, Shape, neighbour_mac, own_mac, v4, v6};
use super::{PORTS, Pool};
use std::net::IpAddr;

/// Flags of a first packet: mostly those of a handshake.
const FLAGS: [u8; 16] = [2, 2, 2, 2, 2, 2, 2, 0x10, 0x10, 0x12, 0x04, 0x01, 0x00, 0x03, 0x18, 0x14];

/// The packets of one flow. `number` keeps flows apart.
pub(super) fn flow(random: &mut Random, pool: &Pool, number: usize) -> Vec<Step> {
    let six = random.one_in(3);
    let number = u16::try_from(number).unwrap_or(0);
    let wire = random.below(pool.shape.wires().len());
    let network = pool.shape.network(wire);
    let local = random.one_in(6);
    let (src, src_mac) = source(random, pool, wire, network, six, local);
    let dst = destination(random, pool, network, six);
    let headers = packet(random, (src, dst), number);
    let first = if local {
        let process = Process {
            uid: *random.pick(&[0, 0, 1000]),
            gid: *random.pick(&[0, 0, 1000]),
            mark: *random.pick(&[0, 0, 0, 1, 4]),
        };
        Step::Local { process, headers: plain(headers) }
    } else {
        Step::Frame { wire, src_mac, dst_mac: target_mac(random, pool, wire, network, dst), headers }
    };
    sequence(random, first)
}

/// What a socket of the node sends.
fn plain(headers: Headers) -> Headers {
    let whole = headers.fragment.is_none_or(|(offset, _)| offset == 0);
    let (protocol, body) = if whole { (headers.protocol, headers.body) } else { (200, Body::Other) };
    Headers { ttl: 64, protocol, body, extensions: Vec::new(), fragment: None, ..headers }
}

fn source(random: &mut Random, pool: &Pool, wire: usize, network: u8, six: bool, local: bool) -> (IpAddr, [u8; 6]) {
    if local {
        return (Pool::own(pool.network(random), six), [0; 6]);
    }
    let host = if network == BRIDGE && pool.shape == Shape::Bridged {
        let behind: Vec<u8> = HOSTS.into_iter().filter(|host| pool.shape.port_of(*host) == Some(wire)).collect();
        *random.pick(&behind)
    } else {
        *random.pick(&HOSTS)
    };
    let own = if six { v6(network, host) } else { v4(network, host) };
    let number = pool.shape.wires().get(wire).map_or(0, |wire| wire.number);
    match random.below(12) {
        0..=7 => (own, neighbour_mac(own)),
        8 | 9 => (Pool::remote(random, network, six), own_mac(number)),
        10 => (pool.any(random, six), own_mac(number)),
        _ if random.one_in(3) && !six => {
            (*random.pick(&[[127, 0, 0, 1].into(), [0, 0, 0, 0].into(), [240, 1, 1, 1].into()]), own_mac(number))
        }
        _ => (own, neighbour_mac(own)),
    }
}

fn destination(random: &mut Random, pool: &Pool, network: u8, six: bool) -> IpAddr {
    // What a bridge copies to all its ports has no one fate.
    if random.one_in(40) && !six && network != BRIDGE {
        return *random.pick(&[
            [127, 0, 0, 1].into(),
            [224, 0, 0, 5].into(),
            [255, 255, 255, 255].into(),
            [10, 1, 0, 255].into(),
            [8, 8, 8, 8].into(),
        ]);
    }
    match random.below(12) {
        0 | 1 => Pool::own(network, six),
        2 | 3 => Pool::service(random, six),
        4 => Pool::host(random, network, six),
        _ => pool.any(random, six),
    }
}

/// Where the frame goes: to the node, but to the neighbour where it is on the same bridge.
fn target_mac(random: &mut Random, pool: &Pool, wire: usize, network: u8, dst: IpAddr) -> [u8; 6] {
    if let IpAddr::V4(dst) = dst {
        if dst.is_multicast() {
            let [_, b, c, d] = dst.octets();
            return [1, 0, 0x5e, b & 0x7f, c, d];
        }
        if dst.is_broadcast() || dst.octets() == [10, network, 0, 255] {
            return [0xff; 6];
        }
    }
    let on_link = HOSTS.iter().any(|host| dst == v4(network, *host) || dst == v6(network, *host));
    if network == BRIDGE && on_link && !random.one_in(4) {
        return neighbour_mac(dst);
    }
    pool.shape.device_mac(wire)
}

fn packet(random: &mut Random, (src, dst): (IpAddr, IpAddr), number: u16) -> Headers {
    let six = dst.is_ipv6();
    let (sport, dport) = (20_000 + number, *random.pick(&PORTS));
    let (protocol, body) = match random.below(18) {
        0..=5 => (TCP, Body::Tcp { sport, dport, flags: *random.pick(&FLAGS), server: false }),
        6..=10 => (UDP, Body::Udp { sport, dport }),
        11 | 12 if six => (ICMP6, Body::Icmp { kind: 128, code: 0, id: number }),
        13 if six => (ICMP6, Body::Icmp { kind: *random.pick(&[129, 128, 144]), code: 0, id: number }),
        11 | 12 => (ICMP, Body::Icmp { kind: 8, code: 0, id: number }),
        13 => (ICMP, Body::Icmp { kind: *random.pick(&[0, 13, 8, 17]), code: 0, id: number }),
        14 | 15 => (SCTP, Body::Sctp { sport, dport, chunk: 1 }),
        _ if six => (*random.pick(&[47, 50, 50, 50, 89, 200]), Body::Other),
        _ => (*random.pick(&[47, 50, 50, 51, 51, 51, 89, 200]), Body::Other),
    };
    let mut headers = Headers::new(src, dst, protocol, body);
    headers.ttl = *random.pick(&[64, 64, 64, 63, 128, 64, 1, 2]);
    headers.tos = *random.pick(&[0, 0, 0, 0x10, 0x08, 0x28, 0xb8]);
    headers.df = random.one_in(3);
    let sized = protocol != TCP && random.one_in(12);
    headers.payload = if sized { *random.pick(&[100, 1300, 1440, 1452, 1472]) } else { PAYLOAD };
    if matches!(headers.body, Body::Tcp { flags: 2, .. }) && !random.one_in(3) {
        // The largest segment, timestamps.
        headers.options =
            random.pick(&[&[2, 4, 5, 180][..], &[2, 4, 3, 232], &[8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1]]).to_vec();
    }
    if six && random.one_in(6) {
        headers.extensions = random.pick(&[&[0][..], &[60], &[43], &[43], &[0, 60], &[60, 43]]).to_vec();
    }
    if random.one_in(40) {
        headers.df = false;
        headers.fragment = Some(*random.pick(&[(0, true), (64, true), (64, false), (1024, false)]));
        if headers.fragment.is_some_and(|(offset, _)| offset != 0) {
            (headers.body, headers.options) = (Body::Other, Vec::new());
        }
        headers.payload =
            if matches!(headers.body, Body::Tcp { .. }) && headers.options.is_empty() { 12 } else { PAYLOAD };
    }
    headers
}

/// What follows the first packet.
fn sequence(random: &mut Random, first: Step) -> Vec<Step> {
    let again = follow_up(&first);
    let mut steps = vec![first];
    match random.below(8) {
        0 => {}
        1 => steps.push(Step::Error {
            about: 0,
            from_receiver: random.one_in(2),
            kind: 3,
            code: *random.pick(&[0, 1, 3, 4]),
        }),
        2 => {
            steps.push(Step::Answer { to: 0 });
            steps.push(Step::Error { about: 1, from_receiver: true, kind: 3, code: 1 });
        }
        3 => {
            steps.push(again.clone());
            steps.push(Step::Answer { to: 0 });
        }
        _ => {
            steps.push(Step::Answer { to: 0 });
            steps.push(again.clone());
            if random.one_in(3) {
                steps.push(Step::Error { about: 2, from_receiver: random.one_in(2), kind: 11, code: 0 });
            }
            if random.one_in(3) {
                steps.push(Step::Answer { to: 2 });
            }
        }
    }
    // Errors of IPv6 are numbered otherwise: destination unreachable is 1, time exceeded 3.
    let six = matches!(&steps[..], [Step::Frame { headers, .. } | Step::Local { headers, .. }, ..] if headers.v6());
    for step in &mut steps {
        if let (true, Step::Error { kind, code, .. }) = (six, step) {
            (*kind, *code) = if *kind == 11 {
                (3, 0)
            } else if *code == 4 {
                (2, 0)
            } else {
                (1, *code)
            };
        }
    }
    steps
}

/// The sender's next packet.
fn follow_up(first: &Step) -> Step {
    let mut next = first.clone();
    if let Step::Frame { headers, .. } | Step::Local { headers, .. } = &mut next
        && let Body::Tcp { flags, .. } = &mut headers.body
    {
        *flags = 0x10;
        headers.options.clear();
    }
    next
}
