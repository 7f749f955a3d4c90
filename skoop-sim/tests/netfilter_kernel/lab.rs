//! Three namespaces: a client, a router with the rules, a server that takes everything.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use skoop_collect::local::{NetnsRef, Options, Others, Selection, collect};
use skoop_model::{NamespaceSnapshot, NodeName, Packet, Transport};
use socket2::{Domain, Protocol, Socket, Type};

use super::command::{remove, run};
use super::wire;

/// Source address of the packets that mark the end of what came before.
pub(crate) const SENTINEL: &str = "10.1.254.254";

/// Tables with their base chains.
const TABLES: [(&str, &[&str]); 4] = [
    ("raw", &["PREROUTING", "OUTPUT"]),
    ("mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]),
    ("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ("filter", &["INPUT", "FORWARD", "OUTPUT"]),
];

/// Mark of what the test sends, by which it is told from what the kernel sends by itself.
const OWN_MARK: u32 = 7;

/// Link-layer addresses of the four ends.
const C0: &str = "02:00:00:00:00:01";
const CLIENT: &str = "02:00:00:00:00:02";
const S0: &str = "02:00:00:00:00:03";
const SERVER: &str = "02:00:00:00:00:04";

pub(crate) struct Lab {
    names: [String; 3],
    client: Endpoint,
    server: Endpoint,
    sent: u32,
}

/// Raw sockets in one namespace.
struct Endpoint {
    sender: Socket,
    receivers: [Socket; 3],
}

/// What happened to a packet.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// As it arrived.
    pub arrived: Option<Packet>,
    /// ICMP error or reset that came back to the sender.
    pub answer: Option<Packet>,
}

impl Lab {
    /// Builds them; `tag` tells the namespaces of one test from those of another.
    pub(crate) fn build(tag: &str) -> Self {
        let names = ["c", "r", "s"].map(|role| format!("skt-{tag}-{}-{role}", std::process::id()));
        for name in &names {
            run("ip", &["netns", "add", name], None, "");
        }
        let [client, router, server] = &names;
        // Fixed addresses and permanent neighbours: nothing has to be resolved, so nothing waits.
        let links = format!(
            "link add c0 address {C0} netns {router} type veth peer name eth0 address {CLIENT} netns {client}\n\
             link add s0 address {S0} netns {router} type veth peer name eth0 address {SERVER} netns {server}\n"
        );
        run("ip", &["-batch", "-"], None, &links);
        sysctls(router, &["ip_forward=1", "icmp_ratelimit=0", "icmp_msgs_per_sec=100000", "icmp_msgs_burst=100000"]);
        let router_batch = format!(
            "link set lo up\nlink set c0 up\nlink set s0 up\naddress add 10.1.0.1/30 dev c0\naddress add 10.2.0.1/30 dev s0\n\
             neighbour add 10.1.0.2 lladdr {CLIENT} nud permanent dev c0\nneighbour add 10.2.0.2 lladdr {SERVER} nud permanent dev s0\n\
             route add 10.1.0.0/16 via 10.1.0.2\nroute add 10.2.0.0/16 via 10.2.0.2\nroute add 10.96.0.0/16 via 10.2.0.2\n"
        );
        run("ip", &["-n", router, "-batch", "-"], None, &router_batch);
        peer(client, "10.1", C0, &["10.1.1.0/24", "10.1.254.254"]);
        peer(server, "10.2", S0, &["10.2.1.0/24", "10.96.0.0/16"]);
        let endpoint = |name: &String| Endpoint::open(name);
        let (client, server) = (endpoint(&names[0]), endpoint(&names[2]));
        Self { names, client, server, sent: 0 }
    }

    /// Replaces all rules of the router.
    pub(crate) fn load(&self, legacy: &str, nft: &str) {
        let router = &self.names[1];
        // A restore keeps the policies of chains that it does not name.
        let mut empty = String::new();
        for (table, chains) in TABLES {
            let _ = writeln!(empty, "*{table}");
            for chain in chains {
                let _ = writeln!(empty, ":{chain} ACCEPT [0:0]");
            }
            empty += "COMMIT\n";
        }
        run("iptables-legacy-restore", &[], Some(router), &format!("{empty}{legacy}"));
        run("iptables-nft-restore", &[], Some(router), &format!("{empty}{nft}"));
        run("conntrack", &["-F"], Some(router), "");
    }

    /// Replaces all rules of the router by a ruleset of nftables.
    pub(crate) fn load_native(&self, ruleset: &str) {
        let router = &self.names[1];
        // Rules are separated by semicolons, which may not follow a closing brace.
        // A block may end only where a line does.
        let lines = ruleset.replace("; }", ";\n}\n");
        run("nft", &["-f", "-"], Some(router), &format!("flush ruleset\n{lines}\n"));
        run("conntrack", &["-F"], Some(router), "");
    }

    /// The router as the collector sees it.
    pub(crate) fn snapshot(&self) -> NamespaceSnapshot {
        let selection = Selection { host: NetnsRef::Name(self.names[1].clone()), others: Others::None };
        let node = collect(NodeName::from("node"), &selection, &Options::default()).expect("the namespace exists");
        node.namespaces.into_iter().next().expect("one namespace")
    }

    /// Sends a packet from the client, and tells what became of it.
    pub(crate) fn request(&mut self, packet: &Packet) -> Seen {
        let tag = self.next_tag();
        self.client.send(packet, tag);
        self.settle(tag, true)
    }

    /// Sends a packet from the server.
    pub(crate) fn reply(&mut self, packet: &Packet) -> Seen {
        let tag = self.next_tag();
        self.server.send(packet, tag);
        self.settle(tag, false)
    }

    fn next_tag(&mut self) -> u32 {
        self.sent += 1;
        self.sent
    }

    /// Sends a packet behind the one with `tag` that surely arrives, and another one back; what was not seen by then is lost.
    fn settle(&mut self, tag: u32, forward: bool) -> Seen {
        let end = self.next_tag();
        let marker = |src: &str, dst: &str| {
            let address = |text: &str| text.parse::<IpAddr>().expect("an address");
            Packet::udp(address(src), 9.into(), address(dst), 9.into(), 36)
        };
        self.client.send(&marker(SENTINEL, "10.2.1.2"), end);
        let at_server = self.server.receive(end);
        self.server.send(&marker("10.2.1.2", SENTINEL), end);
        let at_client = self.client.receive(end);
        // NAT may lead a packet back to where it came from; the router's own answers to an echo do not count.
        let is_echo = |packet: &Packet| matches!(packet.transport, Transport::Icmp { kind: 0 | 14, .. });
        let at_client = at_client.into_iter().filter(|(packet, _)| !(forward && is_echo(packet))).collect::<Vec<_>>();
        let arrived =
            at_server.iter().chain(&at_client).find(|(_, of)| *of == Some(tag)).map(|(packet, _)| packet.clone());
        let source = if forward { at_client } else { at_server };
        let is_answer = |packet: &Packet| match packet.transport {
            Transport::Icmp { kind, .. } => kind == 3 || kind == 11,
            Transport::Tcp { flags, .. } => flags.contains(skoop_model::TcpFlags::RST),
            _ => false,
        };
        let answer = source.into_iter().map(|(packet, _)| packet).find(is_answer);
        Seen { arrived, answer }
    }
}

impl Endpoint {
    /// Opens sockets in a namespace from a thread that enters it.
    fn open(name: &str) -> Self {
        let netns = File::open(format!("/run/netns/{name}")).expect("a namespace");
        let opened = std::thread::spawn(move || {
            move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network)).expect("root enters");
            let raw = |protocol: i32| {
                Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(protocol))).expect("root opens")
            };
            let receivers = [6, 17, 1].map(raw);
            for socket in &receivers {
                socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out");
            }
            // IPPROTO_RAW: the header comes with the data.
            let sender = raw(255);
            sender.set_mark(OWN_MARK).expect("root marks");
            Self { sender, receivers }
        });
        opened.join().expect("the thread ends")
    }

    fn send(&self, packet: &Packet, tag: u32) {
        let to = SocketAddr::new(packet.dst, 0);
        let sent = self.sender.send_to(&wire::encode(packet, tag), &to.into());
        assert!(sent.is_ok(), "{packet}: {sent:?}");
    }

    /// All packets up to the UDP packet with tag `end`.
    fn receive(&self, end: u32) -> Vec<(Packet, Option<u32>)> {
        let [tcp, udp, icmp] = &self.receivers;
        let mut packets = Vec::new();
        loop {
            let (packet, tag) = read(udp).expect("the marker arrives");
            if tag == Some(end) {
                break;
            }
            packets.push((packet, tag));
        }
        for socket in [tcp, icmp] {
            socket.set_nonblocking(true).expect("a flag");
            while let Ok(packet) = read(socket) {
                packets.push(packet);
            }
        }
        packets
    }
}

