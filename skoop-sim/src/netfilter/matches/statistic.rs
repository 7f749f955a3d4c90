//! `statistic` (`net/netfilter/xt_statistic.c`): chance.

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Statistic {
    probability: f64,
}

impl Statistic {
    /// How probable a match is.
    pub(crate) fn probability(&self) -> f64 {
        self.probability
    }
}

impl Matcher for Statistic {
    /// Mode `nth` counts packets from an unknown number on: one in `every` matches.
    fn parse(args: Args<'_>) -> Option<Self> {
        let (mut mode, mut probability, mut negated) = (None, None, false);
        for arg in args {
            match arg.name {
                "--mode" => mode = Some(arg.value()?),
                "--probability" => {
                    probability = Some(arg.parsed::<f64>()?);
                    negated = arg.negated;
                }
                "--every" => {
                    probability = Some(1.0 / f64::from(arg.parsed::<u32>().filter(|every| *every > 0)?));
                    negated = arg.negated;
                }
                "--packet" => {
                    arg.value()?;
                }
                _ => return None,
            }
        }
        let probability = probability.filter(|probability| (0.0..=1.0).contains(probability))?;
        matches!(mode?, "random" | "nth").then_some(())?;
        Some(Self { probability: if negated { 1.0 - probability } else { probability } })
    }

    /// Chance is asked for once all other matches agreed.
    fn eval(&self, _run: &Run<'_>) -> Tri {
        Tri::Yes
    }
}
