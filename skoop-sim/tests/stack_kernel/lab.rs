//! A router between two wires, with a bridge of three more: frames go in and come out of the wires as bytes.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, socket};
use nix::unistd::Pid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use skoop_collect::local::{NetnsRef, Options, Others, Selection, collect};
use skoop_model::{Frame, MacAddr, NamespaceSnapshot, NodeName};

use super::command::{remove, run};
use super::wire::{self, Seen};

/// Devices of the router, each with a wire at its other end, and the address that answers there.
pub(crate) const DEVICES: [(&str, [u8; 4]); 5] =
    [("c0", [10, 1, 0, 1]), ("s0", [10, 2, 0, 1]), ("p1", [10, 3, 0, 1]), ("p2", [10, 3, 0, 1]), ("p3", [10, 3, 0, 1])];

pub(crate) struct Lab {
    names: [String; 2],
    wires: HashMap<&'static str, OwnedFd>,
}

/// The link-layer address of a device of the router.
pub(crate) fn router_mac(device: &str) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, number(device)])
}

/// The link-layer address of a host on the wire of a device.
pub(crate) fn host_mac(device: &str) -> MacAddr {
    MacAddr([2, 0, 0, 0, 1, number(device)])
}

fn number(device: &str) -> u8 {
    let names = ["c0", "s0", "p1", "p2", "p3", "br0"];
    u8::try_from(names.iter().position(|name| *name == device).expect("a device") + 1).expect("small")
}

impl Lab {
    pub(crate) fn build(label: &str) -> Self {
        let names = ["r", "w"].map(|role| format!("skt-stack-{}-{label}{role}", std::process::id()));
        for name in &names {
            run("ip", &["netns", "add", name], None, "");
        }
        let mut lab = Self { names, wires: HashMap::new() };
        let wires = lab.names[1].clone();
        run(
            "sysctl",
            &["-q", "-w", "net.ipv6.conf.default.disable_ipv6=1", "net.ipv6.conf.all.disable_ipv6=1"],
            Some(&wires),
            "",
        );
        run("sysctl", &["-q", "-w", "net.ipv4.ip_forward=0"], Some(&wires), "");
        lab.sysctl(&[
            "net.ipv6.conf.default.accept_dad=0",
            "net.ipv6.conf.default.addr_gen_mode=1",
            "net.ipv4.ip_forward=1",
            "net.ipv6.conf.all.forwarding=1",
            "net.ipv4.icmp_ratelimit=0",
            "net.ipv4.icmp_msgs_per_sec=100000",
            "net.ipv4.icmp_msgs_burst=100000",
            "net.ipv6.icmp.ratelimit=0",
            // Echo replies are what a walk calls delivered.
            "net.ipv4.icmp_echo_ignore_all=1",
            "net.ipv6.icmp.echo_ignore_all=1",
            "net.ipv4.conf.all.send_redirects=0",
            "net.ipv4.conf.default.send_redirects=0",
            "net.ipv4.conf.all.rp_filter=0",
            "net.ipv4.conf.default.rp_filter=0",
        ]);
        lab.connect();
        lab.configure_v4();
        lab.configure_v6();
        lab.open();
        lab
    }

    /// Devices, wires and the bridge.
    fn connect(&self) {
        let [router, wires] = &self.names;
        let mut links = String::new();
        for (device, _) in DEVICES {
            let (mac, peer) = (router_mac(device), host_mac(device));
            links += &format!(
                "link add {device} address {mac} netns {router} type veth peer name {device} address {peer} netns {wires}\n"
            );
        }
        run("ip", &["-batch", "-"], None, &links);
        let up: String = DEVICES.iter().map(|(device, _)| format!("link set {device} up\n")).collect();
        run("ip", &["-n", wires, "-batch", "-"], None, &up);
        let bridge = router_mac("br0");
        let mut batch = format!(
            "link add br0 address {bridge} type bridge mcast_snooping 0\nlink set lo up\n{up}link set br0 up\n"
        );
        for port in ["p1", "p2", "p3"] {
            batch += &format!("link set {port} master br0\n");
        }
        run("ip", &["-n", router, "-batch", "-"], None, &batch);
        for port in ["p1", "p2"] {
            let mac = host_mac(port).to_string();
            run("bridge", &["fdb", "replace", &mac, "dev", port, "master", "static"], Some(router), "");
        }
    }

    /// Addresses, neighbours and routes of IPv4.
    fn configure_v4(&self) {
        let mut batch = String::new();
        batch += "address add 10.1.0.1/24 dev c0\naddress add 10.2.0.1/24 dev s0\naddress add 10.3.0.1/24 dev br0\nlink set s0 mtu 1400\n";
        for (device, address) in [("c0", "10.1.0.2"), ("s0", "10.2.0.2"), ("br0", "10.3.0.11"), ("br0", "10.3.0.12")] {
            let host = match address {
                "10.3.0.11" => "p1",
                "10.3.0.12" => "p2",
                _ => device,
            };
            batch += &format!("neighbour add {address} lladdr {} nud permanent dev {device}\n", host_mac(host));
        }
        for address in ["10.1.0.50", "10.1.0.98", "10.1.0.99"] {
            let _ = writeln!(batch, "neighbour add {address} lladdr {} nud permanent dev c0", host_mac("c0"));
        }
        batch += "route add 10.20.0.0/16 via 10.2.0.2\nroute add 10.11.0.0/16 via 10.1.0.2\nroute add 10.13.0.0/16 via 10.3.0.11\nroute add unreachable 10.66.0.0/16\nroute add prohibit 10.67.0.0/16\n\
                  route add blackhole 10.68.0.0/16\nroute add local 10.71.0.0/16 dev lo\n\
                  rule add to 10.81.0.0/16 unreachable\nrule add to 10.82.0.0/16 prohibit\nrule add to 10.83.0.0/16 blackhole\n";
        run("ip", &["-n", &self.names[0], "-batch", "-"], None, &batch);
    }

