//! Any text as one end of a question; what is one reads the same after it was printed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skoop_model::End;

fuzz_target!(|text: &str| {
    if let Ok(end) = text.parse::<End>() {
        assert_eq!(end.to_string().parse::<End>().ok(), Some(end));
    }
});
