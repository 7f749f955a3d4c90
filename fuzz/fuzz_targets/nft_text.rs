//! Any text as `nft list ruleset` prints it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skoop_model::{Item, NetfilterDumps};
use skoop_sim::Netfilter;

fuzz_target!(|text: &str| {
    let dumps = NetfilterDumps { nft_text: Item::known(0, text.to_owned()), ..NetfilterDumps::not_collected() };
    let _ = Netfilter::compile(&dumps);
});
