//! `ttl` and `hl` (`net/netfilter/xt_hl.c`): TTL or hop limit.

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Ttl {
    test: Test,
    value: u8,
}

#[derive(Debug)]
enum Test {
    Equal,
    NotEqual,
    Less,
    Greater,
}

impl Matcher for Ttl {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = None;
        for arg in args {
            let test = match (arg.name, arg.negated) {
                ("--ttl-eq" | "--ttl" | "--hl-eq", false) => Test::Equal,
                ("--ttl-eq" | "--ttl" | "--hl-eq", true) => Test::NotEqual,
                ("--ttl-lt" | "--hl-lt", false) => Test::Less,
                ("--ttl-gt" | "--hl-gt", false) => Test::Greater,
                _ => return None,
            };
            parsed = Some(Self { test, value: arg.parsed()? });
        }
        parsed
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let ttl = run.packet.ttl;
        match self.test {
            Test::Equal => ttl == self.value,
            Test::NotEqual => ttl != self.value,
            Test::Less => ttl < self.value,
            Test::Greater => ttl > self.value,
        }
        .into()
    }
}
