//! A node in a namespace, the ends of its wires in others, and packet sockets on them.
//!
//! Nothing waits: a packet is followed by an ARP probe on the same wire. The kernel works off what one processor sends in order, so
//! that once the probe is answered, everything that the packet caused has been seen.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, SocketAddrV6, recvfrom, sendto};
use rustix::thread::{CpuSet, sched_setaffinity};
use socket2::{Domain, Protocol, Socket, Type};

use super::headers::{Body, Headers, TCP, flag};
use super::shape::{BRIDGE, HOSTS, Shape, Wire, device_mac, neighbour_mac, own_mac, sentinel, text, v4, v6};
use super::state::Used;
use super::wire::{self, Decoded};
use crate::{command, netns};

/// Longest wait for a probe's answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// `ETH_P_ALL` (`include/uapi/linux/if_ether.h`).
const ALL: u16 = 3;
/// Longest frame.
const FRAME: usize = 4096;

/// Protocols whose packets raw sockets of the node receive.
const RAW: [u8; 12] = [1, 6, 17, 33, 47, 50, 51, 58, 89, 132, 135, 200];

/// A node with its surroundings.
pub(super) struct Lab {
    pub shape: Shape,
    pub node: String,
    names: Vec<String>,
    ends: Vec<End>,
    raws: Vec<Raw>,
    /// Kept open.
    listeners: Vec<Socket>,
    /// To the kernel's netfilter.
    control: Socket,
    tag: u32,
    /// What is loaded.
    pub used: Used,
}

struct End {
    wire: Wire,
    socket: Socket,
    /// Says by which device to send.
    address: SocketAddrAny,
}

struct Raw {
    protocol: u8,
    v6: bool,
    socket: Socket,
}

/// A frame that left the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Out {
    pub wire: usize,
    pub src_mac: [u8; 6],
    pub dst_mac: [u8; 6],
    pub packet: Decoded,
}

/// What became of a packet.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// As it left, on each wire.
    pub out: Vec<Out>,
    /// As sockets of the node got it.
    pub delivered: Vec<Decoded>,
    /// ICMP errors and resets about it.
    pub answers: Vec<Out>,
    /// The error that the sender's system call gave.
    pub refused: Option<i32>,
}

impl Lab {
    pub fn build(label: &str, shape: Shape) -> Result<Self> {
        let node = format!("skt-df-{}-{label}-n", std::process::id());
        let ends = shape.wires().iter().map(|wire| format!("skt-df-{}-{label}-{}", std::process::id(), wire.name));
        let names: Vec<String> = std::iter::once(node.clone()).chain(ends).collect();
        netns::create(&names)?;
        let control = netns::enter(&node, netfilter_socket)??;
        let (ends, raws, listeners) = (Vec::new(), Vec::new(), Vec::new());
        let mut lab = Self { shape, node, names, ends, raws, listeners, control, tag: 0, used: Used::default() };
        lab.connect()?;
        Ok(lab)
    }

    fn connect(&mut self) -> Result<()> {
        let mut lines = String::new();
        for (wire, end) in self.shape.wires().iter().zip(self.names.iter().skip(1)) {
            let (mac, own) = (text(device_mac(wire.number)), text(own_mac(wire.number)));
            lines += &format!(
                "link add {} address {mac} netns {} type veth peer name eth0 address {own} netns {end}\n",
                wire.name, self.node
            );
        }
        command::ip_batch(None, &lines)?;
        let quiet = ["net/ipv6/conf/all/disable_ipv6=1", "net/ipv6/conf/default/disable_ipv6=1"];
        for end in self.names.iter().skip(1) {
            set(end, &quiet.map(str::to_owned))?;
            command::ip_batch(Some(end), "link set eth0 mtu 3000\nlink set eth0 up\n")?;
        }
        let before = [
            "ipv6/conf/default/addr_gen_mode=1",
            "ipv6/conf/default/accept_dad=0",
            "ipv6/conf/default/router_solicitations=0",
        ];
        set(&self.node, &before.map(|line| format!("net/{line}")))?;
        command::ip_batch(Some(&self.node), &self.shape.links())?;
        command::bridge_batch(Some(&self.node), &self.shape.fdb())?;
        let shape = self.shape;
        (self.raws, self.listeners) = netns::enter(&self.node, open_node)?.context("open the node's sockets")?;
        for (wire, name) in shape.wires().iter().zip(self.names.iter().skip(1)) {
            let socket = netns::enter(name, packet_socket)??;
            let node = &self.node;
            // Any frame tells the kernel's number of the device that it came by.
            netns::enter(node, || shout(wire.name))?.with_context(|| format!("send by {}", wire.name))?;
            let first = receive(&socket, RecvFlags::empty())?.and_then(|(_, address)| address);
            let address = first.with_context(|| format!("no first frame by {}", wire.name))?;
            self.ends.push(End { wire: *wire, socket, address });
        }
        Ok(())
    }

