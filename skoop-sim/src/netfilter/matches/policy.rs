//! `policy` (`net/netfilter/xt_policy.c`): what IPsec did or will do with the packet.

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Policy {
    incoming: bool,
    none: bool,
}

impl Matcher for Policy {
    fn parse(args: Args<'_>) -> Option<Self> {
        let (mut incoming, mut none) = (None, false);
        for arg in args {
            match arg.name {
                "--dir" => {
                    incoming = Some(match arg.value()? {
                        "in" => true,
                        "out" => false,
                        _ => return None,
                    });
                }
                "--pol" => {
                    none = match arg.value()? {
                        "none" => true,
                        "ipsec" => false,
                        _ => return None,
                    };
                }
                "--strict" | "--next" => arg.flag()?,
                "--reqid" | "--spi" | "--tunnel-src" | "--tunnel-dst" | "--proto" | "--mode" => {
                    arg.value()?;
                }
                _ => return None,
            }
        }
        Some(Self { incoming: incoming?, none })
    }

    /// What a walk takes in came from the wire as it is: nothing was decrypted, there is no `secpath`.
    fn eval(&self, run: &Run<'_>) -> Tri {
        if self.incoming || run.env.has_ipsec() == Some(false) { self.none.into() } else { Tri::Maybe }
    }

    fn doubt(&self) -> Option<String> {
        Some("match `policy`: IPsec policies are not collected".to_owned())
    }
}
