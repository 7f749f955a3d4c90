//! Ctrl-C.

#[cfg(feature = "lab")]
use std::sync::Arc;
#[cfg(feature = "lab")]
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(feature = "lab")]
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

#[cfg(feature = "lab")]
use crate::diagnose::runtime;

/// Exit code of a program that SIGINT ended, as shells count it.
const INTERRUPTED: i32 = 130;

/// Waits for the wish to end: Ctrl-C, or the signal that `kill` sends.
pub(crate) async fn interrupted() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        Ok(()) = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

/// Ends the program after an interrupt.
pub(crate) fn end() -> ! {
    std::process::exit(INTERRUPTED)
}

/// Ends the program at once, with a remark on what it leaves behind.
#[cfg(feature = "lab")]
pub(crate) fn say_on_interrupt(remark: &'static str) {
    wait_for_interrupts(move |_| {
        eprintln!("\n{remark}");
        std::process::exit(INTERRUPTED);
    });
}

/// A flag that the first Ctrl-C raises, so that what was built can be removed; the second ends the program at once.
#[cfg(feature = "lab")]
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
#[cfg(feature = "lab")]
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