    /// Sends a frame from the end of a wire.
    pub fn send(&mut self, at: usize, dst_mac: [u8; 6], src_mac: [u8; 6], packet: &Headers) -> Result<Seen> {
        self.tag = self.tag.wrapping_add(1);
        let kind = if packet.v6() { wire::IPV6 } else { wire::IPV4 };
        self.put(at, &wire::frame(dst_mac, src_mac, kind, &packet.encode(self.tag)))?;
        self.settle(at, packet)
    }

    /// The tag of the next packet.
    pub fn next_tag(&self) -> u32 {
        self.tag.wrapping_add(1)
    }

    /// Conntrack forgets everything.
    pub fn forget_flows(&self) -> Result<()> {
        // `IPCTNL_MSG_CT_DELETE` without attributes (ctnetlink_del_conntrack, net/netfilter/nf_conntrack_netlink.c).
        let mut message = Vec::new();
        message.extend(20_u32.to_ne_bytes());
        message.extend(0x0102_u16.to_ne_bytes());
        // `NLM_F_REQUEST | NLM_F_ACK`.
        message.extend(5_u16.to_ne_bytes());
        message.extend([0; 12]);
        (&self.control).write_all(&message).context("flush conntrack")?;
        let mut answer = [0; 64];
        let length = (&self.control).read(&mut answer).context("flush conntrack")?;
        // An error message: its number follows the header.
        match answer.get(16..20).filter(|_| length >= 20) {
            Some([0, 0, 0, 0]) => Ok(()),
            _ => bail!("conntrack is not flushed: {answer:?}"),
        }
    }

    /// Follows what a process of the node just sent under the next tag.
    pub fn follow(&mut self, packet: &Headers) -> Result<Seen> {
        self.tag = self.tag.wrapping_add(1);
        self.settle(0, packet)
    }

