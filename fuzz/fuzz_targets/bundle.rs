//! Any bytes as a bundle.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skoop_collect::bundle::Bundle;

fuzz_target!(|bytes: &[u8]| {
    let _ = Bundle::read(bytes);
    let _ = Bundle::verify(bytes);
});
