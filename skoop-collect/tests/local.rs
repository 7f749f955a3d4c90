//! The local collector against what iproute2 says of the same namespaces.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "local/support.rs"]
mod support;

use skoop_collect::local::{Options, Others, Selection, collect};
use skoop_model::NodeName;
use support::Namespace;

#[test]
#[ignore = "needs root: run by make test"]
fn show() {
    let ns = Namespace::new("show");
    ns.ip("link add br0 type bridge");
    let snapshot =
        collect(NodeName::from("n"), &Selection { host: ns.netns(), others: Others::All }, &Options::default())
            .unwrap();
    println!("{}", serde_json::to_string_pretty(&snapshot).unwrap());
    let snapshot = collect(NodeName::from("n"), &Selection::default(), &Options::default()).unwrap();
    println!("{}", serde_json::to_string_pretty(&snapshot).unwrap());
    println!("{:?}", snapshot.took_ms);
}
