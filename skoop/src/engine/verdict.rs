//! From ways to a verdict.

use skoop_model::{Share, Verdict};
use skoop_sim::{Choice, ForkKind, Way};

use super::trip::{Trip, TripResult};

/// Two probabilities closer than this are one.
const EPSILON: f64 = 1e-9;

/// Bounds of the probability that a first packet and its answer get through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// If everything unknown is against it.
    pub low: f64,
    /// If everything unknown is for it.
    pub high: f64,
}

impl Bounds {
    const SUCCESS: Self = Self { low: 1.0, high: 1.0 };
    const FAILURE: Self = Self { low: 0.0, high: 0.0 };
    const UNKNOWN: Self = Self { low: 0.0, high: 1.0 };

    /// Bounds over all ways; `truncated` says that there were more.
    pub fn of(ways: &[Way<Trip>], truncated: bool) -> Self {
        let all: Vec<&Way<Trip>> = ways.iter().collect();
        let mut bounds = over(&all, 0);
        if truncated {
            bounds.low = 0.0;
            bounds.high = 1.0;
        }
        bounds
    }

    /// The verdict.
    pub fn verdict(self) -> Verdict {
        if self.low > 1.0 - EPSILON {
            Verdict::Reachable
        } else if self.high < EPSILON {
            Verdict::Unreachable
        } else if self.low > EPSILON && self.high < 1.0 - EPSILON || self.is_exact() {
            Verdict::Degraded
        } else {
            Verdict::Undetermined
        }
    }

    /// The share, where it is known.
    pub fn share(self) -> Option<Share> {
        self.is_exact().then_some(Share(self.low))
    }

    fn is_exact(self) -> bool {
        (self.high - self.low).abs() < EPSILON
    }
}

/// Bounds of ways that agree on their first `depth` choices.
fn over(ways: &[&Way<Trip>], depth: usize) -> Bounds {
    let Some(first) = ways.first() else { return Bounds::UNKNOWN };
    let Some(fork) = first.choices.get(depth) else { return leaf(first) };
    let branches = branches(ways, fork, depth);
    match fork.kind {
        ForkKind::Random => branches.iter().fold(Bounds::FAILURE, |sum, (probability, bounds)| Bounds {
            low: sum.low + probability * bounds.low,
            high: sum.high + probability * bounds.high,
        }),
        ForkKind::Hash | ForkKind::Unknown(_) => Bounds {
            low: branches.iter().map(|(_, bounds)| bounds.low).fold(1.0, f64::min),
            high: branches.iter().map(|(_, bounds)| bounds.high).fold(0.0, f64::max),
        },
    }
}

fn branches(ways: &[&Way<Trip>], fork: &Choice, depth: usize) -> Vec<(f64, Bounds)> {
    let taken = |way: &Way<Trip>| way.choices.get(depth).map(|choice| choice.taken);
    let options = fork.options.iter().enumerate();
    options
        .map(|(option, probability)| {
            let group: Vec<&Way<Trip>> = ways.iter().filter(|way| taken(way) == Some(option)).copied().collect();
            (*probability, over(&group, depth + 1))
        })
        .collect()
}

fn leaf(way: &Way<Trip>) -> Bounds {
    match way.value.result {
        TripResult::Success => Bounds::SUCCESS,
        TripResult::Failure => Bounds::FAILURE,
        TripResult::Unknown(_) | TripResult::Pending => Bounds::UNKNOWN,
    }
}

/// The verdict of one way.
pub fn of_trip(trip: &Trip) -> Verdict {
    match trip.result {
        TripResult::Success => Verdict::Reachable,
        TripResult::Failure => Verdict::Unreachable,
        TripResult::Unknown(_) | TripResult::Pending => Verdict::Undetermined,
    }
}
