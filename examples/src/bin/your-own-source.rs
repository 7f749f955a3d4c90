//! The engine without the driver: synchronous, with facts from wherever you keep them. Here they come from a bundle on disk.
//!
//! `cargo run -p skoop-examples --bin your-own-source -- BUNDLE.skoop FROM TO`

use anyhow::{Context, bail};
use skoop::collect::bundle::Bundle;
use skoop::engine::{Diagnosis, Step, Supplied, Want};
use skoop::model::{Question, Reason, Unavailable};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, from, to] = arguments.as_slice() else { bail!("usage: your-own-source BUNDLE.skoop FROM TO") };
    let bundle = Bundle::read_file(file.as_ref()).with_context(|| format!("read {file}"))?;
    let mut diagnosis = Diagnosis::new(Question::tcp(from.parse()?, to.parse()?, None));
    let report = loop {
        match diagnosis.step()? {
            Step::Done(report) => break report,
            Step::Need(wants) => {
                for want in wants {
                    println!("needs {want}");
                    diagnosis.supply(&want, look_up(&bundle, &want))?;
                }
            }
        }
    };
    println!("{from} to {to}: {}", report.verdict);
    for cause in &report.causes {
        println!("{} on {} {}: {}", cause.code, cause.node, cause.namespace, cause.message);
    }
    Ok(())
}

fn look_up(bundle: &Bundle, want: &Want) -> Supplied {
    let found = match want {
        Want::Cluster => bundle.cluster.clone().map(|cluster| Supplied::Cluster(Box::new(cluster))),
        Want::Node(name) => {
            let node = bundle.nodes.iter().find(|node| node.node == *name);
            node.cloned().map(|node| Supplied::Node(Box::new(node)))
        }
        _ => None,
    };
    found.unwrap_or_else(|| Supplied::Unavailable(Unavailable::new(Reason::NotFound, "not in the bundle")))
}
