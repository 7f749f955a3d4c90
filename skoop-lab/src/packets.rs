//! Real packets: many attempts at once from one namespace, and what became of each. Shares no code with the simulator.

mod icmp;
mod tcp;
mod udp;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use skoop_model::{Protocol, Verdict};
use socket2::{Domain, Socket, Type};

use crate::background::Background;
use crate::netns;

/// Attempts for one answer: where two of three work, the chance that all do is (2/3)^40, below 1e-7; where one of three works, the chance
/// that none does is the same.
pub const ATTEMPTS: usize = 40;

/// How long one attempt waits. Below TCP's first retransmission (1 s, RFC 6298), so that an attempt is one packet each way.
pub const PATIENCE: Duration = Duration::from_millis(900);

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Namespace to send from.
    pub netns: String,
    /// Destination address.
    pub address: IpAddr,
    /// Destination port; unused for ICMP.
    pub port: u16,
    /// TCP, UDP or ICMP.
    pub protocol: Protocol,
    /// Bytes above the transport header. ICMP bears "don't fragment".
    pub size_bytes: u32,
    /// Source port; with one, there is one attempt only.
    pub source_port: Option<u16>,
}

/// What became of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    /// The other end answered.
    Answered,
    /// TCP reset, or ICMP port unreachable.
    Refused,
    /// Silence.
    TimedOut,
    /// No route, or ICMP unreachable of another kind.
    Unreachable,
    /// Larger than the path takes.
    TooBig,
    /// The sender's own firewall said no.
    NotPermitted,
    /// Any other error of the socket.
    Failed,
}

impl Attempt {
    fn of_error(error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        match error.kind() {
            Kind::ConnectionRefused | Kind::ConnectionReset => Self::Refused,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown | Kind::AddrNotAvailable => {
                Self::Unreachable
            }
            Kind::TimedOut | Kind::WouldBlock => Self::TimedOut,
            Kind::PermissionDenied => Self::NotPermitted,
            // EMSGSIZE has no kind of its own.
            _ if error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error()) => Self::TooBig,
            _ => Self::Failed,
        }
    }
}

/// What the network did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured(pub Vec<Attempt>);

impl Measured {
    /// Attempts that were answered.
    pub fn answered(&self) -> usize {
        self.0.iter().filter(|attempt| **attempt == Attempt::Answered).count()
    }

    /// Reachable if all attempts were answered, unreachable if none was, else degraded.
    pub fn verdict(&self) -> Verdict {
        match self.answered() {
            0 => Verdict::Unreachable,
            all if all == self.0.len() => Verdict::Reachable,
            _ => Verdict::Degraded,
        }
    }
}

/// For people: `40 of 40 answered`, `0 of 40 answered (40 refused)`.
impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} answered", self.answered(), self.0.len())?;
        let kinds = [
            (Attempt::Refused, "refused"),
            (Attempt::TimedOut, "timed out"),
            (Attempt::Unreachable, "unreachable"),
            (Attempt::TooBig, "too big"),
            (Attempt::NotPermitted, "not permitted"),
            (Attempt::Failed, "failed"),
        ];
        let counted = kinds.map(|(kind, name)| (self.0.iter().filter(|attempt| **attempt == kind).count(), name));
        let told: Vec<String> =
            counted.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
        if told.is_empty() { Ok(()) } else { write!(f, " ({})", told.join(", ")) }
    }
}

/// Sends, and waits for what comes back.
pub(crate) fn measure(background: &Background, probe: &Probe) -> Result<Measured> {
    let attempts = if probe.source_port.is_some() { 1 } else { ATTEMPTS };
    let attempts = match probe.protocol {
        Protocol::TCP => {
            let sockets = open(probe, attempts, Type::STREAM)?;
            background.wait(tcp::attempts(sockets, probe.clone()))?
        }
        Protocol::UDP => {
            let sockets = open(probe, attempts, Type::DGRAM)?;
            background.wait(udp::attempts(sockets, probe.clone()))?
        }
        protocol if protocol.is_icmp() => netns::enter(&probe.netns, || icmp::attempts(probe, attempts))??,
        protocol => bail!("the lab sends no {protocol} packets"),
    };
    Ok(Measured(attempts))
}

/// Opens the attempts' sockets in the sender's namespace.
fn open(probe: &Probe, attempts: usize, kind: Type) -> Result<Vec<Socket>> {
    let domain = Domain::for_address(probe.destination());
    let open = || -> std::io::Result<Socket> {
        let socket = Socket::new(domain, kind, None)?;
        socket.set_nonblocking(true)?;
        if let Some(port) = probe.source_port {
            let any: IpAddr = if probe.address.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
            socket.set_reuse_address(true)?;
            socket.bind(&SocketAddr::new(any, port).into())?;
        }
        Ok(socket)
    };
    Ok(netns::enter(&probe.netns, || (0..attempts).map(|_| open()).collect::<std::io::Result<Vec<_>>>())??)
}

impl Probe {
    fn destination(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    /// At least one byte, so that an answer can be told from silence.
    fn payload(&self) -> Vec<u8> {
        vec![b's'; usize::try_from(self.size_bytes).unwrap_or(usize::MAX).max(1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_add_up_to_a_verdict() {
        let measured = |answered: usize, lost: usize| {
            Measured([vec![Attempt::Answered; answered], vec![Attempt::TimedOut; lost]].concat())
        };
        assert_eq!(measured(3, 0).verdict(), Verdict::Reachable);
        assert_eq!(measured(0, 3).verdict(), Verdict::Unreachable);
        assert_eq!(measured(2, 1).verdict(), Verdict::Degraded);
        assert_eq!(measured(2, 1).to_string(), "2 of 3 answered (1 timed out)");
    }
}
