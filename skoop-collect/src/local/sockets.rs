//! Sockets that receive: `sock_diag`, and procfs where the kernel would have to load a module for it.

use netlink_packet_core::{DecodeError, Parseable};
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, TCP_ESTABLISHED, TCP_LISTEN};
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use skoop_model::{Family, IfIndex, Mark, Port, Protocol, Reason, Socket, SocketState, Unavailable};

use super::modules::{Modules, Part, Presence};
use super::netlink::{Netlink, NetlinkError, emit, retain};
use super::proc_net;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// Length of `struct inet_diag_msg`.
const HEADER: usize = 72;
/// `INET_DIAG_SKV6ONLY`, `INET_DIAG_MARK`.
const ATTRIBUTES: [u16; 2] = [11, 15];

/// Listening TCP sockets and bound UDP sockets of both families.
pub(super) fn read(modules: &Modules) -> Result<Vec<Socket>, Unavailable> {
    let mut netlink = Netlink::open("open a sock_diag socket", NETLINK_SOCK_DIAG);
    let mut sockets = Vec::new();
    for (protocol, part) in [(Protocol::TCP, Part::TcpDiag), (Protocol::UDP, Part::UdpDiag)] {
        for family in Family::ALL {
            let asked = match &mut netlink {
                Ok(netlink) if modules.presence(part) == Presence::Askable => ask(netlink, protocol, family).ok(),
                _ => None,
            };
            match asked {
                Some(found) => sockets.extend(found),
                None => sockets.extend(from_procfs(protocol, family)?),
            }
        }
    }
    Ok(sockets)
}

fn ask(netlink: &mut Netlink, protocol: Protocol, family: Family) -> Result<Vec<Socket>, NetlinkError> {
    let request = InetRequest {
        family: if family == Family::V4 { AF_INET } else { AF_INET6 },
        protocol: protocol.0,
        extensions: ExtensionFlags::empty(),
        states: if protocol == Protocol::TCP { StateFlags::LISTEN } else { StateFlags::all() },
        socket_id: if family == Family::V4 { SocketId::new_v4() } else { SocketId::new_v6() },
    };
    netlink.dump("dump sockets", SOCK_DIAG_BY_FAMILY, &emit(&request), |kind, payload| {
        if kind == SOCK_DIAG_BY_FAMILY { parse(payload, protocol) } else { Ok(None) }
    })
}

fn parse(payload: &[u8], protocol: Protocol) -> Result<Option<Socket>, DecodeError> {
    let wanted = retain(payload, HEADER, |kind, value| ATTRIBUTES.contains(&kind).then(|| value.to_vec()));
    let InetResponse { header, nlas } = InetResponse::parse(wanted.as_slice())?;
    let id = header.socket_id;
    if id.source_port == 0 {
        return Ok(None);
    }
    let (mut v6only, mut mark) = (None, None);
    for nla in nlas {
        match nla {
            Nla::SkV6Only(on) => v6only = Some(on),
            Nla::Mark(value) => mark = Some(Mark(value)),
            _ => {}
        }
    }
    Ok(Some(Socket {
        protocol,
        address: id.source_address,
        port: Port(id.source_port),
        remote: (id.destination_port != 0).then_some((id.destination_address, Port(id.destination_port))),
        state: state(header.state),
        v6only,
        link: Some(IfIndex(id.interface_id)).filter(|index| index.0 != 0),
        uid: header.uid,
        inode: header.inode.into(),
        mark,
    }))
}

/// A socket state by the kernel's number, which UDP shares with TCP.
pub(super) fn state(number: u8) -> SocketState {
    match number {
        TCP_LISTEN => SocketState::Listen,
        TCP_ESTABLISHED => SocketState::Established,
        _ => SocketState::Unconnected,
    }
}

fn from_procfs(protocol: Protocol, family: Family) -> Result<Vec<Socket>, Unavailable> {
    let path = format!("/proc/thread-self/net/{protocol}{}", if family == Family::V6 { "6" } else { "" });
    match std::fs::read(&path) {
        Ok(text) => proc_net::parse(&String::from_utf8_lossy(&text), protocol)
            .map_err(|line| Unavailable::new(Reason::Malformed, format!("{path}: not understood: {line}"))),
        // A kernel without IPv6.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && family == Family::V6 => Ok(Vec::new()),
        Err(error) => Err(super::unavailable(&format!("read {path}"), &error)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn procfs_tells_the_same_sockets_as_the_kernel() {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let udp = UdpSocket::bind("[::1]:0").expect("a socket");
        let mut netlink = Netlink::open("open", NETLINK_SOCK_DIAG).expect("sock_diag");
        for (protocol, address) in
            [(Protocol::TCP, tcp.local_addr().expect("bound")), (Protocol::UDP, udp.local_addr().expect("bound"))]
        {
            let family = Family::of(address.ip());
            let find = |sockets: Vec<Socket>| {
                let mut found = sockets.into_iter().filter(|socket| socket.port.0 == address.port());
                // What only the kernel's own answer tells.
                found.next().map(|socket| Socket { v6only: None, link: None, mark: None, ..socket })
            };
            let asked = find(ask(&mut netlink, protocol, family).expect("an answer"));
            assert!(asked.as_ref().is_some_and(|socket| socket.address == address.ip()), "{asked:?}");
            assert_eq!(asked, find(from_procfs(protocol, family).expect("a table")));
        }
    }

    proptest! {
        #[test]
        fn any_payload_is_a_socket_or_an_error(payload: Vec<u8>) {
            let _ = parse(&payload, Protocol::UDP);
        }
    }
}
