//! Any texts as the files of a directory, and a packet through what they tell of. Files are separated by lines that begin with `=`
//! and name them; the packet is what comes before the first.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skoop::collect::dump::Files;
use skoop::sim::Namespace;
use skoop::walk::{Ground, WalkPacket};

fuzz_target!(|text: &str| {
    let mut parts = text.split("\n=");
    let asked = parts.next().unwrap_or_default();
    let mut files = Files::default();
    for part in parts {
        let (name, text) = part.split_once('\n').unwrap_or((part, ""));
        files.insert(name, text);
    }
    let dumped = files.load();
    let ground = dumped
        .half_seen
        .into_iter()
        .fold(Ground::new(Namespace::new(dumped.snapshot)), |ground, half| ground.blind_to(half.family, half.text));
    for line in asked.lines() {
        let packet = WalkPacket::from_json(line).map(|(packet, _)| packet).or_else(|_| line.parse());
        if let Ok(packet) = packet {
            let again: WalkPacket = packet.to_string().parse().expect("the short form reads itself");
            assert_eq!(again.to_string(), packet.to_string());
            let _ = serde_json::to_string(&ground.walk(&packet)).expect("a result is JSON");
        }
    }
});
