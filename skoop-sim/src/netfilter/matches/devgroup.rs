//! `devgroup` (`net/netfilter/xt_devgroup.c`): group of the devices.

use skoop_model::Link;

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, masked};
use crate::netfilter::run::Run;

#[derive(Debug, Clone, Copy)]
struct Group {
    value: u32,
    mask: u32,
    negated: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Devgroup {
    src: Option<Group>,
    dst: Option<Group>,
}

impl Matcher for Devgroup {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        for arg in args {
            // The one name that every /etc/iproute2/group has.
            let (value, mask) = match arg.value()? {
                "default" => (0, u32::MAX),
                text => masked(text, u32::MAX)?,
            };
            let group = Some(Group { value, mask, negated: arg.negated });
            match arg.name {
                "--src-group" => parsed.src = group,
                "--dst-group" => parsed.dst = group,
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let check = |group: Option<Group>, device: Option<&Link>| match (group, device) {
            (None, _) => Tri::Yes,
            // The rule can only stand where there is a device, so it was not seen.
            (Some(_), None) => Tri::Maybe,
            (Some(group), Some(device)) => ((device.group & group.mask == group.value) != group.negated).into(),
        };
        check(self.src, run.at.in_device).and(check(self.dst, run.at.out_device))
    }
}
