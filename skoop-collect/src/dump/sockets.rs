//! Sockets: `ss`, in the layouts of its many options.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use skoop_model::{Item, Mark, Port, Protocol, Socket, SocketState};

use super::Reader;
use super::fields::number;
use super::services::service;

const FILE: &str = "ss.txt";

/// Listening TCP sockets and bound UDP sockets.
pub(super) fn read(reader: &mut Reader<'_>) -> Item<Vec<Socket>> {
    let text = match reader.text(FILE) {
        Ok(text) => text,
        Err(why) => return Item::Unavailable(why),
    };
    let dialect = Dialect::of(text);
    let mut sockets = Vec::new();
    for (position, line) in text.lines().enumerate() {
        // Lines that begin with blanks go on with what was said before (`-i`, `-m`).
        if line.trim().is_empty() || line.starts_with([' ', '\t']) || is_header(line) {
            continue;
        }
        match socket(reader, line, &dialect) {
            Ok(found) => sockets.extend(found),
            Err(why) => reader.problem(FILE, position + 1, why),
        }
    }
    reader.known(sockets)
}

fn is_header(line: &str) -> bool {
    line.starts_with("Netid") || line.starts_with("State") || line.starts_with("Failed to")
}

/// What differs from version to version and from option to option.
struct Dialect {
    /// Before iproute2 4.14 `*` was IPv4's any address, and IPv6's was `::` without brackets.
    is_old: bool,
    /// Protocol of lines that do not begin with it: only one was asked for (`ss -tln`).
    only: Option<Protocol>,
}

impl Dialect {
    fn of(text: &str) -> Self {
        let is_old = text.split_ascii_whitespace().any(|word| word.starts_with(":::"));
        let header = text.lines().find(|line| is_header(line)).unwrap_or_default();
        // Without the column of the protocol TCP and UDP are told apart by their states.
        let only = header.starts_with("State").then(|| {
            let is_udp = text.lines().any(|line| line.starts_with("UNCONN"));
            if is_udp { Protocol::UDP } else { Protocol::TCP }
        });
        Self { is_old, only }
    }
}