    /// Those of IPv6.
    fn configure_v6(&self) {
        let mut six = String::new();
        for (device, net) in [("c0", 1), ("s0", 2), ("br0", 3)] {
            six += &format!(
                "address add fd0{net}::1/64 dev {device} nodad\naddress add fe80::{net}/64 dev {device} nodad\n"
            );
        }
        for (device, address) in [
            ("c0", "fd01::2"),
            ("s0", "fd02::2"),
            ("br0", "fd03::11"),
            ("br0", "fd03::12"),
            ("c0", "fe80::12"),
            ("s0", "fe80::12"),
            ("br0", "fe80::12"),
            ("c0", "fd01::50"),
            ("c0", "fd01::99"),
        ] {
            let host = match address {
                "fd03::11" | "fe80::12" if device == "br0" => "p1",
                "fd03::12" => "p2",
                _ => device,
            };
            six += &format!("neighbour add {address} lladdr {} nud permanent dev {device}\n", host_mac(host));
        }
        six += "route add fd20::/64 via fd02::2\nroute add unreachable fd66::/64\nroute add prohibit fd67::/64\nroute add blackhole fd68::/64\n\
                rule add to fd81::/64 unreachable\nrule add to fd82::/64 prohibit\nrule add to fd83::/64 blackhole\n";
        run("ip", &["-6", "-n", &self.names[0], "-batch", "-"], None, &six);
    }

    /// Opens a packet socket on each wire.
    fn open(&mut self) {
        let netns = File::open(format!("/run/netns/{}", self.names[1])).expect("a namespace");
        let opened = std::thread::spawn(move || {
            move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network)).expect("root enters");
            let mut wires = HashMap::new();
            for interface in nix::ifaddrs::getifaddrs().expect("addresses") {
                let Some((device, _)) = DEVICES.iter().find(|(device, _)| *device == interface.interface_name) else {
                    continue;
                };
                let Some(address) = interface.address.as_ref().and_then(|address| address.as_link_addr().copied())
                else {
                    continue;
                };
                let wire = socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), SockProtocol::EthAll)
                    .expect("root opens");
                bind(wire.as_raw_fd(), &address).expect("binds");
                wires.insert(*device, wire);
            }
            wires
        });
        self.wires = opened.join().expect("the thread ends");
        assert_eq!(self.wires.len(), DEVICES.len());
        // What is sent behind another frame arrives behind it only on one processor.
        let mut one = CpuSet::new();
        let allowed = sched_getaffinity(Pid::from_raw(0)).expect("a set");
        let first = (0..CpuSet::count()).find(|cpu| allowed.is_set(*cpu) == Ok(true)).expect("a processor");
        one.set(first).expect("it exists");
        sched_setaffinity(Pid::from_raw(0), &one).expect("pinned");
    }

    pub(crate) fn sysctl(&self, settings: &[&str]) {
        for setting in settings {
            run("sysctl", &["-q", "-w", setting], Some(&self.names[0]), "");
        }
    }

    /// Runs a tool in the router.
    pub(crate) fn tool(&self, command: &str, arguments: &[&str], input: &str) {
        run(command, arguments, Some(&self.names[0]), input);
    }

    /// The router as the collector sees it.
    pub(crate) fn snapshot(&self) -> NamespaceSnapshot {
        let selection = Selection { host: NetnsRef::Name(self.names[0].clone()), others: Others::None };
        let node = collect(NodeName::from("node"), &selection, &Options::default()).expect("the namespace exists");
        node.namespaces.into_iter().next().expect("one namespace")
    }

    /// Sends a frame into the router by the wire of `device`, and tells what came out where by the time that an ARP request behind it
    /// was answered.
    pub(crate) fn send(&self, device: &'static str, frame: &Frame) -> Vec<(&'static str, Seen)> {
        self.drain(None);
        let wire = self.wires.get(device).expect("a wire").as_raw_fd();
        // A veth says so if its peer takes no frame of that length.
        let sent = send(wire, &wire::encode(frame), MsgFlags::empty());
        assert!(sent.is_ok() || sent == Err(nix::errno::Errno::ENOBUFS), "{sent:?}");
        let address = DEVICES.iter().find(|(name, _)| *name == device).expect("a device").1;
        let probe = wire::arp_probe(host_mac(device), Ipv4Addr::from(address));
        send(wire, &probe, MsgFlags::empty()).expect("sent");
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut seen = Vec::new();
        while !self.drain(Some((device, &mut seen))) {
            assert!(Instant::now() < deadline, "no ARP reply on {device}");
            std::thread::yield_now();
        }
        // What came before the reply, by a wire that was read before.
        self.drain(Some((device, &mut seen)));
        seen.sort_by_key(|(wire, seen)| (*wire, format!("{seen:?}")));
        seen
    }

    /// Reads all that is there. True once an ARP reply came by the wire named.
    fn drain(&self, mut into: Option<(&str, &mut Vec<(&'static str, Seen)>)>) -> bool {
        let mut done = false;
        let mut buffer = [0; 4096];
        for (device, wire) in &self.wires {
            while let Ok(length) = recv(wire.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                let bytes = buffer.get(..length).unwrap_or_default();
                let Some((of, seen)) = into.as_mut() else { continue };
                done |= device == of && wire::is_arp_reply(bytes);
                seen.extend(wire::decode(bytes).map(|frame| (*device, frame)));
            }
        }
        done
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        remove(&self.names);
    }
}
