//! What decides a negative answer about a live system is read a second time.
//!
//! Between two snapshots a rule may be rewritten or a route come back: half of a change that was just being made is no cause. So the facts
//! that causes rest on are read again, and the question is answered anew; what only one of the two readings shows is reported as changing.

use std::collections::BTreeSet;

use skoop_model::{Finding, NodeName, Report, Severity, Unseen, Verdict};

use super::drive::{answer, fetch_all};
use super::{DriverError, Progress, Source};
use crate::engine::{Diagnosis, Supplied, Want};

/// Reads again what `first` rests on, if it is negative and the source may say something else by now.
pub(super) async fn confirmed(
    diagnosis: &mut Diagnosis,
    source: &dyn Source,
    first: Report,
    progress: &dyn Progress,
) -> Result<Report, DriverError> {
    let negative = matches!(first.verdict, Verdict::Unreachable | Verdict::Degraded);
    let wants: Vec<Want> = if negative && source.changes() { deciding(&first) } else { Vec::new() };
    if wants.is_empty() {
        return Ok(first);
    }
    let facts = fetch_all(source, &wants, progress).await;
    let unread = wants.iter().zip(&facts).filter_map(|(want, fact)| unread(want, fact));
    let unread: Vec<Unseen> = unread.collect();
    if !unread.is_empty() {
        return Ok(Report { unseen: [first.unseen, unread].concat(), ..first });
    }
    for (want, fact) in wants.iter().zip(facts) {
        diagnosis.replace(want, fact)?;
    }
    let second = answer(diagnosis, source, progress).await?;
    Ok(compared(&first, second))
}

/// What the causes rest on: objects of the cluster, or the state of nodes.
fn deciding(report: &Report) -> Vec<Want> {
    let of = |cause: &Finding| match (cause.evidence.kind.as_str(), cause.node.as_str()) {
        ("object", _) | (_, "") => Want::Cluster,
        (_, node) => Want::Node(NodeName::from(node)),
    };
    let wants: BTreeSet<Want> = report.causes.iter().map(of).collect();
    wants.into_iter().collect()
}

fn unread(want: &Want, fact: &Supplied) -> Option<Unseen> {
    let Supplied::Unavailable(why) = fact else { return None };
    Some(Unseen { what: format!("{want}, a second time"), why: why.to_string(), matters: false })
}

/// The second answer, with what only one of the two has marked as changing.
fn compared(first: &Report, mut second: Report) -> Report {
    for cause in &mut second.causes {
        cause.changing = !first.causes.iter().any(|known| is_same(known, cause));
    }
    let gone = first.causes.iter().filter(|cause| !second.causes.iter().any(|known| is_same(known, cause)));
    let gone: Vec<Finding> = gone.cloned().map(passed).collect();
    second.warnings.extend(gone);
    second
}

/// A cause that the second reading does not show.
fn passed(cause: Finding) -> Finding {
    let message = format!("Gone when read again a moment later: {}", cause.message);
    Finding { changing: true, severity: Severity::Warning, message, ..cause }
}

fn is_same(left: &Finding, right: &Finding) -> bool {
    (&left.code, &left.node, &left.namespace, &left.evidence, left.reply)
        == (&right.code, &right.node, &right.namespace, &right.evidence, right.reply)
}

#[cfg(test)]
mod tests;
