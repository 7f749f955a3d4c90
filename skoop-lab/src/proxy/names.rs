//! Names of chains (`pkg/proxy/iptables/proxier.go`, `portProtoHash`; `pkg/proxy/nftables/proxier.go`, `hashAndTruncate`).

use sha2::{Digest, Sha256};
use skoop_model::Protocol;

/// Alphabet of RFC 4648 base32.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Letters of a hash in a chain's name: 80 bits.
const LETTERS: u32 = 16;

/// `KUBE-SVC-…` for a service port.
pub(super) fn service(port_name: &str, protocol: Protocol) -> String {
    format!("KUBE-SVC-{}", letters(&format!("{port_name}{protocol}")))
}

/// `KUBE-SVL-…`: local endpoints only.
pub(super) fn service_local(port_name: &str, protocol: Protocol) -> String {
    format!("KUBE-SVL-{}", letters(&format!("{port_name}{protocol}")))
}

/// `KUBE-EXT-…`: traffic from outside.
pub(super) fn external(port_name: &str, protocol: Protocol) -> String {
    format!("KUBE-EXT-{}", letters(&format!("{port_name}{protocol}")))
}

/// `KUBE-FW-…`: allowed source ranges.
pub(super) fn firewall(port_name: &str, protocol: Protocol) -> String {
    format!("KUBE-FW-{}", letters(&format!("{port_name}{protocol}")))
}

/// `KUBE-SEP-…`: one endpoint of a service port.
pub(super) fn endpoint(port_name: &str, protocol: Protocol, endpoint: &str) -> String {
    format!("KUBE-SEP-{}", letters(&format!("{port_name}{protocol}{endpoint}")))
}

/// `HASH-NAMESPACE/NAME/PROTOCOL/PORT`, what the chains of a service port are called after in nftables.
pub(super) fn nft_port(namespace: &str, name: &str, protocol: Protocol, port: &str) -> String {
    let text = format!("{namespace}/{name}/{protocol}/{port}");
    format!("{:.8}-{text}", letters(&text))
}

/// The same of one endpoint, with `__ADDRESS/PORT`. A colon is no letter of a chain's name.
pub(super) fn nft_endpoint(namespace: &str, name: &str, protocol: Protocol, port: &str, endpoint: &str) -> String {
    let (address, number) = endpoint.rsplit_once(':').unwrap_or((endpoint, ""));
    let address = address.trim_matches(['[', ']']).replace(':', ".");
    let text = format!("{namespace}/{name}/{protocol}/{port}__{address}/{number}");
    format!("{:.8}-{text}", letters(&text))
}

/// SHA-256 in base32, as far as names hold it.
fn letters(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    let upper = hash.iter().take(16).fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    let letter = |index: u32| ALPHABET.get((upper >> (123 - 5 * index)) as usize & 31).copied().unwrap_or(b'A');
    (0..LETTERS).map(|index| char::from(letter(index))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_those_of_kube_proxy() {
        assert_eq!(service("default/kubernetes:https", Protocol::TCP), "KUBE-SVC-NPX46M4PTMTKRN6Y");
        assert_eq!(nft_port("ns1", "svc1", Protocol::TCP, "p80"), "ULMVA6XW-ns1/svc1/tcp/p80");
    }

    #[test]
    fn names_fit_into_a_chain_name_and_do_not_meet() {
        let names: BTreeSet<String> = (0..20_000)
            .map(|number| endpoint("default/web:http", Protocol::TCP, &format!("10.244.1.2:{number}")))
            .collect();
        assert_eq!(names.len(), 20_000);
        // XT_EXTENSION_MAXNAMELEN is 29 with its end.
        assert!(names.iter().all(|name| name.len() == 25));
    }
}
