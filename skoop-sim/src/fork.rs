//! Forks: where the way of a packet depends on chance, on a hash, or on something unknown.
//!
//! A walk is written as if it took one way: at each fork it asks [`Forks`] which one. [`explore`] runs the walk again and again
//! until every way was taken. A walk without forks costs nothing extra, and no walk ever has to copy its state.

use skoop_model::Unseen;

/// Why the way forks.
#[derive(Debug, Clone, PartialEq)]
pub enum ForkKind {
    /// Chance decides for each flow anew, with these probabilities.
    Random,
    /// A hash with an unknown seed decides, always alike for the same flow.
    Hash,
    /// Something was not seen or not understood.
    Unknown(Unseen),
}

/// One fork, and the way taken there.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Why it forked.
    pub kind: ForkKind,
    /// Which option was taken, from 0.
    pub taken: usize,
    /// Probability of each option; for [`ForkKind::Unknown`] and [`ForkKind::Hash`] only their number counts.
    pub options: Vec<f64>,
    /// The option taken, for people.
    pub label: String,
}

/// The forks of one walk.
#[derive(Debug, Default)]
pub struct Forks {
    script: Vec<usize>,
    taken: Vec<Choice>,
    unlabelled: bool,
}

impl Forks {
    /// Forks that always take the first option: for a walk of which only one way is wanted.
    pub fn first() -> Self {
        Self::default()
    }

    /// Forks of a walk whose choices nobody reads: they bear no labels, which cost more than the walk.
    pub fn unlabelled() -> Self {
        Self { unlabelled: true, ..Self::default() }
    }

    /// A fork that chance decides; `probabilities` are the options'. `label` names an option for people.
    pub fn random(&mut self, probabilities: &[f64], label: impl FnOnce(usize) -> String) -> usize {
        self.choose(ForkKind::Random, probabilities, label)
    }

    /// A fork that a hash of unknown seed decides among options of these weights.
    pub fn hash(&mut self, weights: &[f64], label: impl FnOnce(usize) -> String) -> usize {
        self.choose(ForkKind::Hash, weights, label)
    }

    /// A yes-or-no fork on something unknown; "yes" is walked first.
    pub fn unknown(&mut self, unseen: Unseen) -> bool {
        let what = unseen.what.clone();
        let label = |option| format!("{what}: {}", if option == 0 { "yes" } else { "no" });
        self.choose(ForkKind::Unknown(unseen), &[0.5, 0.5], label) == 0
    }

    /// A fork among `count` options on something unknown.
    pub fn unknown_among(&mut self, unseen: Unseen, count: usize, label: impl FnOnce(usize) -> String) -> usize {
        self.choose(ForkKind::Unknown(unseen), &vec![1.0; count], label)
    }

    /// The forks so far.
    pub fn choices(&self) -> &[Choice] {
        &self.taken
    }

    fn choose(&mut self, kind: ForkKind, options: &[f64], label: impl FnOnce(usize) -> String) -> usize {
        if options.len() < 2 {
            return 0;
        }
        let taken = self.script.get(self.taken.len()).copied().unwrap_or(0);
        let label = if self.unlabelled { String::new() } else { label(taken) };
        self.taken.push(Choice { kind, taken, options: options.to_vec(), label });
        taken
    }

    /// The script of the next way, or none if this was the last one.
    fn next_script(&self) -> Option<Vec<usize>> {
        let last = self.taken.iter().rposition(|choice| choice.taken + 1 < choice.options.len())?;
        let mut script: Vec<usize> = self.taken.iter().take(last + 1).map(|choice| choice.taken).collect();
        if let Some(position) = script.last_mut() {
            *position += 1;
        }
        Some(script)
    }
}

/// One way of a walk.
#[derive(Debug, Clone, PartialEq)]
pub struct Way<T> {
    /// What the walk gave.
    pub value: T,
    /// The forks on it.
    pub choices: Vec<Choice>,
}

impl<T> Way<T> {
    /// Product of the probabilities of what chance decided; 1 for a way without chance.
    pub fn chance(&self) -> f64 {
        let random = self.choices.iter().filter(|choice| choice.kind == ForkKind::Random);
        random.map(|choice| choice.options.get(choice.taken).copied().unwrap_or(0.0)).product()
    }

    /// Whether the way hangs on chance alone.
    pub fn is_certain(&self) -> bool {
        self.choices.iter().all(|choice| choice.kind == ForkKind::Random)
    }
}

/// Takes every way of `walk`, at most `limit`. The flag is true if there were more.
///
/// Ways come in the order of their choices: all ways with option 0 at the first fork, then those with option 1, and so on.
pub fn explore<T>(limit: usize, mut walk: impl FnMut(&mut Forks) -> T) -> (Vec<Way<T>>, bool) {
    let mut ways = Vec::new();
    let mut script = Vec::new();
    loop {
        let mut forks = Forks { script, ..Forks::default() };
        let value = walk(&mut forks);
        let next = forks.next_script();
        ways.push(Way { value, choices: forks.taken });
        match next {
            None => return (ways, false),
            Some(_) if ways.len() >= limit => return (ways, true),
            Some(next) => script = next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_taken_once() {
        let (ways, more) = explore(100, |forks| {
            let first = forks.random(&[0.25, 0.75], |option| option.to_string());
            let second = if first == 1 { forks.random(&[0.5, 0.5], |option| option.to_string()) } else { 9 };
            (first, second)
        });
        assert!(!more);
        assert_eq!(ways.iter().map(|way| way.value).collect::<Vec<_>>(), [(0, 9), (1, 0), (1, 1)]);
        assert!((ways.iter().map(Way::chance).sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_limit_is_told() {
        let (ways, more) =
            explore(3, |forks| (0..4).map(|_| forks.random(&[0.5, 0.5], |_| String::new())).sum::<usize>());
        assert_eq!((ways.len(), more), (3, true));
    }
}
