//! What time it is in jiffies, which is how the lists of `recent` tell time.
//!
//! No interface gives them as such. `/proc/timer_list` (`print_cpu`, `kernel/time/timer_list.c`), which only root may read, prints the
//! jiffies of the moment beside the time since boot in nanoseconds. How many jiffies make a second is no interface either (`CLK_TCK` is
//! another number); it follows from the two: the kernel starts to count at 2^32 - 300 s (`INITIAL_JIFFIES`, `include/linux/jiffies.h`),
//! and of the lengths that a jiffy may have only one fits. Where none does, or more than one, as in the sixth minute after boot and on
//! 32-bit machines, nothing is told.

use std::fs::File;
use std::io::{BufRead, BufReader};

const FILE: &str = "/proc/timer_list";
/// Choices of `CONFIG_HZ` (`kernel/Kconfig.hz` and those of architectures).
const FREQUENCIES_HZ: [u64; 12] = [24, 32, 48, 64, 100, 128, 250, 256, 300, 512, 1000, 1024];
const NS_PER_S: u128 = 1_000_000_000;
/// The first time in the file is taken a little before the second one, and the first ticks of a boot may be late.
const SLACK_S: u128 = 2;
/// The head of the file and the timers of one CPU.
const MOST_LINES: usize = 100_000;

/// Now, and how many make a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    jiffies: u64,
    hz: u64,
}

/// `jiffies: NOW hz: HZ`, the line by which the simulator knows the age of what a list holds.
impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "jiffies: {} hz: {}", self.jiffies, self.hz)
    }
}

/// The clock of this machine, if it can be known.
pub(super) fn read() -> Option<Clock> {
    of_lines(BufReader::new(File::open(FILE).ok()?).lines().map_while(Result::ok))
}

fn of_lines(lines: impl Iterator<Item = String>) -> Option<Clock> {
    let mut uptime_ns = None;
    for line in lines.take(MOST_LINES) {
        if let Some(rest) = line.strip_prefix("now at ") {
            uptime_ns = rest.strip_suffix(" nsecs")?.parse::<u128>().ok();
        } else if let Some(rest) = line.strip_prefix("jiffies: ") {
            return clock(rest.parse().ok()?, uptime_ns?);
        }
    }
    None
}

fn clock(jiffies: u64, uptime_ns: u128) -> Option<Clock> {
    let fits = |hz: &u64| {
        let per_second = u128::from(*hz);
        // Both sides with 300 s more.
        let counted = u128::from(jiffies) + 300 * per_second;
        let expected = (1 << 32) + uptime_ns * per_second / NS_PER_S;
        counted.abs_diff(expected) <= SLACK_S * per_second
    };
    let mut fitting = FREQUENCIES_HZ.into_iter().filter(|hz| fits(hz));
    let hz = fitting.next()?;
    fitting.next().is_none().then_some(Clock { jiffies, hz })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(now_ns: u128, jiffies: u64) -> Option<String> {
        let text = format!(
            "Timer List Version: v0.10\nnow at {now_ns} nsecs\n\ncpu: 0\n  .idle_jiffies   : 1\njiffies: {jiffies}\n\n"
        );
        of_lines(text.lines().map(str::to_owned)).map(|clock| clock.to_string())
    }

    #[test]
    fn the_length_of_a_jiffy_follows_from_the_time_since_boot() {
        let start = |hz: u64| (1_u64 << 32) - 300 * hz;
        assert_eq!(told(16_698_281_202_686, 4_299_066_868).as_deref(), Some("jiffies: 4299066868 hz: 250"));
        for hz in FREQUENCIES_HZ {
            let told = told(86_400_500_000_000, start(hz) + 86_400 * hz);
            assert_eq!(told, Some(format!("jiffies: {} hz: {hz}", start(hz) + 86_400 * hz)));
        }
        // 300 s after boot every length fits; a machine that counts 32 bits fits none.
        assert_eq!(told(300_000_000_000, 1 << 32), None);
        assert_eq!(told(16_698_281_202_686, 4_000_000), None);
        assert_eq!(of_lines(["jiffies: 4299066868".to_owned()].into_iter()), None);
    }

    #[test]
    #[ignore = "needs root: run by make test"]
    fn this_machine_can_be_told() {
        assert!(read().is_some());
    }
}
