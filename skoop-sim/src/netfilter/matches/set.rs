//! `set` (`net/netfilter/xt_set.c`): membership in an ipset.

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::Args;
use crate::netfilter::ipset::{Question, Side};
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Set {
    name: Box<str>,
    question: Question,
    negated: bool,
}

impl Matcher for Set {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = None;
        let (mut return_nomatch, mut counters) = (false, false);
        for arg in args {
            match arg.name {
                "--match-set" => {
                    let (name, sides) = arg.two_values()?;
                    let sides = sides.split(',').map(Side::parse).collect::<Option<_>>()?;
                    parsed = Some((name, sides, arg.negated));
                }
                "--return-nomatch" => return_nomatch = true,
                // Whether counters of the set are touched changes nothing.
                "--update-counters" | "--update-subcounters" => {}
                "--packets-eq" | "--packets-lt" | "--packets-gt" | "--bytes-eq" | "--bytes-lt" | "--bytes-gt" => {
                    arg.parsed::<u64>()?;
                    counters = true;
                }
                _ => return None,
            }
        }
        let (name, sides, negated) = parsed?;
        Some(Self { name: name.into(), question: Question { sides, return_nomatch, counters }, negated })
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        run.sets().contains(&self.name, &self.question, run).invert_if(self.negated)
    }

    fn doubt(&self) -> Option<String> {
        let name = &self.name;
        Some(if self.question.counters {
            format!("match `set`: set `{name}` was not seen, or what its counters hold now is not known")
        } else {
            format!(
                "match `set`: set `{name}` was not seen, is of a type that is not modelled, or asks for an unknown MAC address"
            )
        })
    }
}
