//! All ways of a packet as one result.

use skoop_sim::{ForkKind, Way};

use super::fate::Fate;
use super::way::Walked;
use super::{WalkBranch, WalkResult, WalkVerdict};

/// Probabilities that differ by less are the same: they are products of a few.
const CLOSE: f64 = 1e-9;

/// Where the ways lead: the different ends, and what would have to be known to tell which.
#[derive(Debug, Default)]
struct Spread<'a> {
    parts: Vec<Part<'a>>,
    unknown: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    fate: &'a Fate,
    /// None if it hangs on something unknown.
    probability: Option<f64>,
}

/// The result of all ways of a packet; `cut` is their number if there are more.
pub(super) fn merged(ways: &[Way<Walked>], cut: Option<usize>) -> WalkResult {
    let own = |way: &Way<Walked>| way.value.forks;
    let mut spread = spread(ways, 0, &own, &|way| Some(&way.value.fate));
    if let Some(count) = cut {
        spread.doubt(format!("the packet may take more than {count} ways, of which so many were walked"));
    }
    let mut result = spread.result();
    let has_reply = ways.iter().any(|way| way.value.reply.is_some());
    if has_reply {
        result.reply = reply(ways, |_| true).map(Box::new);
    }
    if spread.parts.len() > 1 {
        result.branches = spread.parts.iter().map(|part| branch(*part)).collect();
        for (branch, part) in result.branches.iter_mut().zip(&spread.parts).filter(|_| has_reply) {
            branch.result.reply = reply(ways, |fate| fate == part.fate).map(Box::new);
        }
        likeliest_first(&mut result.branches);
    }
    result
}

/// What becomes of the answers to the ways that end as `is_meant` says.
fn reply(ways: &[Way<Walked>], is_meant: impl Fn(&Fate) -> bool) -> Option<WalkResult> {
    let all = |way: &Way<Walked>| way.choices.len();
    let spread = spread(ways, 0, &all, &|way| way.value.reply.as_ref().filter(|_| is_meant(&way.value.fate)));
    if spread.parts.is_empty() {
        return None;
    }
    let mut result = spread.result();
    if spread.parts.len() > 1 {
        result.branches = spread.parts.iter().map(|part| branch(*part)).collect();
        likeliest_first(&mut result.branches);
    }
    Some(result)
}

fn branch(part: Part<'_>) -> WalkBranch {
    let probability = part.probability.map(|probability| (probability * 1e6).round() / 1e6);
    WalkBranch { probability, result: part.fate.result.clone() }
}

/// Those of unknown probability last.
fn likeliest_first(branches: &mut [WalkBranch]) {
    let rank = |branch: &WalkBranch| branch.probability.unwrap_or(-1.0);
    branches.sort_by(|one, other| rank(other).total_cmp(&rank(one)));
}

/// Where the ways lead that are alike up to fork `depth`, the forks being a tree. `forks` says how many of a way's count, `pick`
/// which end is meant; a way without one is passed over.
fn spread<'a>(
    ways: &'a [Way<Walked>],
    depth: usize,
    forks: &dyn Fn(&Way<Walked>) -> usize,
    pick: &dyn Fn(&'a Way<Walked>) -> Option<&'a Fate>,
) -> Spread<'a> {
    let Some(first) = ways.first() else { return Spread::default() };
    let choice = match first.choices.get(depth) {
        Some(choice) if depth < forks(first) => choice,
        // Ways that differ only behind what counts: the first that has an end stands for all.
        _ => return ways.iter().find_map(pick).map(Spread::certain).unwrap_or_default(),
    };
    let taken = |way: &Way<Walked>| way.choices.get(depth).map(|choice| choice.taken);
    let children = ways.chunk_by(|one, other| taken(one) == taken(other)).map(|group| {
        let weight = taken(group.first().unwrap_or(first)).and_then(|taken| choice.options.get(taken)).copied();
        (weight.unwrap_or(0.0), spread(group, depth + 1, forks, pick))
    });
    let children: Vec<(f64, Spread<'a>)> = children.filter(|(_, child)| !child.parts.is_empty()).collect();
    match &choice.kind {
        ForkKind::Random | ForkKind::Hash => by_chance(children),
        ForkKind::Unknown(unseen) => not_known(children, format!("{}: {}", unseen.what, unseen.why)),
    }
}

