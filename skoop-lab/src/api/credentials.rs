//! The one token of a server, and the two forms in which requests bear it.

use std::fs::File;
use std::io::{self, Read as _};

/// User name beside the token in basic authentication.
pub(super) const USER: &str = "skoop";
/// Alphabet of base64 (RFC 4648, section 4).
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What a request must bear.
#[derive(Debug)]
pub(super) struct Credentials {
    token: String,
    /// Values of the header `Authorization` that will do.
    accepted: [String; 2],
}

impl Credentials {
    /// A token that nobody guesses: 128 random bits.
    pub(super) fn random() -> io::Result<Self> {
        let mut random = [0u8; 16];
        File::open("/dev/urandom")?.read_exact(&mut random)?;
        let token = format!("{:032x}", u128::from_ne_bytes(random));
        let basic = base64(format!("{USER}:{token}").as_bytes());
        Ok(Self { accepted: [format!("Bearer {token}"), format!("Basic {basic}")], token })
    }

    /// The token.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Whether this value of the header `Authorization` will do.
    pub(super) fn accept(&self, authorization: &str) -> bool {
        self.accepted.iter().any(|accepted| accepted == authorization)
    }
}

fn base64(bytes: &[u8]) -> String {
    let letter = |bits: u32| BASE64.get(bits as usize & 63).copied().map_or('=', char::from);
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let byte = |index: usize| chunk.get(index).copied().map_or(0, u32::from);
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            let filled = |count: usize, letter| if chunk.len() >= count { letter } else { '=' };
            [letter(bits >> 18), letter(bits >> 12), filled(2, letter(bits >> 6)), filled(3, letter(bits))]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_follows_the_rfc() {
        // RFC 4648, section 10.
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn only_the_token_will_do() {
        let credentials = Credentials::random().unwrap();
        let basic = base64(format!("{USER}:{}", credentials.token()).as_bytes());
        assert!(credentials.accept(&format!("Bearer {}", credentials.token())));
        assert!(credentials.accept(&format!("Basic {basic}")));
        for wrong in ["", "Bearer ", "Basic ", credentials.token(), &format!("bearer {}", credentials.token())] {
            assert!(!credentials.accept(wrong), "{wrong}");
        }
    }
}
