//! Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::diagnose::runtime;

/// Exit code of a program that SIGINT ended, as shells count it.
const INTERRUPTED: i32 = 130;

/// Ends the program at once, with a remark on what it leaves behind.
pub(crate) fn say_on_interrupt(remark: &'static str) {
    wait_for_interrupts(move |_| {
        eprintln!("\n{remark}");
        std::process::exit(INTERRUPTED);
    });
}

/// A flag that the first Ctrl-C raises, so that what was built can be removed; the second ends the program at once.
pub(crate) fn flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    wait_for_interrupts(move |count| {
        if count > 1 {
            std::process::exit(INTERRUPTED);
        }
        raised.store(true, Ordering::Relaxed);
        eprintln!("\ninterrupted: removing the cluster (Ctrl-C again: at once; `skoop lab down` removes what is left)");
    });
    flag
}

/// Calls `then` with the number of each interrupt, on a thread of its own.
fn wait_for_interrupts(then: impl Fn(usize) + Send + 'static) {
    thread::spawn(move || {
        let Ok(runtime) = runtime() else { return };
        for count in 1.. {
            // Without a handler Ctrl-C ends the program, as usual.
            if runtime.block_on(tokio::signal::ctrl_c()).is_err() {
                return;
            }
            then(count);
        }
    });
}
