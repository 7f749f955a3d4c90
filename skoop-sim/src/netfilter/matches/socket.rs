//! `socket` (`net/netfilter/xt_socket.c`): whether a socket of this host takes the packet.

use std::net::IpAddr;

use skoop_model::{Packet, Port, Protocol, Socket as Known, TcpFlags, Transport};

use super::Matcher;
use crate::conntrack::{Direction, Info};
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;
use crate::{Receiver, Tri};

#[derive(Debug, Default)]
pub(crate) struct Socket {
    transparent: bool,
    /// Sockets on any address count too.
    any_address: bool,
    restore_mark: bool,
}

impl Matcher for Socket {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        for arg in args {
            arg.plain()?;
            arg.flag()?;
            match arg.name {
                "--transparent" => parsed.transparent = true,
                "--nowildcard" => parsed.any_address = true,
                "--restore-skmark" => parsed.restore_mark = true,
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let Some(device) = run.at.in_device else { return Tri::Maybe };
        let packet = &*run.packet;
        match packet.transport {
            Transport::Tcp { .. } | Transport::Udp { .. } if packet.protocol != Protocol(136) => {}
            // An ICMP error is looked up by the packet that it cites.
            Transport::Icmp { .. } if packet.details.as_ref().is_some_and(|details| details.cited.is_some()) => {
                return Tri::Maybe;
            }
            _ => return Tri::No,
        }
        let seen = as_seen_by_sockets(run);
        match run.env.socket(&seen, device.index) {
            Some(Receiver::Found(socket)) => self.fits(&socket, packet),
            Some(Receiver::NoListener { .. }) if listener_decides(packet) => Tri::No,
            _ => Tri::Maybe,
        }
    }

    fn doubt(&self) -> Option<String> {
        let what = if self.transparent {
            "whether the socket is transparent is not collected"
        } else {
            "which sockets there are, connected ones included, is not known"
        };
        Some(format!("match `socket`: {what}"))
    }
}

impl Socket {
    fn fits(&self, socket: &Known, packet: &Packet) -> Tri {
        if !self.any_address && socket.address.is_unspecified() {
            // A connection of that listener has an address of its own.
            return if listener_decides(packet) { Tri::No } else { Tri::Maybe };
        }
        // The mark of the socket would become that of the packet.
        if self.transparent || self.restore_mark { Tri::Maybe } else { Tri::Yes }
    }
}

/// Whether no established connection can be meant: a connection begins, or the protocol has none. Connected UDP sockets are
/// among the collected ones.
fn listener_decides(packet: &Packet) -> bool {
    packet.tcp_flags().is_none_or(|flags| flags.contains(TcpFlags::SYN) && !flags.contains(TcpFlags::ACK))
}

/// Answers to a flow whose source was translated are for the socket behind (`nf_sk_lookup_slow_v4`).
fn as_seen_by_sockets(run: &Run<'_>) -> Packet {
    let mut packet = run.packet.clone();
    if let Some((connection, Info::Established, Direction::Reply)) = run.conntrack.of_packet(run.state)
        && connection.source.done
        && matches!(packet.dst, IpAddr::V4(_))
    {
        packet.dst = connection.original.src;
        if let Some(port) = connection.original.sport() {
            packet.set_dport(Port(port));
        }
    }
    packet
}