    fn put(&self, at: usize, frame: &[u8]) -> Result<()> {
        let end = self.ends.get(at).context("no such wire")?;
        match sendto(&end.socket, frame, SendFlags::empty(), &end.address) {
            // A veth tells its sender that the other end dropped the frame, as one that is too long.
            Ok(_) | Err(Errno::NOBUFS) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("send on {}", end.wire.name)),
        }
    }

    fn settle(&mut self, at: usize, sent: &Headers) -> Result<Seen> {
        let mut seen = Seen::default();
        // Each round answers what the one before asked: two neighbours in a row are the most.
        for _ in 0..4 {
            if !self.round(at, sent, &mut seen)? {
                break;
            }
        }
        for raw in &self.raws {
            while let Some((bytes, from)) = receive(&raw.socket, RecvFlags::DONTWAIT)? {
                let Some(delivered) = raw.read(&bytes, from) else { continue };
                if delivered.tag == Some(self.tag) {
                    seen.delivered.push(delivered);
                } else if is_reset(&delivered.headers, sent) {
                    // A reset of the node to itself.
                    seen.answers.push(Out { wire: at, src_mac: [0; 6], dst_mac: [0; 6], packet: delivered });
                }
            }
        }
        Ok(seen)
    }

    /// Waits for all that was caused so far. Says whether something was answered meanwhile that may cause more.
    fn round(&self, at: usize, sent: &Headers, seen: &mut Seen) -> Result<bool> {
        let number = self.shape.network(at);
        let end = self.ends.get(at).context("no such wire")?;
        let probe = wire::arp_probe(own_mac(end.wire.number), sentinel(number).octets());
        self.put(at, &probe)?;
        let deadline = Instant::now() + PATIENCE;
        let (mut answered, mut again) = (false, false);
        while !answered {
            match receive(&end.socket, RecvFlags::empty())? {
                Some((bytes, _)) if is_probe_answer(&bytes, sentinel(number)) => answered = true,
                Some((bytes, _)) => again |= self.take(at, &bytes, sent, seen)?,
                None if Instant::now() < deadline => {}
                None => bail!("no answer to a probe on {}", end.wire.name),
            }
        }
        for (place, end) in self.ends.iter().enumerate() {
            while let Some((bytes, _)) = receive(&end.socket, RecvFlags::DONTWAIT)? {
                again |= self.take(place, &bytes, sent, seen)?;
            }
        }
        Ok(again)
    }

    /// Whether somebody with this address answers on a wire: of the ports of a bridge only one.
    fn is_home(&self, at: usize, address: IpAddr) -> bool {
        let ports = self.shape.wires_to(BRIDGE);
        let known = HOSTS.into_iter().find(|host| [v4(BRIDGE, *host), v6(BRIDGE, *host)].contains(&address));
        let home = known.and_then(|host| self.shape.port_of(host)).or(ports.first().copied());
        !ports.contains(&at) || home == Some(at)
    }

    /// One frame that came out of a wire. Says whether it was a question that is answered now.
    fn take(&self, at: usize, bytes: &[u8], sent: &Headers, seen: &mut Seen) -> Result<bool> {
        let (Some(dst), Some(src), Some(kind)) = (mac(bytes, 0), mac(bytes, 6), bytes.get(12..14)) else {
            return Ok(false);
        };
        let payload = bytes.get(14..).unwrap_or_default();
        if kind == wire::ARP.to_be_bytes() {
            // Probes of the harness reach other ports of a bridge too.
            let Some(target) = payload.get(24..28).and_then(|target| <[u8; 4]>::try_from(target).ok()) else {
                return Ok(false);
            };
            if self.ends.iter().any(|end| src == own_mac(end.wire.number)) {
                return Ok(false);
            }
            if !self.is_home(at, target.into()) {
                return Ok(false);
            }
            let Some(answer) = wire::arp_answer(payload, neighbour_mac(target.into())) else { return Ok(false) };
            self.put(at, &answer)?;
            return Ok(true);
        }
        let Some(packet) = wire::decode(payload) else { return Ok(false) };
        if let Body::Icmp { kind: 135, .. } = packet.headers.body
            && let Some(target) = payload.get(48..64).and_then(|target| <[u8; 16]>::try_from(target).ok())
            && self.is_home(at, target.into())
            && let Some(answer) = wire::neighbour_answer(payload, neighbour_mac(target.into()), src)
        {
            self.put(at, &answer)?;
            return Ok(true);
        }
        let out = Out { wire: at, src_mac: src, dst_mac: dst, packet };
        if out.packet.tag == Some(self.tag) && out.packet.headers.is_error() && !sent.is_error() {
            seen.answers.push(out);
        } else if out.packet.tag == Some(self.tag) {
            seen.out.push(out);
        } else if is_reset(&out.packet.headers, sent) {
            seen.answers.push(out);
        }
        Ok(false)
    }
}

impl Raw {
    fn read(&self, bytes: &[u8], from: Option<SocketAddrAny>) -> Option<Decoded> {
        if !self.v6 {
            return wire::decode(bytes);
        }
        let src = *SocketAddrV6::try_from(from?).ok()?.ip();
        Some(wire::read_upper(src.into(), self.protocol, bytes))
    }
}

