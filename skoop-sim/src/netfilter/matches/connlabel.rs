//! `connlabel` (`net/netfilter/xt_connlabel.c`): one of the 128 labels of the flow.

use super::Matcher;
use crate::Tri;
use crate::conntrack::Tracking;
use crate::netfilter::args::{Args, number};
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Connlabel {
    bit: u32,
    negated: bool,
    /// `--set`: the flow gets the label, and the rule matches.
    set: bool,
}

impl Matcher for Connlabel {
    /// Names of labels stand in a file that no dump holds.
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = None;
        let mut set = false;
        for arg in args {
            match arg.name {
                "--label" => parsed = Some((number(arg.value()?).filter(|bit| *bit < 128)?, arg.negated)),
                "--set" => {
                    arg.flag()?;
                    set = true;
                }
                _ => return None,
            }
        }
        let (bit, negated) = parsed?;
        Some(Self { bit, negated, set })
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let (Some((connection, ..)), Tracking::Tracked { id, .. }) =
            (run.conntrack.of_packet(run.state), run.state.tracking)
        else {
            return self.negated.into();
        };
        let memory = run.conntrack.recent();
        let found = if (connection.labels >> self.bit) & 1 != 0 || memory.has_label(id, self.bit) {
            Tri::Yes
        } else if connection.assumed {
            Tri::Maybe
        } else {
            Tri::No
        };
        if self.set {
            memory.set_label(id, self.bit);
            return Tri::Yes.invert_if(self.negated);
        }
        found.invert_if(self.negated)
    }

    fn doubt(&self) -> Option<String> {
        Some("match `connlabel`: the labels of the flow are not known".to_owned())
    }
}
