//! `set` (`net/netfilter/xt_set.c`): membership in an ipset.

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::Args;
use crate::netfilter::ipset::Side;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Set {
    name: Box<str>,
    sides: Box<[Side]>,
    negated: bool,
    /// An entry marked `nomatch` counts as found, others as not.
    return_nomatch: bool,
}

impl Set {
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Matcher for Set {
    /// Counters of entries are not modelled.
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = None;
        let mut return_nomatch = false;
        for arg in args {
            match arg.name {
                "--match-set" => {
                    let (name, sides) = arg.two_values()?;
                    let sides = sides.split(',').map(Side::parse).collect::<Option<_>>()?;
                    parsed = Some(Self { name: name.into(), sides, negated: arg.negated, return_nomatch: false });
                }
                "--return-nomatch" => return_nomatch = true,
                // Whether counters of the set are touched changes nothing.
                "--update-counters" | "--update-subcounters" => {}
                _ => return None,
            }
        }
        parsed.map(|set| Self { return_nomatch, ..set })
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        run.sets().contains(&self.name, &self.sides, self.return_nomatch, run).invert_if(self.negated)
    }
}
