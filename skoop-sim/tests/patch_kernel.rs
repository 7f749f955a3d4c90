//! The kernel judges changes of rules: the same texts go to `iptables-restore --noflush` and to [`Netfilter::patch`]; both take them or
//! both refuse them, and afterwards packets fare as by the rules that `iptables-save` prints.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};

use skoop_model::{Backend, Family, IfIndex, Item, Link, LinkKind, NetfilterDumps, Packet, Port, RouteKind};
use skoop_sim::{Conntrack, Hook, HookPoint, Netfilter, NetfilterEnv, PacketState, explore};

/// Texts of changes for each tool.
const TEXTS: u32 = 60;

struct Router;

impl NetfilterEnv for Router {
    fn address_kind(&self, _address: IpAddr, _device: Option<IfIndex>) -> Option<RouteKind> {
        Some(RouteKind::Unicast)
    }

    fn masquerade_address(&self, _out: IfIndex, _packet: &Packet) -> Option<IpAddr> {
        Some(Ipv4Addr::new(192, 168, 0, 1).into())
    }

    fn sysctl(&self, _path: &str) -> Option<i64> {
        None
    }
}

/// A namespace that goes when the test does.
struct Namespace(String);

impl Namespace {
    fn new(tag: &str) -> Self {
        let name = format!("skt-conntrack-{}-{tag}", std::process::id());
        assert!(Command::new("ip").args(["netns", "add", &name]).status().expect("ip").success());
        Self(name)
    }

