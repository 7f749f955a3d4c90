//! The kernel judges single matches: each stands in a rule of its own, packets pass all of them on their way out, and the counters of
//! the rules tell which ones matched. Where the simulator says yes or no, the kernel has to agree.

use std::fs::File;
use std::io::Write as _;
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use skoop_model::{Details, Family, IfIndex, Item, Link, LinkKind, NetfilterDumps, Packet, Port, RouteKind};
use skoop_sim::{Conntrack, Hook, HookPoint, Netfilter, NetfilterEnv, PacketState, Sender, explore};

/// Matches, one a line, with the family and protocol of the packets that they are tried on.
const CASES: &str = include_str!("cases.txt");

const PAYLOAD: &[u8] = b"GET /index.html HTTP/1.1\r\n";

struct Loopback;

impl NetfilterEnv for Loopback {
    fn address_kind(&self, address: IpAddr, _device: Option<IfIndex>) -> Option<RouteKind> {
        Some(if address.is_loopback() { RouteKind::Local } else { RouteKind::Unicast })
    }

    fn masquerade_address(&self, _out: IfIndex, _packet: &Packet) -> Option<IpAddr> {
        None
    }

    fn sysctl(&self, _path: &str) -> Option<i64> {
        None
    }
}

fn run(program: &str, args: &[&str], input: &str) -> String {
    let mut child =
        Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect(program);
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("its input");
    let output = child.wait_with_output().expect("its output");
    assert!(output.status.success(), "{program} {args:?} of\n{input}");
    String::from_utf8(output.stdout).expect("text")
}

/// The cases of one kind of packet.
fn cases(kind: &str) -> Vec<&'static str> {
    CASES
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .filter(|(kinds, _)| kinds.split(' ').any(|name| name == kind))
        .map(|(_, case)| case)
        .collect()
}

/// Which rules of the chain `T` matched, in order.
fn counted(save: &str) -> Vec<bool> {
    let text = run(save, &["-c", "-t", "filter"], "");
    let rules = text.lines().filter(|line| line.contains("] -A T "));
    rules.map(|line| !line.starts_with("[0:")).collect()
}

/// The rules as the tool prints them, of the chain `T`.
fn printed(save: &str) -> Vec<String> {
    let text = run(save, &["-t", "filter"], "");
    text.lines().filter_map(|line| line.strip_prefix("-A T ")).map(str::to_owned).collect()
}

/// Whether the simulator says that the match fits; none if it says "maybe".
fn simulated(rule: &str, packet: &Packet, ipset: &str) -> Option<bool> {
    let text = format!("*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT {rule} -j DROP\nCOMMIT\n");
    let empty = || Item::known(0, String::new());
    let (v4, v6) = match packet.family() {
        Family::V4 => (Item::known(0, text), empty()),
        Family::V6 => (empty(), Item::known(0, text)),
    };
    let dumps = NetfilterDumps {
        legacy_v4: empty(),
        legacy_v6: empty(),
        nft_v4: v4,
        nft_v6: v6,
        nft_json: empty(),
        ipset: Item::known(0, ipset.to_owned()),
        ipvs: empty(),
        xt_recent: Item::known(0, std::collections::BTreeMap::new()),
        ..NetfilterDumps::not_collected()
    };
    let netfilter = Netfilter::compile(&dumps);
    let lo = Link { loopback: true, mtu_bytes: 65536, ..Link::new(IfIndex(1), "lo", LinkKind::Physical) };
    let at = HookPoint { hook: Hook::Output, in_device: None, out_device: Some(&lo), in_port: None, out_port: None };
    let (ways, _) = explore(4, |forks| {
        let mut state = PacketState::default();
        state.set_sender(Sender { uid: Some(0), gid: Some(0) });
        let mut conntrack = Conntrack::default();
        let result = netfilter.run(&at, &mut packet.clone(), &mut state, &mut conntrack, &Loopback, forks);
        !result.blockers.is_empty()
    });
    match &*ways {
        [only] => Some(only.value),
        _ => None,
    }
}

