//! ICMP echo with "don't fragment", from a raw socket: a namespace that was just made lets nobody use ping sockets.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover};
use skoop_model::Protocol;
use socket2::{Domain, Socket, Type};

use super::{Attempt, PATIENCE, Probe};

/// Echo request and reply of RFC 792.
const V4: (u8, u8) = (8, 0);
/// Echo request and reply of RFC 4443.
const V6: (u8, u8) = (128, 129);

/// Sends all requests, each with an identifier of its own, and collects the replies. Runs in the sender's namespace.
pub(super) fn attempts(probe: &Probe, attempts: usize) -> Result<Vec<Attempt>> {
    let socket = open(probe).context("open a raw ICMP socket")?;
    let destination = SocketAddr::new(probe.address, 0).into();
    let (request, reply) = if probe.address.is_ipv4() { V4 } else { V6 };
    let mut outcomes = vec![Attempt::TimedOut; attempts];
    let mut open = BTreeSet::new();
    for (index, outcome) in outcomes.iter_mut().enumerate() {
        let identifier = u16::try_from(index + 1).unwrap_or(u16::MAX);
        match socket.send_to(&echo(request, identifier, &probe.payload(), probe.address.is_ipv4()), &destination) {
            Ok(_) => drop(open.insert(identifier)),
            Err(error) => *outcome = Attempt::of_error(&error),
        }
    }
    let deadline = Instant::now() + PATIENCE;
    let mut buffer = vec![0; 65_536];
    while !open.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        socket.set_read_timeout(Some(left)).context("wait for ICMP replies")?;
        let Ok(length) = (&socket).read(&mut buffer) else { continue };
        let received = buffer.get(..length).unwrap_or_default();
        if let Some(identifier) = identifier(received, reply, probe.address.is_ipv4())
            && open.remove(&identifier)
            && let Some(outcome) = outcomes.get_mut(usize::from(identifier) - 1)
        {
            *outcome = Attempt::Answered;
        }
    }
    Ok(outcomes)
}

fn open(probe: &Probe) -> std::io::Result<Socket> {
    if probe.address.is_ipv4() {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(i32::from(Protocol::ICMP.0).into()))?;
        set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DO)?;
        return Ok(socket);
    }
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(i32::from(Protocol::ICMPV6.0).into()))?;
    set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::DO)?;
    Ok(socket)
}

/// An echo message. The kernel fills in the checksum of `ICMPv6` only.
fn echo(kind: u8, identifier: u16, payload: &[u8], checksummed: bool) -> Vec<u8> {
    let header = |checksum: u16| {
        let ([a, b], [c, d]) = (checksum.to_be_bytes(), identifier.to_be_bytes());
        [kind, 0, a, b, c, d, 0, 1]
    };
    let message = [&header(0), payload].concat();
    if !checksummed {
        return message;
    }
    [&header(internet_checksum(&message)), payload].concat()
}

/// RFC 1071.
fn internet_checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| {
        let (high, low) = (pair.first().copied().unwrap_or_default(), pair.get(1).copied().unwrap_or_default());
        u64::from(u16::from_be_bytes([high, low]))
    });
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// The identifier of an echo reply; a raw IPv4 socket gives the IP header too.
fn identifier(received: &[u8], reply: u8, with_ip_header: bool) -> Option<u16> {
    let offset = if with_ip_header { usize::from(received.first()? & 0x0f) * 4 } else { 0 };
    let message = received.get(offset..)?;
    let identifier = u16::from_be_bytes([*message.get(4)?, *message.get(5)?]);
    (*message.first()? == reply).then_some(identifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksummed_message_sums_to_zero() {
        for payload in [&b""[..], b"s", b"skoop", &[0xff; 1472]] {
            assert_eq!(internet_checksum(&echo(8, 7, payload, true)), 0);
        }
    }

    #[test]
    fn replies_are_told_by_type_and_identifier() {
        let mut received = vec![0x45; 20];
        received.extend(echo(0, 7, b"s", true));
        assert_eq!(identifier(&received, 0, true), Some(7));
        assert_eq!(identifier(&received, 8, true), None);
        assert_eq!(identifier(received.get(..22).unwrap_or_default(), 0, true), None);
    }
}
