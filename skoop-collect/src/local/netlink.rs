//! Netlink requests and dumps, and the attributes of their messages.
//!
//! A plain blocking socket: a dump is a few system calls that the kernel answers at once, and each namespace has a thread of its own.

use std::io;
use std::time::Duration;

use netlink_packet_core::{DecodeError, Emitable, NetlinkBuffer, NlasIterator};
use netlink_sys::{Socket, SocketAddr};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use skoop_model::Unavailable;

use crate::error::reason_of;

/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 0x1;
/// `NLM_F_DUMP_INTR`: what is dumped changed under the dump.
const DUMP_INTERRUPTED: u16 = 0x10;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `MSG_TRUNC`: tells the length of the datagram even where it is cut.
const MSG_TRUNC: i32 = 0x20;
/// A dump's datagrams are at most 32 KiB, single messages (many virtual functions) at most 64 KiB.
const BUFFER_BYTES: usize = 128 << 10;
/// The kernel answers within the system call; this only keeps a broken one from hanging the run.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A dump that was interrupted this often stays incomplete.
const DUMP_ATTEMPTS: usize = 8;
const HEADER_BYTES: usize = 16;

/// What went wrong with a request, with the request.
#[derive(Debug)]
pub(super) struct NetlinkError {
    pub(super) operation: &'static str,
    pub(super) source: io::Error,
}

impl NetlinkError {
    fn malformed(operation: &'static str, detail: impl Into<String>) -> Self {
        Self { operation, source: io::Error::new(io::ErrorKind::InvalidData, detail.into()) }
    }

    /// Whether the kernel answered with this error number.
    pub(super) fn is(&self, errno: rustix::io::Errno) -> bool {
        self.source.raw_os_error() == Some(errno.raw_os_error())
    }
}

impl From<NetlinkError> for Unavailable {
    fn from(error: NetlinkError) -> Self {
        Self::new(reason_of(&error.source), format!("{}: {}", error.operation, error.source))
    }
}

/// A netlink socket in the namespace of the thread that opened it.
pub(super) struct Netlink {
    socket: Socket,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Netlink {
    /// Opens a socket of a netlink protocol (`NETLINK_ROUTE`…).
    pub(super) fn open(operation: &'static str, protocol: isize) -> Result<Self, NetlinkError> {
        let open = || -> io::Result<Socket> {
            let socket = Socket::new(protocol)?;
            set_socket_timeout(&socket, Timeout::Recv, Some(TIMEOUT))?;
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok(socket)
        };
        let socket = open().map_err(|source| NetlinkError { operation, source })?;
        Ok(Self { socket, buffer: Vec::with_capacity(BUFFER_BYTES), sequence: 0 })
    }

    /// Everything that a dump request yields: `parse` gets the type and payload of each message, and passes over those that it
    /// answers with `None`.
    pub(super) fn dump<T>(
        &mut self,
        operation: &'static str,
        kind: u16,
        payload: &[u8],
        mut parse: impl FnMut(u16, &[u8]) -> Result<Option<T>, DecodeError>,
    ) -> Result<Vec<T>, NetlinkError> {
        for _ in 0..DUMP_ATTEMPTS {
            let mut values = Vec::new();
            let mut interrupted = false;
            self.sequence += 1;
            let request = message(kind, DUMP, self.sequence, payload);
            self.send(operation, &request)?;
            self.receive(operation, self.sequence, |header, body| {
                interrupted |= header.flags & DUMP_INTERRUPTED != 0;
                values.extend(parse(header.kind, body)?);
                Ok(())
            })?;
            if !interrupted {
                return Ok(values);
            }
        }
        Err(NetlinkError { operation, source: io::Error::other("it changed again and again while being read") })
    }

    /// Sends all `payloads` as requests of one kind at once and yields the answers in the same order: the payload of the first
    /// message, or the kernel's error.
    pub(super) fn ask_all(
        &mut self,
        operation: &'static str,
        kind: u16,
        payloads: &[Vec<u8>],
    ) -> Result<Vec<io::Result<Vec<u8>>>, NetlinkError> {
        let first = self.sequence + 1;
        let mut request = Vec::new();
        for payload in payloads {
            self.sequence += 1;
            request.extend(message(kind, REQUEST, self.sequence, payload));
        }
        self.send(operation, &request)?;
        let mut answers = Vec::with_capacity(payloads.len());
        for sequence in first..=self.sequence {
            answers.push(self.answer(operation, sequence)?);
        }
        Ok(answers)
    }

    fn send(&self, operation: &'static str, request: &[u8]) -> Result<(), NetlinkError> {
        self.socket.send(request, 0).map(drop).map_err(|source| NetlinkError { operation, source })
    }

    /// The one datagram that answers a request without a dump.
    fn answer(&mut self, operation: &'static str, sequence: u32) -> Result<io::Result<Vec<u8>>, NetlinkError> {
        let datagram = self.datagram(operation)?;
        let (header, body, _) = split(operation, datagram)?;
        if header.sequence != sequence {
            return Err(NetlinkError::malformed(operation, "an answer to another request"));
        }
        Ok(match header.kind {
            NLMSG_ERROR => match errno(body) {
                Some(error) => Err(error),
                None => Ok(Vec::new()),
            },
            _ => Ok(body.to_vec()),
        })
    }

    fn receive(
        &mut self,
        operation: &'static str,
        sequence: u32,
        mut each: impl FnMut(Header, &[u8]) -> Result<(), DecodeError>,
    ) -> Result<(), NetlinkError> {
        let mut failure = None;
        loop {
            let mut rest = self.datagram(operation)?;
            while !rest.is_empty() {
                let (header, body, after) = split(operation, rest)?;
                rest = after;
                if header.sequence != sequence {
                    continue;
                }
                match header.kind {
                    NLMSG_ERROR | NLMSG_DONE => {
                        return match (errno(body), failure) {
                            (Some(source), _) => Err(NetlinkError { operation, source }),
                            (None, Some(error)) => Err(error),
                            (None, None) => Ok(()),
                        };
                    }
                    // After a message that makes no sense the rest is still read, so that the socket can be used again.
                    _ if failure.is_none() => {
                        failure =
                            each(header, body).err().map(|error| NetlinkError::malformed(operation, error.to_string()));
                    }
                    _ => {}
                }
            }
        }
    }

    fn datagram(&mut self, operation: &'static str) -> Result<&[u8], NetlinkError> {
        self.buffer.clear();
        let length = loop {
            match self.socket.recv(&mut self.buffer, MSG_TRUNC) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(|source| NetlinkError { operation, source })?,
            }
        };
        if length == 0 || length > self.buffer.len() {
            return Err(NetlinkError::malformed(operation, format!("a datagram of {length} bytes")));
        }
        Ok(&self.buffer)
    }
}