fn socket(reader: &mut Reader<'_>, line: &str, dialect: &Dialect) -> Result<Option<Socket>, String> {
    let mut words = line.split_ascii_whitespace();
    let protocol = match dialect.only {
        Some(only) => only,
        None => match words.next() {
            Some("tcp" | "mptcp") => Protocol::TCP,
            Some("udp") => Protocol::UDP,
            // Unix, netlink, packet and raw sockets: no ports.
            _ => return Ok(None),
        },
    };
    let state = match words.next().ok_or("no state")? {
        "LISTEN" => SocketState::Listen,
        "ESTAB" => SocketState::Established,
        "UNCONN" => SocketState::Unconnected,
        _ => return Ok(None),
    };
    if protocol == Protocol::TCP && state != SocketState::Listen {
        return Ok(None);
    }
    let mut ends = words.by_ref().skip_while(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    let local = end(ends.next().ok_or("no local address")?, dialect)?;
    let remote = end(ends.next().ok_or("no peer address")?, dialect)?;
    let Some(port) = local.port else { return Ok(None) };
    let mut socket = Socket {
        protocol,
        address: local.address,
        port,
        remote: remote.port.map(|port| (remote.address, port)),
        state,
        v6only: local.v6only,
        link: local.device.map(|name| reader.devices.index(&name)),
        uid: 0,
        inode: 0,
        mark: None,
    };
    for word in ends {
        extra(&mut socket, word);
    }
    Ok(Some(socket))
}

/// What `-e` adds: `uid:1000 ino:4242 fwmark:0x7 v6only:1`.
fn extra(socket: &mut Socket, word: &str) {
    let Some((key, value)) = word.split_once(':') else { return };
    match key {
        "uid" => socket.uid = value.parse().unwrap_or(0),
        "ino" => socket.inode = value.parse().unwrap_or(0),
        "fwmark" => socket.mark = number(value).and_then(|mark| u32::try_from(mark).ok()).map(Mark),
        "v6only" if socket.address.is_ipv6() => socket.v6only = Some(number(value) == Some(1)),
        _ => {}
    }
}

/// One end of a socket.
struct End {
    address: IpAddr,
    device: Option<String>,
    /// None for `*` and 0.
    port: Option<Port>,
    v6only: Option<bool>,
}

/// `0.0.0.0:22`, `[::]:22`, `*:22`, `[fe80::1]%eth0:546`, `0.0.0.0%v1:84`, and of old `:::22`.
fn end(text: &str, dialect: &Dialect) -> Result<End, String> {
    let wrong = || format!("`{text}` is no address with a port");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = match port {
        "*" => None,
        port => {
            Some(port.parse().ok().or_else(|| service(port)).map(Port).ok_or_else(wrong)?).filter(|port| port.0 != 0)
        }
    };
    // The device stands behind the brackets, or within them where it is the zone of a link-local address.
    let (host, device) = match host.split_once('%') {
        Some((host, device)) => (host, Some(device.trim_end_matches(']').to_owned())),
        None => (host, None),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let (address, v6only) = match bare {
        "*" if dialect.is_old => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), None),
        // An IPv6 socket that takes IPv4 too.
        "*" => (IpAddr::V6(Ipv6Addr::UNSPECIFIED), Some(false)),
        "::" if host.starts_with('[') => (IpAddr::V6(Ipv6Addr::UNSPECIFIED), Some(true)),
        bare => (bare.parse().map_err(|_| wrong())?, None),
    };
    Ok(End { address, device, port, v6only })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dump::Files;

    fn sockets(text: &str) -> Vec<Socket> {
        let mut files = Files::default();
        files.insert("ss.txt", text);
        let dumped = files.load();
        assert_eq!(dumped.problems, []);
        dumped.snapshot.sockets.elements().to_vec()
    }

    fn addresses(text: &str) -> Vec<String> {
        sockets(text)
            .iter()
            .map(|socket| format!("{} {}:{} {:?}", socket.protocol, socket.address, socket.port, socket.v6only))
            .collect()
    }

    #[test]
    fn what_is_printed_says_who_takes_ipv4() {
        let text = "Netid State  Recv-Q Send-Q     Local Address:Port Peer Address:PortProcess\n\
            nl    UNCONN 0      0                   rtnl:kernel              *\n\
            udp   UNCONN 0      0                      *:55              *:*    users:((\"python3\",pid=2019,fd=5))\n\
            udp   ESTAB  0      0               10.9.0.1:54          10.9.0.2:99\n\
            tcp   LISTEN 0      128                 [::]:82           [::]:*    ino:11425237 sk:2aff v6only:1 <->\n\
            \t bbr cwnd:10\n\
            tcp   ESTAB  0      0               10.9.0.1:54          10.9.0.2:99\n\
            tcp   LISTEN 0      128              0.0.0.0:ssh       0.0.0.0:*\n";
        assert_eq!(
            addresses(text),
            ["udp :::55 Some(false)", "udp 10.9.0.1:54 None", "tcp :::82 Some(true)", "tcp 0.0.0.0:22 None"]
        );
        assert_eq!(sockets(text)[1].remote, Some(("10.9.0.2".parse().expect("an address"), Port(99))));
    }

    #[test]
    fn old_and_short_layouts_are_read() {
        assert_eq!(
            addresses(
                "tcp    LISTEN     0      128       *:22                    *:*\ntcp    LISTEN     0      128      :::22                   :::*\n"
            ),
            ["tcp 0.0.0.0:22 None", "tcp :::22 None"]
        );
        assert_eq!(
            addresses(
                "State  Recv-Q Send-Q Local Address:Port Peer Address:Port\nLISTEN 0 128 127.0.0.1:80 0.0.0.0:*\n"
            ),
            ["tcp 127.0.0.1:80 None"]
        );
        let bound =
            sockets("tcp   LISTEN 0      128           0.0.0.0%v1:84        0.0.0.0:* uid:5 ino:7 fwmark:0x10\n");
        assert!(bound.iter().all(|socket| socket.link.is_some() && socket.uid == 5 && socket.mark == Some(Mark(0x10))));
    }
}
