//! `recent` (`net/netfilter/xt_recent.c`): addresses seen before, from `/proc/net/xt_recent/NAME`.
//!
//! The lists hold times in jiffies since boot, and neither "now" nor the length of a jiffy. What can be judged all the same: an
//! address that is not in its list; one whose entry has to be old, because another time in the lists is so much later (a jiffy is
//! 1 ms at least, `CONFIG_HZ` is 1000 at most); one that a rule has just put there; and any, where `--seconds` is not asked for. A line
//! `jiffies: NOW hz: HZ` in any list makes the rest exact.
//!
//! The mask of a list is that of the rule that made it; rules of one list are taken to have the same one, as all known writers have.

mod list;

use std::net::IpAddr;

use skoop_model::Family;

pub(crate) use list::{Lists, Memory};

use super::Matcher;
use crate::Tri;
use crate::conntrack::Origin;
use crate::netfilter::args::{Args, number};
use crate::netfilter::common::bits;
use crate::netfilter::run::Run;
use list::Touch;

#[derive(Debug)]
pub(crate) struct Recent(Box<Test>);

#[derive(Debug)]
struct Test {
    name: Box<str>,
    act: Act,
    negated: bool,
    seconds: Option<u64>,
    hits: usize,
    same_ttl: bool,
    destination: bool,
    mask: u128,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    Set,
    Check,
    Update,
    Remove,
}

impl Matcher for Recent {
    fn parse(args: Args<'_>) -> Option<Self> {
        let family = args.family;
        let mut act = None;
        let mut test = Test {
            name: "DEFAULT".into(),
            act: Act::Set,
            negated: false,
            seconds: None,
            hits: 0,
            same_ttl: false,
            destination: false,
            mask: u128::MAX,
        };
        for arg in args {
            let found = match arg.name {
                "--set" => Some(Act::Set),
                "--rcheck" => Some(Act::Check),
                "--update" => Some(Act::Update),
                "--remove" => Some(Act::Remove),
                _ => None,
            };
            if let Some(found) = found {
                act = Some((found, arg.negated));
                arg.flag()?;
                continue;
            }
            match arg.name {
                "--seconds" => {
                    test.seconds = Some(number(arg.value()?)?).filter(|seconds| *seconds != 0).map(u64::from);
                }
                "--hitcount" => test.hits = usize::try_from(number(arg.value()?)?).ok()?,
                // Old entries are removed behind the answer.
                "--reap" => arg.flag()?,
                "--rttl" => test.same_ttl = true,
                "--name" => test.name = arg.value()?.into(),
                "--mask" => test.mask = mask(arg.parsed()?, family)?,
                "--rsource" => test.destination = false,
                "--rdest" => test.destination = true,
                _ => return None,
            }
        }
        (test.act, test.negated) = act?;
        Some(Self(Box::new(test)))
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        self.0.eval(run)
    }

    fn doubt(&self) -> Option<String> {
        let name = &self.0.name;
        Some(match self.0.seconds {
            Some(_) => {
                format!("match `recent`: when list `{name}` saw the address last is not known, or it was not collected")
            }
            None => format!("match `recent`: list `{name}` was not collected"),
        })
    }
}

impl Recent {
    /// Whether it asks for an address that is in the list.
    pub(super) fn remembers(&self) -> bool {
        matches!(self.0.act, Act::Check | Act::Update) && !self.0.negated
    }
}

fn mask(address: IpAddr, family: Family) -> Option<u128> {
    (Family::of(address) == family).then(|| bits(address))
}

impl Test {
    /// `recent_mt`.
    fn eval(&self, run: &Run<'_>) -> Tri {
        let address = bits(if self.destination { run.packet.dst } else { run.packet.src }) & self.mask;
        // "use TTL as seen before forwarding"
        let forwarded = run.at.out_device.is_some() && run.state.origin != Some(Origin::Local);
        let ttl = run.packet.ttl.saturating_add(u8::from(forwarded));
        let memory = run.conntrack.recent();
        let key = (run.packet.family(), address);
        if self.act == Act::Set {
            memory.touch(&self.name, key, ttl, Touch::Seen);
            return Tri::from(!self.negated);
        }
        let found = self.look(run, key, ttl);
        match (self.act, found) {
            (Act::Remove, Tri::Yes) => memory.touch(&self.name, key, ttl, Touch::Removed),
            (Act::Update, Tri::Yes) if !self.negated => memory.touch(&self.name, key, ttl, Touch::Seen),
            _ => {}
        }
        found.invert_if(self.negated)
    }

    fn look(&self, run: &Run<'_>, key: (Family, u128), ttl: u8) -> Tri {
        let wanted_ttl = self.same_ttl.then_some(ttl);
        let remembered = run.conntrack.recent().find(&self.name, key, wanted_ttl);
        let lists = run.rules.known.recent();
        let entry = match (&remembered, lists) {
            (Some(found), _) if found.removed => None,
            (_, Some(lists)) => lists.find(&self.name, key, wanted_ttl),
            (_, None) => None,
        };
        let now = remembered.map_or(0, |found| found.seen);
        // Without the lists, older times may be there as well.
        let unknown = lists.is_none() && !remembered.is_some_and(|found| found.removed);
        if self.act == Act::Remove {
            return match (now > 0 || entry.is_some(), unknown) {
                (true, _) => Tri::Yes,
                (false, true) => Tri::Maybe,
                (false, false) => Tri::No,
            };
        }
        let (mut sure, mut possible) = (now, now);
        for stamp in entry.map_or(&[][..], |entry| &entry.stamps) {
            let fresh = match (self.seconds, lists) {
                (Some(seconds), Some(lists)) => lists.is_younger(*stamp, seconds),
                _ => Tri::Yes,
            };
            sure += usize::from(fresh == Tri::Yes);
            possible += usize::from(fresh != Tri::No);
        }
        let needed = self.hits.max(1);
        if sure >= needed {
            Tri::Yes
        } else if possible >= needed || unknown {
            Tri::Maybe
        } else {
            Tri::No
        }
    }
}