/// Loads the rules, sends, and compares.
fn compare(kind: &str, restore: &str, save: &str, guard: &str, packet: &Packet, send: impl FnOnce()) {
    let cases = cases(kind);
    let mut text = format!("*filter\n:T - [0:0]\n-A OUTPUT {guard} -j T\n");
    for case in &cases {
        text += &format!("-A T {case}\n");
    }
    run(restore, &[], &(text + "COMMIT\n"));
    send();
    let (kernel, rules, sets) = (counted(save), printed(save), run("ipset", &["save"], ""));
    assert_eq!((kernel.len(), rules.len()), (cases.len(), cases.len()));
    let mut wrong = Vec::new();
    let mut judged = 0;
    for ((case, rule), kernel) in cases.iter().zip(&rules).zip(&kernel) {
        match simulated(rule, packet, &sets) {
            Some(simulated) if simulated != *kernel => {
                wrong.push(format!("{kind}: {case} (as `{rule}`): the kernel says {kernel}"));
            }
            found => judged += u32::from(found.is_some()),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{restore} {kind}: {judged} of {} matches judged, all as the kernel does", cases.len());
}

/// A namespace that goes when the test does.
struct Namespace(String);

impl Drop for Namespace {
    fn drop(&mut self) {
        run("ip", &["netns", "delete", &self.0], "");
    }
}

fn in_own_namespace(name: &str, test: impl FnOnce() + Send + 'static) {
    let namespace = Namespace(format!("skt-matches-{}-{name}", std::process::id()));
    run("ip", &["netns", "add", &namespace.0], "");
    let file = File::open(format!("/run/netns/{}", namespace.0)).expect("the namespace");
    let thread = std::thread::spawn(move || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("entered");
        run("ip", &["link", "set", "lo", "up"], "");
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

const SETS: &str = "create addresses hash:ip\nadd addresses 127.0.0.1\n\
    create nets hash:net\nadd nets 127.0.0.0/8\nadd nets 127.0.0.0/24 nomatch\n\
    create ports bitmap:port range 0-65535\nadd ports 5002\n\
    create both hash:ip,port\nadd both 127.0.0.1,udp:5002\n\
    create triple hash:ip,port,ip\nadd triple 127.0.0.1,udp:5002,127.0.0.1\n\
    create iportnet hash:ip,port,net\nadd iportnet 127.0.0.1,udp:5000-5010,127.0.0.0/9\n\
    create netport hash:net,port\nadd netport 127.0.0.0/8,udp:5001\n\
    create macs bitmap:ip,mac range 127.0.0.0/24\nadd macs 127.0.0.1\n\
    create devices hash:net,iface\nadd devices 127.0.0.0/8,lo\n\
    create starts hash:net,iface\nadd starts 127.0.0.0/8,l wildcard\n\
    create list list:set\nadd list ports\nadd list addresses\n\
    create masked hash:ip netmask 16\nadd masked 127.0.55.0\n\
    create six hash:ip family inet6\nadd six ::1\n";

#[test]
#[ignore = "needs root: run by make test"]
fn matches_of_outgoing_datagrams() {
    for (restore, save) in
        [("iptables-nft-restore", "iptables-nft-save"), ("iptables-legacy-restore", "iptables-legacy-save")]
    {
        in_own_namespace(&format!("udp-{}", restore.len()), move || {
            run("ipset", &["restore"], SETS);
            let receiver = UdpSocket::bind("127.0.0.1:5002").expect("a receiver");
            let local: IpAddr = "127.0.0.1".parse().expect("an address");
            let mut packet =
                Packet::udp(local, Port(5001), local, Port(5002), 28 + u32::try_from(PAYLOAD.len()).expect("a length"));
            packet.details = Some(Box::new(Details { payload: Some(PAYLOAD.to_vec().into()), ..Details::default() }));
            compare("udp", restore, save, "-p udp --dport 5002", &packet, || {
                let sender = UdpSocket::bind("127.0.0.1:5001").expect("a sender");
                sender.send_to(PAYLOAD, "127.0.0.1:5002").expect("a datagram sent");
            });
            drop(receiver);
        });
    }
}

#[test]
#[ignore = "needs root: run by make test"]
fn matches_of_outgoing_datagrams_of_ipv6() {
    for (restore, save) in
        [("ip6tables-nft-restore", "ip6tables-nft-save"), ("ip6tables-legacy-restore", "ip6tables-legacy-save")]
    {
        in_own_namespace(&format!("udp6-{}", restore.len()), move || {
            run("ipset", &["restore"], SETS);
            let receiver = UdpSocket::bind("[::1]:5002").expect("a receiver");
            let local: IpAddr = "::1".parse().expect("an address");
            let mut packet =
                Packet::udp(local, Port(5001), local, Port(5002), 48 + u32::try_from(PAYLOAD.len()).expect("a length"));
            packet.details = Some(Box::new(Details { payload: Some(PAYLOAD.to_vec().into()), ..Details::default() }));
            compare("udp6", restore, save, "-p udp --dport 5002", &packet, || {
                let sender = UdpSocket::bind("[::1]:5001").expect("a sender");
                sender.send_to(PAYLOAD, "[::1]:5002").expect("a datagram sent");
            });
            drop(receiver);
        });
    }
}

#[test]
#[ignore = "needs root: run by make test"]
fn matches_of_a_connection_that_begins() {
    for (restore, save) in
        [("iptables-nft-restore", "iptables-nft-save"), ("iptables-legacy-restore", "iptables-legacy-save")]
    {
        in_own_namespace(&format!("tcp-{}", restore.len()), move || {
            let local: IpAddr = "127.0.0.1".parse().expect("an address");
            // The port is the kernel's choice: no case asks for it.
            let packet = Packet::tcp_syn(local, Port(40_000), local, Port(5002));
            compare("tcp", restore, save, "-p tcp --syn", &packet, || {
                TcpStream::connect("127.0.0.1:5002").expect_err("nobody listens");
            });
        });
    }
}