fn is_reset(headers: &Headers, sent: &Headers) -> bool {
    let (Body::Tcp { sport, dport, flags, .. }, true) = (&headers.body, sent.protocol == TCP) else { return false };
    // Sockets of the node give up earlier flows when they like.
    let about = sent.ports().is_some_and(|(source, destination)| *dport == source || *sport == destination);
    flags & flag::RST != 0 && headers.payload == 0 && about && headers.v6() == sent.v6()
}

fn is_probe_answer(bytes: &[u8], address: Ipv4Addr) -> bool {
    bytes.get(12..14) == Some(&wire::ARP.to_be_bytes())
        && bytes.get(21) == Some(&2)
        && bytes.get(28..32) == Some(&address.octets())
}

fn mac(bytes: &[u8], at: usize) -> Option<[u8; 6]> {
    bytes.get(at..at + 6)?.try_into().ok()
}

/// A message, with its sender; none if there is none and the call does not wait.
fn receive(socket: &Socket, flags: RecvFlags) -> io::Result<Option<(Vec<u8>, Option<SocketAddrAny>)>> {
    let mut bytes = vec![0; FRAME];
    match recvfrom(socket, bytes.as_mut_slice(), flags) {
        Ok((length, _, from)) => {
            bytes.truncate(length);
            Ok(Some((bytes, from)))
        }
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes sysctls, in order: `PATH=VALUE`, the path below `/proc/sys`. What this kernel lacks is left out.
pub(super) fn set(namespace: &str, settings: &[String]) -> Result<()> {
    netns::enter(namespace, || {
        for (path, value) in settings.iter().filter_map(|setting| setting.split_once('=')) {
            match std::fs::write(format!("/proc/sys/{path}"), value) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| path.to_owned());
                }
                _ => {}
            }
        }
        Ok(())
    })?
}

/// Keeps this thread, and those that it starts, on one processor.
pub(super) fn pin(worker: usize) -> Result<()> {
    let mut set = CpuSet::new();
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    set.set(worker % count);
    sched_setaffinity(None, &set).context("stay on one processor")
}

fn packet_socket() -> Result<Socket> {
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(ALL.to_be()))))?;
    socket.set_recv_buffer_size(4 << 20)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// `NETLINK_NETFILTER` (include/uapi/linux/netlink.h).
fn netfilter_socket() -> Result<Socket> {
    let socket = Socket::new(Domain::from(16), Type::RAW, Some(Protocol::from(12)))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Raw sockets of the node that show what is delivered, and the sockets that it listens on.
fn open_node() -> Result<(Vec<Raw>, Vec<Socket>)> {
    let mut raws = Vec::new();
    for v6 in [false, true] {
        let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
        for protocol in RAW.into_iter().filter(|protocol| *protocol != if v6 { 1 } else { 58 }) {
            let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(i32::from(protocol))))?;
            raws.push(Raw { protocol, v6, socket });
        }
    }
    let mut listeners = Vec::new();
    for (kind, port) in [(Type::DGRAM, 53), (Type::STREAM, 80)] {
        let socket = Socket::new(Domain::IPV6, kind, None)?;
        socket.set_only_v6(false)?;
        socket.bind(&SocketAddr::new(IpAddr::from([0_u8; 16]), port).into())?;
        if kind == Type::STREAM {
            socket.listen(1024)?;
        }
        listeners.push(socket);
    }
    Ok((raws, listeners))
}

/// Sends a broadcast by a device, whatever the routes.
fn shout(device: &str) -> Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_broadcast(true)?;
    socket.bind_device(Some(device.as_bytes()))?;
    socket.send_to(b"here", &SocketAddr::new(IpAddr::from([255; 4]), 9).into())?;
    Ok(())
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _left_to_the_next_boot = netns::delete(&self.names);
    }
}
