//! `time` (`net/netfilter/xt_time.c`): when the packet comes.

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Time {
    /// Nothing restricts it.
    always: bool,
}

impl Matcher for Time {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut always = true;
        for arg in args {
            let value = arg.value();
            match arg.name {
                "--kerneltz" | "--utc" | "--localtz" | "--contiguous" => arg.flag()?,
                "--timestart" => always &= matches!(value?, "00:00" | "00:00:00"),
                "--timestop" => always &= value? == "23:59:59",
                // The bounds of what the kernel can compare with, which some backends print.
                "--datestart" => always &= value? == "1970-01-01T00:00:00",
                "--datestop" => always &= value? == "2038-01-19T03:14:07",
                "--weekdays" | "--monthdays" => always &= value?.is_empty(),
                _ => return None,
            }
        }
        Some(Self { always })
    }

    fn eval(&self, _run: &Run<'_>) -> Tri {
        if self.always { Tri::Yes } else { Tri::Maybe }
    }

    fn doubt(&self) -> Option<String> {
        Some("match `time`: when the packet comes is not known".to_owned())
    }
}
