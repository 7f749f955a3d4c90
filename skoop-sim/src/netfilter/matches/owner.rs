//! `owner` (`net/netfilter/xt_owner.c`): the process that sends.

use super::Matcher;
use super::shared::Within;
use crate::Tri;
use crate::conntrack::{Maker, Origin};
use crate::netfilter::args::{Arg, Args, number};
use crate::netfilter::run::Run;

#[derive(Debug, Default)]
pub(crate) struct Owner {
    user: Option<Within>,
    group: Option<Within>,
    /// `--suppl-groups`: further groups of the sender count too.
    further_groups: bool,
    /// `--socket-exists`, and whether it is inverted.
    socket: Option<bool>,
}

impl Matcher for Owner {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        for arg in args {
            match arg.name {
                "--uid-owner" => parsed.user = Some(ids(&arg)?),
                "--gid-owner" => parsed.group = Some(ids(&arg)?),
                "--socket-exists" => parsed.socket = Some(arg.flag().map(|()| arg.negated)?),
                "--suppl-groups" => parsed.further_groups = true,
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        if run.state.maker == Maker::NoSocket || run.state.origin == Some(Origin::Received) {
            return (self.without_user() && self.socket != Some(false)).into();
        }
        if run.state.maker == Maker::KernelSocket {
            // "filp == NULL".
            return (self.without_user() && self.socket != Some(true)).into();
        }
        let sender = run.state.sender;
        if sender.uid.is_none() && sender.gid.is_none() {
            // The kernel sends packets of its own, too.
            return Tri::Maybe;
        }
        // "Socket exists but user wanted ! --socket-exists."
        if self.socket == Some(true) {
            return Tri::No;
        }
        let user = self.user.map_or(Tri::Yes, |wanted| sender.uid.map_or(Tri::Maybe, |uid| wanted.holds(uid).into()));
        user.and(self.group.map_or(Tri::Yes, |wanted| self.of_group(wanted, sender.gid)))
    }

    fn doubt(&self) -> Option<String> {
        Some("match `owner`: the sending process is not known".to_owned())
    }
}

/// `0-99`, or one number.
fn ids(arg: &Arg<'_>) -> Option<Within> {
    let text = arg.value()?;
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(Within { first: number(first)?, last: number(last)?, negated: arg.negated })
}

impl Owner {
    /// "return (info->match ^ info->invert) == 0": only what is inverted holds.
    fn without_user(&self) -> bool {
        let inverted = |test: Option<Within>| test.is_none_or(|test| test.negated);
        inverted(self.user) && inverted(self.group)
    }

    fn of_group(&self, wanted: Within, group: Option<u32>) -> Tri {
        let Some(group) = group else { return Tri::Maybe };
        let own = Within { negated: false, ..wanted }.holds(group);
        let any = if !own && self.further_groups { Tri::Maybe } else { own.into() };
        any.invert_if(wanted.negated)
    }
}
