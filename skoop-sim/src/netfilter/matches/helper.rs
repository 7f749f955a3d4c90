//! `helper` (`net/netfilter/xt_helper.c`): the helper that foretold the flow.

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Helper {
    /// Empty: any.
    name: Box<str>,
    negated: bool,
}

impl Matcher for Helper {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = None;
        for arg in args {
            if arg.name != "--helper" {
                return None;
            }
            parsed = Some(Self { name: arg.value()?.into(), negated: arg.negated });
        }
        parsed
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let found = match run.conntrack.of_packet(run.state) {
            Some((connection, ..)) if connection.assumed => Tri::Maybe,
            Some((connection, ..)) => match &connection.master_helper {
                // "strncmp(helper->name, info->name, strlen(helper->name))"
                Some(helper) => (self.name.is_empty() || self.name.starts_with(&**helper)).into(),
                None if connection.expected => Tri::Maybe,
                None => Tri::No,
            },
            None => Tri::No,
        };
        found.invert_if(self.negated)
    }

    fn doubt(&self) -> Option<String> {
        Some("match `helper`: which helper foretold the flow is not known".to_owned())
    }
}