    /// What a program prints; none if it fails.
    fn run(&self, program: &str, args: &[&str], input: &str) -> Option<String> {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.0, program])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("ip");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("its input");
        let output = child.wait_with_output().expect("its output");
        output.status.success().then(|| String::from_utf8(output.stdout).expect("text"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

fn compile(backend: Backend, text: String) -> Netfilter {
    let empty = || Item::known(0, String::new());
    let (legacy_v4, nft_v4) = match backend {
        Backend::Legacy => (Item::known(0, text), empty()),
        Backend::Nft => (empty(), Item::known(0, text)),
    };
    Netfilter::compile(&NetfilterDumps {
        legacy_v4,
        legacy_v6: empty(),
        nft_v4,
        nft_v6: empty(),
        nft_json: empty(),
        ipset: empty(),
        ..NetfilterDumps::not_collected()
    })
}

/// What becomes of packets at PREROUTING and FORWARD, on every way: who stops them, and as what they go on.
fn fates(netfilter: &Netfilter) -> Vec<String> {
    let link = |index, name| Link::new(IfIndex(index), name, LinkKind::Physical);
    let (eth0, eth1) = (link(1, "eth0"), link(2, "eth1"));
    let mut fates = Vec::new();
    for service in 0..5 {
        for (port, host) in [(80, 1), (81, 2), (80, 3)] {
            let ip = |net: u8, host: u8| IpAddr::from([10, net, 0, host]);
            let packet = Packet::tcp_syn(ip(1, host), Port(4_000), ip(96, service), Port(port));
            let (ways, _) = explore(64, |forks| {
                let (mut state, mut conntrack) = (PacketState::default(), Conntrack::default());
                let mut packet = packet.clone();
                let mut told = String::new();
                for (hook, out_device) in [(Hook::Prerouting, None), (Hook::Forward, Some(&eth1))] {
                    let at = HookPoint { hook, in_device: Some(&eth0), out_device, in_port: None, out_port: None };
                    let result = netfilter.run(&at, &mut packet, &mut state, &mut conntrack, &Router, forks);
                    for blocker in &result.blockers {
                        let _ = write!(told, "{} in {}; ", blocker.describe(), blocker.by.chain);
                    }
                }
                told + &packet.to_string()
            });
            fates.extend(ways.into_iter().map(|way| format!("{packet}: {}", way.value)));
        }
    }
    fates
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A service with other endpoints, as kube-proxy writes it; the endpoints before are deleted.
fn service(random: &mut Random, ends: &mut [Vec<u64>; 5]) -> String {
    let service = random.below(5);
    let place = ends.get_mut(usize::try_from(service).expect("small")).expect("one of five");
    let now: Vec<u64> = (0..random.below(4)).collect();
    let mut text = format!("*nat\n:KUBE-SVC-{service} - [0:0]\n");
    let gone: Vec<u64> = place.iter().filter(|end| !now.contains(end)).copied().collect();
    for end in now.iter().chain(&gone) {
        let _ = writeln!(text, ":KUBE-SEP-{service}-{end} - [0:0]");
    }
    for (number, end) in now.iter().enumerate() {
        let left = now.len() - number;
        let chance = if left == 1 {
            String::new()
        } else {
            format!(
                "-m statistic --mode random --probability {:.10} ",
                1.0 / f64::from(u32::try_from(left).expect("few"))
            )
        };
        let to = random.below(200) + 1;
        let _ = write!(
            text,
            "-A KUBE-SVC-{service} -m comment --comment \"to {end}\" {chance}-j KUBE-SEP-{service}-{end}\n\
             -A KUBE-SEP-{service}-{end} -p tcp -m comment --comment s{service} -m tcp -j DNAT --to-destination 10.2.0.{to}:8080\n"
        );
    }
    for end in gone {
        let _ = writeln!(text, "-X KUBE-SEP-{service}-{end}");
    }
    *place = now;
    text + "COMMIT\n"
}

/// The chain of all services.
fn services(random: &mut Random) -> String {
    let mut text = "*nat\n:KUBE-SERVICES - [0:0]\n".to_owned();
    for service in 0..5 {
        if random.below(4) > 0 {
            let _ = writeln!(
                text,
                "-A KUBE-SERVICES -m comment --comment \"ns/s{service}:http cluster IP\" -m tcp -p tcp -d 10.96.0.{service}/32 --dport 80 -j KUBE-SVC-{service}"
            );
        }
    }
    text + "COMMIT\n"
}

/// Some lines about the table filter, not all of them right.
fn lines(random: &mut Random) -> String {
    let mut text = "*filter\n".to_owned();
    for _ in 0..=random.below(2) {
        // No circles: the kernel takes one to which no hook leads, which is refused here.
        let (chain, other) = pick(random);
        let rule = match random.below(5) {
            0 => format!("-s 10.1.0.{} -j DROP", random.below(4)),
            1 => format!("-p tcp -d 10.96.0.{}/32 -m tcp --dport {} -j REJECT", random.below(5), 80 + random.below(2)),
            2 => "-m conntrack --ctstate NEW -j RETURN".to_owned(),
            _ => format!("-p tcp -m tcp --dport {} -j {other}", 80 + random.below(2)),
        };
        let _ = match random.below(9) {
            0 => writeln!(text, ":{other} - [0:0]"),
            1 => writeln!(text, "-X {other}"),
            2 => writeln!(text, "-F {chain}"),
            3 => writeln!(text, "-D {chain} {rule}"),
            4 => writeln!(text, "-D {chain} {}", 1 + random.below(3)),
            5 => writeln!(text, "-I {chain} {} {rule}", 1 + random.below(3)),
            6 => writeln!(text, "-I {chain} {rule}"),
            _ => writeln!(text, "-A {chain} {rule}"),
        };
    }
    text + "COMMIT\n"
}

fn compare(backend: Backend) {
    let namespace = Namespace::new(&backend.to_string());
    let (restore, save) = (format!("iptables-{backend}-restore"), format!("iptables-{backend}-save"));
    let mut base = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]\nCOMMIT\n\
        *nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n"
        .to_owned();
    for service in 0..5 {
        let _ = writeln!(base, ":KUBE-SVC-{service} - [0:0]");
    }
    base += "-A PREROUTING -j KUBE-SERVICES\nCOMMIT\n";
    namespace.run(&restore, &[], &base).expect("the rules to begin with");
    let saved = || namespace.run(&save, &[], "").expect("rules");
    let mut netfilter = compile(backend, saved());
    let (random, mut ends) = (&mut Random(7), <[Vec<u64>; 5]>::default());
    let (mut history, mut refused) = (base, 0);
    for _ in 0..TEXTS {
        let text = match random.below(4) {
            0 => services(random),
            1 => service(random, &mut ends),
            _ => lines(random),
        };
        history += &text;
        let taken = namespace.run(&restore, &["--noflush"], &text).is_some();
        let patched = netfilter.patch(backend, Family::V4, &text);
        assert_eq!(patched.is_ok(), taken, "{backend}: {patched:?}\n{text}\nafter\n{history}");
        refused += u32::from(!taken);
        let fresh = saved();
        assert_eq!(fates(&netfilter), fates(&compile(backend, fresh.clone())), "{backend}: {history}\nas\n{fresh}");
    }
    println!("{backend}: {TEXTS} texts, {refused} of them refused by both");
    assert!(refused > 0 && refused < TEXTS / 2, "{refused}");
}

#[test]
#[ignore = "needs root: run by make test"]
fn changes_are_taken_as_iptables_legacy_takes_them() {
    compare(Backend::Legacy);
}

#[test]
#[ignore = "needs root: run by make test"]
fn changes_are_taken_as_iptables_nft_takes_them() {
    compare(Backend::Nft);
}

/// A chain, and one to which its rules may lead.
fn pick(random: &mut Random) -> (&'static str, &'static str) {
    match random.below(3) {
        0 => ("FORWARD", "A"),
        1 => ("FORWARD", "C"),
        _ => ("A", "B"),
    }
}
