//! Which socket takes a packet (`__inet_lookup_listener`, `net/ipv4/inet_hashtables.c`; `__udp4_lib_lookup`,
//! `net/ipv4/udp.c`; and their IPv6 twins, Linux 6.18).

use std::net::IpAddr;

use skoop_model::{Family, IfIndex, Item, Packet, Protocol, Socket, SocketState, Unseen};

/// Who receives a packet.
#[derive(Debug, Clone, PartialEq)]
pub enum Receiver {
    /// This socket.
    Found(Box<Socket>),
    /// None.
    NoListener {
        /// Sockets that almost fit, the nearest first.
        near: Vec<Near>,
    },
    /// It depends on something that was not seen.
    Unknown(Unseen),
}

/// A socket that almost fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// The socket.
    pub socket: Socket,
    /// What it lacks.
    pub lacks: Lacks,
}

/// What a socket lacks to take a packet; its port fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lacks {
    /// It is bound to another address.
    WrongAddress,
    /// It is bound to another device.
    WrongDevice,
    /// It is of the other family, or takes IPv6 only.
    WrongFamily,
    /// It is connected to another peer.
    WrongPeer,
    /// It is of another protocol.
    WrongProtocol,
}

/// The socket that takes `packet`, which came in by `device` and is for this host. Protocols without ports have no
/// sockets here: [`Receiver::NoListener`].
///
/// Where the kernel does not tell whether a socket on `::` takes IPv4 too, and no other socket does, the answer is
/// unknown.
pub fn receiver(sockets: &Item<Vec<Socket>>, packet: &Packet, device: IfIndex) -> Receiver {
    let sockets = match sockets.get() {
        Ok(sockets) => sockets,
        Err(why) => {
            return Receiver::Unknown(Unseen { what: "sockets".to_owned(), why: why.to_string(), matters: true });
        }
    };
    let mut best: Option<(u8, &Socket)> = None;
    for socket in sockets {
        if let Some(score) = score(socket, packet, device)
            && best.is_none_or(|(highest, _)| score > highest)
        {
            best = Some((score, socket));
        }
    }
    match best {
        Some((_, socket)) if takes_family(socket, packet.family()).is_none() => Receiver::Unknown(Unseen {
            what: format!("whether the socket on [{}]:{} takes {}", socket.address, socket.port, packet.family()),
            why: "the kernel did not tell IPV6_V6ONLY".to_owned(),
            matters: true,
        }),
        Some((_, socket)) => Receiver::Found(Box::new(socket.clone())),
        None => Receiver::NoListener { near: near(sockets, packet, device) },
    }
}

/// `compute_score` of TCP and UDP; none if the socket does not take the packet. What may take it and may not scores
/// least.
fn score(socket: &Socket, packet: &Packet, device: IfIndex) -> Option<u8> {
    if socket.protocol != packet.protocol || !is_on_port(socket, packet) || lacks(socket, packet, device).is_some() {
        return None;
    }
    let Some(certain) = takes_family(socket, packet.family()) else {
        return Some(0);
    };
    if !certain {
        return None;
    }
    let own_family = Family::of(socket.address) == packet.family();
    // Sockets bound to the address are looked for first, so that it counts more than all else.
    let points = [
        (!socket.address.is_unspecified(), 16),
        (socket.remote.is_some(), 8),
        (socket.link.is_some(), 4),
        (own_family, 1),
    ];
    Some(1 + points.iter().filter(|(has, _)| *has).map(|(_, points)| points).sum::<u8>())
}

fn is_on_port(socket: &Socket, packet: &Packet) -> bool {
    let listens = socket.protocol != Protocol::TCP || socket.state == SocketState::Listen;
    listens && Some(socket.port) == packet.dport()
}

/// What a socket lacks, its protocol and port apart; none if it fits, or if only its family is in doubt.
fn lacks(socket: &Socket, packet: &Packet, device: IfIndex) -> Option<Lacks> {
    if takes_family(socket, packet.family()) == Some(false) {
        return Some(Lacks::WrongFamily);
    }
    let address = unmapped(socket.address);
    if !address.is_unspecified() && address != packet.dst {
        return Some(if Family::of(address) == packet.family() { Lacks::WrongAddress } else { Lacks::WrongFamily });
    }
    if socket.link.is_some_and(|link| link != device) {
        return Some(Lacks::WrongDevice);
    }
    let peer = socket.remote.map(|(address, port)| (unmapped(address), Some(port)));
    if peer.is_some_and(|peer| peer != (packet.src, packet.sport())) {
        return Some(Lacks::WrongPeer);
    }
    None
}

/// Whether a socket takes packets of a family; none if the kernel did not tell.
fn takes_family(socket: &Socket, family: Family) -> Option<bool> {
    match (socket.address, family) {
        (IpAddr::V4(_), Family::V4) | (IpAddr::V6(_), Family::V6) if !is_mapped(socket.address) => Some(true),
        (IpAddr::V6(address), Family::V4) if address.is_unspecified() => socket.v6only.map(|only| !only),
        (IpAddr::V6(_), Family::V4) => Some(is_mapped(socket.address)),
        _ => Some(false),
    }
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
}

