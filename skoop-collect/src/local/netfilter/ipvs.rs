//! IPVS: `/proc/net/ip_vs` (`ip_vs_info_seq_show` in `net/netfilter/ipvs/ip_vs_ctl.c`), in the words of `ipvsadm -Sn`.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

pub(super) const FILE: &str = "/proc/thread-self/net/ip_vs";

/// Whether the table has any service.
pub(super) fn has_services(table: &str) -> bool {
    rows(table).next().is_some()
}

/// The table as `ipvsadm -Sn` prints it.
///
/// # Errors
///
/// The first line that is not one of such a table.
pub(super) fn render(table: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut service = String::new();
    for row in rows(table) {
        let line = line(row, &mut service).ok_or_else(|| row.trim().to_owned())?;
        text.push_str(line.trim_end());
        text.push('\n');
    }
    Ok(text)
}

/// The lines below the three of the head.
fn rows(table: &str) -> impl Iterator<Item = &str> {
    table.lines().skip(3).filter(|line| !line.trim().is_empty())
}

fn line(row: &str, service: &mut String) -> Option<String> {
    let mut words = row.split_ascii_whitespace();
    let kind = words.next()?;
    if kind == "->" {
        // `-> ADDRESS:PORT FORWARD WEIGHT ACTIVE INACTIVE`
        let server = end(words.next()?)?;
        let forward = match words.next()? {
            "Masq" => "-m",
            "Tunnel" => "-i",
            _ => "-g",
        };
        let weight: i32 = words.next()?.parse().ok()?;
        return (!service.is_empty()).then(|| format!("-a {service} -r {server} {forward} -w {weight}"));
    }
    let address = words.next()?;
    let v6 = address.starts_with('[');
    *service = match kind {
        "TCP" => format!("-t {}", end(address)?),
        "UDP" => format!("-u {}", end(address)?),
        "SCTP" => format!("--sctp-service {}", end(address)?),
        "FWM" => format!("-f {}", u32::from_str_radix(address, 16).ok()?),
        _ => return None,
    };
    let mut text = format!("-A {service} -s {}", words.next()?);
    while let Some(word) = words.next() {
        match word {
            "ops" => text.push_str(" -o"),
            "persistent" => {
                let seconds: u32 = words.next()?.parse().ok()?;
                let mask = u32::from_str_radix(words.next()?, 16).ok()?;
                write!(text, " -p {seconds}").ok()?;
                // Of IPv6 the kernel turns a prefix length around as if it were a mask.
                match (v6, u32::from_be(mask)) {
                    (false, u32::MAX) | (true, 128) => {}
                    (false, _) => write!(text, " -M {}", Ipv4Addr::from(mask)).ok()?,
                    (true, length) => write!(text, " -M {length}").ok()?,
                }
            }
            _ => {}
        }
    }
    Some(text)
}

/// `AC10000A:0050` or `[fd00:0000:…]:0050` as people write it.
fn end(text: &str) -> Option<String> {
    let (address, port) = text.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    match address.strip_prefix('[').and_then(|address| address.strip_suffix(']')) {
        Some(address) => match address.parse().ok()? {
            IpAddr::V6(address) => Some(format!("[{address}]:{port}")),
            IpAddr::V4(_) => None,
        },
        None if address.len() == 8 => {
            Some(format!("{}:{port}", Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?)))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "IP Virtual Server version 1.2.1 (size=4096)\n\
                        Prot LocalAddress:Port Scheduler Flags\n\
                        \x20 -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n";

    #[test]
    fn services_and_servers_read_as_ipvsadm_saves_them() {
        let table = format!(
            "{HEAD}TCP  0A600001:01BB rr persistent 10800 FFFFFFFF\n\
             \x20 -> C0A80002:192B      Masq    1      0          0         \n\
             UDP  0A60000A:0035 rr ops persistent 60 FFFFFF00\n\
             TCP  [fd00:0000:0000:0000:0000:0000:0000:0001]:0050 sh persistent 90 40000000\n\
             \x20 -> [fd44:0000:0000:0000:0000:0000:0000:0002]:1F90      Tunnel  0      0          0\n\
             FWM  0000000A wlc \n\
             \x20 -> 0A000001:0000      Route   -1     0          0\n"
        );
        let expected = "-A -t 10.96.0.1:443 -s rr -p 10800\n\
                        -a -t 10.96.0.1:443 -r 192.168.0.2:6443 -m -w 1\n\
                        -A -u 10.96.0.10:53 -s rr -o -p 60 -M 255.255.255.0\n\
                        -A -t [fd00::1]:80 -s sh -p 90 -M 64\n\
                        -a -t [fd00::1]:80 -r [fd44::2]:8080 -i -w 0\n\
                        -A -f 10 -s wlc\n\
                        -a -f 10 -r 10.0.0.1:0 -g -w -1\n";
        assert_eq!(render(&table).as_deref(), Ok(expected));
        assert!(has_services(&table) && !has_services(HEAD));
    }

    #[test]
    fn what_is_no_table_is_named() {
        assert_eq!(render(&format!("{HEAD}nonsense here\n")).err().as_deref(), Some("nonsense here"));
        assert!(render(&format!("{HEAD}  -> 0A000001:0000 Masq 1 0 0\n")).is_err(), "a server without a service");
    }

    proptest! {
        #[test]
        fn any_text_is_a_table_or_an_error(table in "(?s).{0,200}", row in "(TCP|FWM|->) [0-9A-F:\\[\\]]{0,40} rr") {
            let _ = render(&format!("{HEAD}{table}\n{row}"));
        }
    }
}
