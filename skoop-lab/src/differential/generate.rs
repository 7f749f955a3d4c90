//! Random nodes and packets, by seed.

mod iptables;
mod native;
mod packets;
mod routing;

use std::net::IpAddr;

use super::case::{Case, Flow, Node};
use super::random::Random;
use super::shape::{HOSTS, Shape, v4, v6};

/// What a node and its packets are made of: addresses and ports that occur, so that rules and packets meet.
pub(super) struct Pool {
    pub shape: Shape,
    /// Numbers of the networks.
    pub networks: Vec<u8>,
    /// Device names by place in `networks`.
    pub devices: Vec<&'static str>,
}

/// Destination ports that occur.
pub(super) const PORTS: [u16; 5] = [53, 80, 443, 8080, 9000];

impl Pool {
    fn new(shape: Shape) -> Self {
        let devices = shape.devices();
        Self {
            shape,
            networks: devices.iter().map(|device| device.1).collect(),
            devices: devices.iter().map(|device| device.0).collect(),
        }
    }

    pub fn network(&self, random: &mut Random) -> u8 {
        *random.pick(&self.networks)
    }

    /// A host on a network.
    pub fn host(random: &mut Random, network: u8, six: bool) -> IpAddr {
        let host = *random.pick(&HOSTS);
        if six { v6(network, host) } else { v4(network, host) }
    }

    /// The node's own address on a network.
    pub fn own(network: u8, six: bool) -> IpAddr {
        if six { v6(network, 1) } else { v4(network, 1) }
    }

    /// An address behind host 2 of a network.
    pub fn remote(random: &mut Random, network: u8, six: bool) -> IpAddr {
        let host = 1 + u8::try_from(random.below(4)).unwrap_or(0);
        if six {
            [0xfd10, u16::from(network), 0, 0, 0, 0, 0, u16::from(host)].into()
        } else {
            [172, 16, network, host].into()
        }
    }

    /// An address that only NAT gives a meaning.
    pub fn service(random: &mut Random, six: bool) -> IpAddr {
        let host = 1 + u8::try_from(random.below(4)).unwrap_or(0);
        if six { [0xfd96, 0, 0, 0, 0, 0, 0, u16::from(host)].into() } else { [10, 96, 0, host].into() }
    }

    /// Any address that occurs.
    pub fn any(&self, random: &mut Random, six: bool) -> IpAddr {
        let network = self.network(random);
        match random.below(8) {
            0..=2 => Self::host(random, network, six),
            3 | 4 => Self::remote(random, network, six),
            5 | 6 => Self::service(random, six),
            _ => Self::own(network, six),
        }
    }

    /// A prefix that holds addresses that occur.
    pub fn prefix(&self, random: &mut Random, six: bool) -> String {
        let address = self.any(random, six);
        let bits =
            if six { *random.pick(&[128, 128, 126, 64, 32, 16]) } else { *random.pick(&[32, 32, 30, 24, 16, 8]) };
        let net = ipnet::IpNet::new(address, bits).map(|net| net.trunc());
        net.map_or_else(|_| address.to_string(), |net| net.to_string())
    }
}

/// The case of a seed, with so many flows.
pub(super) fn case(seed: u64, flows: usize) -> Case {
    let shape = if seed.is_multiple_of(2) { Shape::Routed } else { Shape::Bridged };
    let random = &mut Random::new(seed.wrapping_mul(0x1_0001).wrapping_add(17));
    let pool = Pool::new(shape);
    let mut node = Node::default();
    routing::fill(random, &pool, &mut node);
    iptables::fill(random, &pool, &mut node);
    native::fill(random, &pool, &mut node);
    let flows = (0..flows).map(|number| Flow { steps: packets::flow(random, &pool, number) }).collect();
    Case { shape, seed, node, flows }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_case_every_time() {
        for seed in 0..20 {
            assert_eq!(case(seed, 48), case(seed, 48));
        }
        assert_ne!(case(0, 48), case(2, 48));
    }

    #[test]
    fn a_case_survives_its_file() {
        let case = case(3, 48);
        let text = toml::to_string(&case).expect("text");
        assert_eq!(toml::from_str::<Case>(&text).expect("a case"), case);
    }
}