/// `::ffff:1.2.3.4` as `1.2.3.4`.
fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Sockets on the port that do not take the packet.
fn near(sockets: &[Socket], packet: &Packet, device: IfIndex) -> Vec<Near> {
    let on_port = sockets.iter().filter(|socket| is_on_port(socket, packet));
    let mut near: Vec<Near> = on_port
        .filter_map(|socket| {
            let same = socket.protocol == packet.protocol;
            let lacks = if same { lacks(socket, packet, device)? } else { Lacks::WrongProtocol };
            Some(Near { socket: socket.clone(), lacks })
        })
        .collect();
    near.sort_by_key(|near| near.lacks);
    near
}

#[cfg(test)]
mod tests {
    use skoop_model::Port;

    use super::*;

    const LO: IfIndex = IfIndex(1);
    const ETH0: IfIndex = IfIndex(2);

    fn socket(protocol: Protocol, address: &str, port: u16) -> Socket {
        Socket {
            protocol,
            address: address.parse().expect("address"),
            port: Port(port),
            remote: None,
            state: if protocol == Protocol::TCP { SocketState::Listen } else { SocketState::Unconnected },
            v6only: Some(false),
            link: None,
            uid: 0,
            inode: 1,
            mark: None,
        }
    }

    fn syn(dst: &str, port: u16) -> Packet {
        let dst: IpAddr = dst.parse().expect("address");
        let src = if dst.is_ipv4() { "10.0.0.9" } else { "fd00::9" };
        Packet::tcp_syn(src.parse().expect("address"), Port(4000), dst, Port(port))
    }

    fn taker(sockets: &[Socket], packet: &Packet) -> Option<IpAddr> {
        match receiver(&Item::known(0, sockets.to_vec()), packet, ETH0) {
            Receiver::Found(socket) => Some(socket.address),
            _ => None,
        }
    }

    fn hints(sockets: &[Socket], packet: &Packet) -> Vec<Lacks> {
        match receiver(&Item::known(0, sockets.to_vec()), packet, ETH0) {
            Receiver::NoListener { near } => near.iter().map(|near| near.lacks).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn the_more_specific_socket_wins() {
        let any = socket(Protocol::TCP, "0.0.0.0", 80);
        let own = socket(Protocol::TCP, "10.0.0.1", 80);
        let six = socket(Protocol::TCP, "::", 80);
        let packet = syn("10.0.0.1", 80);
        assert_eq!(taker(&[six.clone(), any.clone(), own.clone()], &packet), Some(own.address));
        assert_eq!(taker(&[six.clone(), any.clone()], &packet), Some(any.address));
        assert_eq!(taker(std::slice::from_ref(&six), &packet), Some(six.address));
        assert_eq!(taker(&[any, six.clone()], &syn("fd00::1", 80)), Some(six.address));
    }

    #[test]
    fn what_almost_fits_is_named() {
        let packet = syn("10.0.0.1", 80);
        let only = Socket { v6only: Some(true), ..socket(Protocol::TCP, "::", 80) };
        let bound = Socket { link: Some(LO), ..socket(Protocol::TCP, "0.0.0.0", 80) };
        let sockets = [
            socket(Protocol::UDP, "0.0.0.0", 80),
            only,
            bound,
            socket(Protocol::TCP, "127.0.0.1", 80),
            socket(Protocol::TCP, "0.0.0.0", 81),
        ];
        let wanted = [Lacks::WrongAddress, Lacks::WrongDevice, Lacks::WrongFamily, Lacks::WrongProtocol];
        assert_eq!(hints(&sockets, &packet), wanted);
    }

    #[test]
    fn an_untold_v6only_is_unknown_unless_another_socket_takes_it() {
        let untold = Socket { v6only: None, ..socket(Protocol::TCP, "::", 80) };
        let packet = syn("10.0.0.1", 80);
        let result = receiver(&Item::known(0, vec![untold.clone()]), &packet, ETH0);
        assert!(matches!(result, Receiver::Unknown(_)));
        let any = socket(Protocol::TCP, "0.0.0.0", 80);
        assert_eq!(taker(&[untold, any.clone()], &packet), Some(any.address));
    }

    #[test]
    fn a_connected_socket_takes_its_peer_only() {
        let peer = |address: &str| Some((address.parse().expect("address"), Port(4000)));
        let connected = Socket { remote: peer("10.0.0.9"), ..socket(Protocol::UDP, "10.0.0.1", 53) };
        let other = Socket { remote: peer("10.0.0.8"), ..socket(Protocol::UDP, "10.0.0.1", 53) };
        let tcp = syn("10.0.0.1", 53);
        let packet = Packet::udp(tcp.src, Port(4000), tcp.dst, Port(53), 60);
        assert_eq!(taker(&[other.clone(), connected.clone()], &packet), Some(connected.address));
        assert_eq!(hints(&[other], &packet), [Lacks::WrongPeer]);
    }

    #[test]
    fn a_mapped_address_is_ipv4() {
        let mapped = socket(Protocol::TCP, "::ffff:10.0.0.1", 80);
        assert_eq!(taker(std::slice::from_ref(&mapped), &syn("10.0.0.1", 80)), Some(mapped.address));
        assert_eq!(taker(&[mapped], &syn("fd00::1", 80)), None);
    }
}