/// What is used of `struct nlmsghdr`.
#[derive(Debug, Clone, Copy)]
struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
}

/// The first message of a datagram, and what follows it.
fn split<'a>(operation: &'static str, datagram: &'a [u8]) -> Result<(Header, &'a [u8], &'a [u8]), NetlinkError> {
    let malformed = || NetlinkError::malformed(operation, "a cut message");
    let message = NetlinkBuffer::new_checked(datagram).map_err(|_| malformed())?;
    let length = usize::try_from(message.length()).map_err(|_| malformed())?;
    let header = Header { kind: message.message_type(), flags: message.flags(), sequence: message.sequence_number() };
    let body = datagram.get(HEADER_BYTES..length).ok_or_else(malformed)?;
    let after = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    Ok((header, body, after))
}

/// The error in the body of `NLMSG_ERROR` or `NLMSG_DONE`; none if it tells success.
fn errno(body: &[u8]) -> Option<io::Error> {
    match body.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes)) {
        Some(code) if code < 0 => Some(io::Error::from_raw_os_error(-code)),
        _ => None,
    }
}

fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = HEADER_BYTES + payload.len();
    let mut message = Vec::with_capacity(length.next_multiple_of(4));
    message.extend(u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend([0; 4]);
    message.extend(payload);
    message.resize(length.next_multiple_of(4), 0);
    message
}

/// A message as bytes.
pub(super) fn emit(message: &impl Emitable) -> Vec<u8> {
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(&mut bytes);
    bytes
}

/// The attributes that follow `header` bytes of a payload, as kind and value. A cut tail is left out.
pub(super) fn attributes(payload: &[u8], header: usize) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(payload.get(header..).unwrap_or_default()).filter_map(|attribute| {
        let attribute = attribute.ok()?;
        let whole = attribute.into_inner();
        Some((attribute.kind(), whole.get(4..usize::from(attribute.length()))?))
    })
}

/// One attribute as bytes, padded.
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = 4 + value.len();
    let mut bytes = Vec::with_capacity(length.next_multiple_of(4));
    bytes.extend(u16::try_from(length).unwrap_or(u16::MAX).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}

/// A payload with its first `header` bytes and those attributes only that `keep` lets through, changed or not. So an attribute
/// that nobody reads, of a newer kernel or an odd driver, cannot spoil the message.
pub(super) fn retain(payload: &[u8], header: usize, keep: impl Fn(u16, &[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut bytes = payload.get(..header).unwrap_or(payload).to_vec();
    for (kind, value) in attributes(payload, header) {
        if let Some(value) = keep(kind, value) {
            bytes.extend(attribute(kind, &value));
        }
    }
    bytes
}

/// A name as the kernel has it, made UTF-8: the kernel lets device names be any bytes.
pub(super) fn readable(name: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(name).into_owned().into_bytes()
}

/// A number in an attribute, host byte order.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// A NUL-terminated text in an attribute.
pub(super) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

/// Malformed data, for parsers that find less than they need.
pub(super) fn incomplete(what: &'static str) -> DecodeError {
    DecodeError::from(what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn retained_attributes_keep_their_order_and_the_rest_goes() {
        let payload = [vec![7; 4], attribute(1, b"a"), attribute(2, b"bb"), attribute(3, b"ccccc")].concat();
        let kept = retain(&payload, 4, |kind, value| (kind != 2).then(|| value.to_vec()));
        assert_eq!(attributes(&kept, 4).collect::<Vec<_>>(), [(1, &b"a"[..]), (3, &b"ccccc"[..])]);
        assert_eq!(kept.get(..4), Some(&[7; 4][..]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_attributes_or_none(payload: Vec<u8>, header in 0usize..40) {
            let kept = retain(&payload, header, |_, value| Some(value.to_vec()));
            prop_assert_eq!(attributes(&kept, header).count(), attributes(&payload, header).count());
        }

        #[test]
        fn any_datagram_splits_or_fails(datagram: Vec<u8>) {
            let mut rest = datagram.as_slice();
            while !rest.is_empty() {
                match split("test", rest) {
                    Ok((_, _, after)) => rest = after,
                    Err(_) => break,
                }
            }
        }
    }
}