fn read(socket: &Socket) -> std::io::Result<(Packet, Option<u32>)> {
    let mut buffer = [0; 2048];
    loop {
        let length = (&mut &*socket).read(&mut buffer)?;
        if let Some(found) = buffer.get(..length).and_then(wire::decode) {
            return Ok(found);
        }
    }
}

/// Sets up one end: a default route to the router, and everything in `nets` as its own address.
fn peer(name: &str, net: &str, router: &str, nets: &[&str]) {
    let mut batch = format!(
        "link set lo up\nlink set eth0 up\naddress add {net}.0.2/30 dev eth0\n\
         neighbour add {net}.0.1 lladdr {router} nud permanent dev eth0\nroute add default via {net}.0.1\n"
    );
    for net in nets {
        let _ = writeln!(batch, "route add local {net} dev lo");
    }
    run("ip", &["-n", name, "-batch", "-"], None, &batch);
    sysctls(
        name,
        &["conf.all.rp_filter=0", "conf.eth0.rp_filter=0", "conf.all.accept_local=1", "icmp_echo_ignore_all=1"],
    );
    // The kernel answers nothing by itself: what came in is for the raw sockets.
    let quiet = format!("*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -m mark ! --mark {OWN_MARK} -j DROP\nCOMMIT\n");
    run("iptables-nft-restore", &[], Some(name), &quiet);
}

fn sysctls(netns: &str, settings: &[&str]) {
    for setting in settings {
        let setting = format!("net.ipv4.{setting}");
        run("sysctl", &["-q", "-w", &setting], Some(netns), "");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        remove(&self.names);
    }
}
