//! What is going on, on standard error, if that is a terminal.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use skoop::driver::Progress;
use skoop::engine::{Supplied, Want};
use skoop_model::Reason;

use crate::output::Style;

/// A line that turns while facts are fetched.
pub(crate) struct Spinner {
    bar: ProgressBar,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is being fetched, as text.
    open: BTreeSet<String>,
    /// Facts that came.
    came: usize,
    /// Facts that could not be had because nobody was let in.
    refused: usize,
}

impl Spinner {
    /// A spinner; silent where progress would not be seen or is not wanted.
    pub(crate) fn new(style: &Style) -> Self {
        let bar = if style.progress() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(look) = ProgressStyle::with_template("{spinner:.cyan} {wide_msg:.dim}") {
            bar.set_style(look.tick_strings(&["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", " "]));
        }
        Self { bar, state: Mutex::default() }
    }

    /// Says what is done now.
    pub(crate) fn say(&self, text: &str) {
        self.bar.enable_steady_tick(Duration::from_millis(80));
        self.bar.set_message(text.to_owned());
    }

    /// Leaves no trace on the terminal.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Whether everything that was asked for was refused for lack of permission.
    pub(crate) fn all_refused(&self) -> bool {
        let state = self.state();
        state.refused > 0 && state.came == 0
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, state: &State) {
        let open: Vec<&str> = state.open.iter().map(String::as_str).collect();
        self.say(&if open.is_empty() {
            "walking the packet".to_owned()
        } else {
            format!("looking at {}", open.join(", "))
        });
    }
}

impl Progress for Spinner {
    fn fetching(&self, want: &Want) {
        let mut state = self.state();
        state.open.insert(want.to_string());
        self.show(&state);
    }

    fn fetched(&self, want: &Want, supplied: &Supplied) {
        let mut state = self.state();
        state.open.remove(&want.to_string());
        match (want, supplied) {
            (_, Supplied::Unavailable(why)) if why.reason == Reason::Permission => state.refused += 1,
            // A host without a cluster always has an answer about the cluster.
            (Want::Node(_), Supplied::Node(_)) => state.came += 1,
            _ => {}
        }
        self.show(&state);
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.clear();
    }
}
