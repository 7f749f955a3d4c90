//! The socket tables of procfs, `/proc/net/{tcp,udp}{,6}` (`Documentation/networking/proc_net_tcp.rst`).

use std::net::IpAddr;

use skoop_model::{Port, Protocol, Socket, SocketState};

use super::sockets::state;

/// The receiving sockets of one table. They say nothing of marks, devices and `IPV6_V6ONLY`.
///
/// # Errors
///
/// The first line that is not one of such a table.
pub(super) fn parse(table: &str, protocol: Protocol) -> Result<Vec<Socket>, String> {
    let mut sockets = Vec::new();
    for text in table.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        let socket = line(text, protocol).ok_or_else(|| text.trim().to_owned())?;
        let receives = protocol != Protocol::TCP || socket.state == SocketState::Listen;
        if receives && socket.port != Port(0) {
            sockets.push(socket);
        }
    }
    Ok(sockets)
}

/// `sl: local remote state tx:rx tr:tm retrnsmt uid timeout inode …`
fn line(text: &str, protocol: Protocol) -> Option<Socket> {
    let mut words = text.split_ascii_whitespace().skip(1);
    let (address, port) = end(words.next()?)?;
    let (remote, remote_port) = end(words.next()?)?;
    let state = state(u8::from_str_radix(words.next()?, 16).ok()?);
    let uid = words.nth(3)?.parse().ok()?;
    let inode = words.nth(1)?.parse().ok()?;
    Some(Socket {
        protocol,
        address,
        port,
        remote: (remote_port != Port(0)).then_some((remote, remote_port)),
        state,
        v6only: None,
        link: None,
        uid,
        inode,
        mark: None,
    })
}

/// `ADDRESS:PORT` in hexadecimal. The address is printed as words of the host's byte order, so that each word's bytes are
/// those of the address.
fn end(text: &str) -> Option<(IpAddr, Port)> {
    let (address, port) = text.split_once(':')?;
    let mut bytes = Vec::new();
    for word in address.as_bytes().chunks(8) {
        bytes.extend(u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?.to_ne_bytes());
    }
    let address = match address.len() {
        8 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        32 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    Some((address, Port(u16::from_str_radix(port, 16).ok()?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    #[test]
    fn listeners_and_bound_sockets_are_read() {
        let tcp = format!(
            "{HEAD}   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 100 0\n\
             \x20  1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 20 4\n"
        );
        let sockets = parse(&tcp, Protocol::TCP).expect("a table");
        assert_eq!(sockets.len(), 1, "one listener");
        let listener = sockets.first().expect("a listener");
        assert_eq!((listener.address.to_string().as_str(), listener.port), ("127.0.0.1", Port(8080)));
        assert_eq!((listener.uid, listener.inode, listener.state), (1000, 4242, SocketState::Listen));

        let udp = format!(
            "{HEAD} 100: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 \
             00:00000000 00000000     0        0 0 2 0 0\n"
        );
        let sockets = parse(&udp, Protocol::UDP).expect("a table");
        assert_eq!(sockets.first().map(|socket| socket.address), Some("::1".parse().expect("an address")));
        assert_eq!(sockets.first().map(|socket| socket.inode), Some(0), "a socket of the kernel's own");
    }

    #[test]
    fn what_is_no_table_is_named() {
        let table = format!("{HEAD}   0: nonsense\n");
        assert_eq!(parse(&table, Protocol::TCP).err().as_deref(), Some("0: nonsense"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_table_or_an_error(table in "(?s).{0,300}") {
            let _ = parse(&table, Protocol::UDP);
        }

        #[test]
        fn almost_any_line_is_a_socket_or_an_error(line in "[ 0-9A-F:]{0,160}") {
            let _ = parse(&format!("{HEAD}{line}"), Protocol::TCP);
        }
    }
}
