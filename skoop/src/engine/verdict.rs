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

#[cfg(test)]
mod tests {
    use skoop_model::{Packet, Port, Unseen};
    use skoop_sim::{Forks, explore};

    use super::super::journey::{End, Journey};
    use super::*;

    fn trip(result: TripResult) -> Trip {
        let address = std::net::IpAddr::from([192, 0, 2, 1]);
        let origin = Packet::tcp_syn(address, Port(1), address, Port(2));
        let forward = Journey { origin, steps: Vec::new(), blocked: Vec::new(), passed: Vec::new(), end: End::Stopped };
        Trip { forward, reply: None, result }
    }

    fn when(worked: bool) -> Trip {
        trip(if worked { TripResult::Success } else { TripResult::Failure })
    }

    fn unseen() -> Unseen {
        Unseen { what: "rule".to_owned(), why: "unknown match".to_owned(), matters: true }
    }

    fn judge(walk: impl FnMut(&mut Forks) -> Trip) -> (Verdict, Option<f64>) {
        let (ways, truncated) = explore(64, walk);
        let bounds = Bounds::of(&ways, truncated);
        (bounds.verdict(), bounds.share().map(|share| share.0))
    }

    #[test]
    fn chance_degrades_by_its_probability() {
        let third = [1.0 / 3.0; 3];
        let (verdict, share) = judge(|forks| when(forks.random(&third, |_| String::new()) != 1));
        assert_eq!(verdict, Verdict::Degraded);
        assert!((share.expect("a known share") - 2.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn something_unknown_decides_only_where_its_ways_differ() {
        assert_eq!(judge(|forks| when(forks.unknown(unseen()))), (Verdict::Undetermined, None));
        let harmless = |forks: &mut Forks| {
            forks.unknown(unseen());
            when(true)
        };
        assert_eq!(judge(harmless), (Verdict::Reachable, Some(1.0)));
        let hopeless = |forks: &mut Forks| {
            forks.unknown(unseen());
            when(false)
        };
        assert_eq!(judge(hopeless), (Verdict::Unreachable, Some(0.0)));
    }

    #[test]
    fn a_hash_of_unknown_seed_is_open() {
        assert_eq!(judge(|forks| when(forks.hash(&[1.0, 1.0], |_| String::new()) == 0)), (Verdict::Undetermined, None));
    }

    #[test]
    fn some_ways_certain_and_some_unknown_is_degraded_without_a_share() {
        let third = [1.0 / 3.0; 3];
        let verdict = judge(|forks| match forks.random(&third, |_| String::new()) {
            0 => when(true),
            1 => when(false),
            _ => trip(TripResult::Unknown(unseen())),
        });
        assert_eq!(verdict, (Verdict::Degraded, None));
    }

    #[test]
    fn more_ways_than_can_be_walked_leave_it_open() {
        let endless = |forks: &mut Forks| {
            (0..12).for_each(|_| {
                forks.random(&[0.5, 0.5], |_| String::new());
            });
            when(true)
        };
        assert_eq!(judge(endless), (Verdict::Undetermined, None));
    }
}