fn by_chance(children: Vec<(f64, Spread<'_>)>) -> Spread<'_> {
    let total: f64 = children.iter().map(|(weight, _)| weight).sum();
    let even = 1.0 / f64::from(u32::try_from(children.len().max(1)).unwrap_or(u32::MAX));
    let mut all = Spread::default();
    for (weight, child) in children {
        let share = if total > 0.0 { weight / total } else { even };
        for part in child.parts {
            all.add(Part { probability: part.probability.map(|probability| probability * share), ..part });
        }
        child.unknown.into_iter().for_each(|why| all.reason(why));
    }
    all
}

fn not_known(children: Vec<(f64, Spread<'_>)>, why: String) -> Spread<'_> {
    let mut children = children.into_iter().map(|(_, child)| child);
    let Some(first) = children.next() else { return Spread::default() };
    let rest: Vec<Spread<'_>> = children.collect();
    if rest.iter().all(|child| child.is_like(&first)) {
        return first;
    }
    let mut all = Spread::default();
    all.reason(why);
    for child in std::iter::once(first).chain(rest) {
        for part in child.parts {
            all.add(Part { probability: None, ..part });
        }
        child.unknown.into_iter().for_each(|why| all.reason(why));
    }
    all
}

impl<'a> Spread<'a> {
    fn certain(fate: &'a Fate) -> Self {
        Self { parts: vec![Part { fate, probability: Some(1.0) }], unknown: fate.result.unknown.clone() }
    }

    fn reason(&mut self, why: String) {
        if !self.unknown.contains(&why) {
            self.unknown.push(why);
        }
    }

    /// Nothing is certain any more.
    fn doubt(&mut self, why: String) {
        self.parts.iter_mut().for_each(|part| part.probability = None);
        self.reason(why);
    }

    fn add(&mut self, part: Part<'a>) {
        match self.parts.iter_mut().find(|known| known.fate == part.fate) {
            Some(known) => known.probability = known.probability.zip(part.probability).map(|(one, other)| one + other),
            None => self.parts.push(part),
        }
    }

    /// The same ends with the same probabilities, all of them known.
    fn is_like(&self, other: &Self) -> bool {
        let is_known = |spread: &Self| spread.unknown.is_empty();
        let same = |one: &Part<'_>, other: &Part<'_>| {
            one.fate == other.fate
                && match (one.probability, other.probability) {
                    (Some(one), Some(other)) => (one - other).abs() < CLOSE,
                    (one, other) => one == other,
                }
        };
        is_known(self)
            && is_known(other)
            && self.parts.len() == other.parts.len()
            && self.parts.iter().all(|part| other.parts.iter().any(|found| same(part, found)))
    }

    /// The ends as one result without branches: what all have in common.
    fn result(&self) -> WalkResult {
        let Some((first, rest)) = self.parts.split_first() else {
            return WalkResult::blank(WalkVerdict::Undetermined);
        };
        let mut result = first.fate.result.clone();
        for part in rest {
            common(&mut result, &part.fate.result);
        }
        let alike = rest.iter().all(|part| part.fate.ends_like(first.fate));
        let one_verdict = rest.iter().all(|part| part.fate.verdict == first.fate.verdict);
        result.verdict = match self.unknown.is_empty() {
            _ if alike => result.verdict,
            true => WalkVerdict::Mixed,
            // What is unknown changes the packet and not its end.
            false if one_verdict => result.verdict,
            false => WalkVerdict::Undetermined,
        };
        // What changes nothing that can be seen does not matter.
        let matters = !alike || result.verdict == WalkVerdict::Undetermined;
        result.unknown = if matters { self.unknown.clone() } else { Vec::new() };
        result
    }
}

/// Leaves what two results have in common.
fn common(result: &mut WalkResult, other: &WalkResult) {
    fn keep<T: PartialEq>(field: &mut Option<T>, other: Option<&T>) {
        if field.as_ref() != other {
            *field = None;
        }
    }
    keep(&mut result.out, other.out.as_ref());
    keep(&mut result.port, other.port.as_ref());
    keep(&mut result.next_hop, other.next_hop.as_ref());
    keep(&mut result.dst_mac, other.dst_mac.as_ref());
    keep(&mut result.src, other.src.as_ref());
    keep(&mut result.sport, other.sport.as_ref());
    keep(&mut result.dst, other.dst.as_ref());
    keep(&mut result.dport, other.dport.as_ref());
    keep(&mut result.mark, other.mark.as_ref());
    keep(&mut result.tos, other.tos.as_ref());
    keep(&mut result.ttl, other.ttl.as_ref());
    keep(&mut result.encap, other.encap.as_ref());
    keep(&mut result.answer, other.answer.as_ref());
    keep(&mut result.decided_by, other.decided_by.as_ref());
}
