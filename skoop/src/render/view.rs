//! What the forms share: the words of a verdict, steps grouped by place, ways of the same shape folded.

use skoop_model::{Branch, Finding, Intent, IntentVerdict, Place, Report, ResolvedEnd, Share, Stage, Step, Verdict};

use super::change::{ChangeKind, changes, endpoint};

/// The verdict in one sentence, without a full stop.
pub(crate) fn headline(report: &Report) -> String {
    let asked = &report.question.asked;
    let (from, to) = (asked.from.to_string(), asked.to.to_string());
    let what = traffic(report);
    match report.verdict {
        Verdict::Reachable if report.horizon.is_some() => format!("{from} reaches {to} {what} as far as can be seen"),
        Verdict::Reachable => format!("{from} can reach {to} {what}"),
        Verdict::Unreachable => format!("{from} cannot reach {to} {what}"),
        Verdict::Degraded => match report.share {
            Some(share) => format!("{from} reaches {to} {what} only {} of the time", percent(share)),
            None => format!("{from} reaches {to} {what} only some of the time"),
        },
        Verdict::Undetermined => format!("it cannot be told whether {from} reaches {to} {what}"),
    }
}

/// Protocol and port: `tcp/80`, `icmp`, with the size if one was asked for.
fn traffic(report: &Report) -> String {
    let asked = &report.question.asked;
    let service_port = asked.port.or_else(|| report.question.destination.as_ref().and_then(|end| end.port));
    let mut text = asked.protocol.to_string();
    if let Some(port) = service_port.filter(|_| !asked.protocol.is_icmp()) {
        text = format!("{text}/{port}");
    }
    if let Some(size) = asked.size_bytes {
        text = format!("{text} with {size} bytes");
    }
    text
}

/// Both ends as the packet bears them: `10.244.1.2 on node-1 → 10.244.2.2:80 on node-2`; none where neither was resolved.
pub(crate) fn resolved(report: &Report) -> Option<String> {
    let question = &report.question;
    if question.source.is_none() && question.destination.is_none() {
        return None;
    }
    Some(format!("{} → {}", end(question.source.as_ref()), end(question.destination.as_ref())))
}

fn end(end: Option<&ResolvedEnd>) -> String {
    let Some(end) = end else { return "?".to_owned() };
    let mut text = end.address.map_or_else(|| end.name.clone(), |address| endpoint(address, end.port));
    if let Some(node) = &end.node {
        text = format!("{text} on {node}");
    }
    text
}

/// A share in per cent; never 0 % or 100 % for what is neither.
pub(crate) fn percent(share: Share) -> String {
    let percent = share.0 * 100.0;
    match percent {
        p if p > 0.0 && p < 1.0 => "under 1 %".to_owned(),
        p if p < 100.0 && p > 99.0 => "over 99 %".to_owned(),
        p => format!("{p:.0} %"),
    }
}

/// Where a finding is, and how it came to be seen.
pub(crate) fn notes(finding: &Finding) -> String {
    let mut notes = vec![location(&finding.node, &finding.namespace)];
    let remarks = [
        (finding.reply, "on the way back"),
        (finding.conditional, "met once the first is mended"),
        (finding.changing, "changing: only one of two readings shows it"),
    ];
    notes.extend(remarks.iter().filter(|(holds, _)| *holds).map(|(_, text)| (*text).to_owned()));
    notes.retain(|note| !note.is_empty());
    notes.join(", ")
}

/// Where a finding is, for people: `node-1`, `pod/default/client on node-1`, `node-1 (namespace blue)`.
pub(crate) fn location(node: &str, namespace: &str) -> String {
    match (node, namespace) {
        ("", "") => String::new(),
        ("", namespace) => namespace.to_owned(),
        (node, "" | "host") => node.to_owned(),
        (node, pod) if pod.starts_with("pod/") => format!("{pod} on {node}"),
        (node, namespace) => format!("network namespace {namespace} on {node}"),
    }
}

/// Where the commands of a finding are to be run.
pub(crate) fn run_where(finding: &Finding) -> String {
    let program = finding.fix.commands.first().and_then(|command| command.first());
    if program.is_some_and(|program| program == "kubectl") {
        return "wherever kubectl works".to_owned();
    }
    match (finding.node.as_str(), finding.namespace.as_str()) {
        ("", _) => String::new(),
        (node, "" | "host") => format!("on {node}, as root"),
        (node, pod) if pod.starts_with("pod/") => {
            format!("on {node}, as root, in the network namespace of {pod} (nsenter -n -t PID)")
        }
        (node, namespace) => {
            format!("on {node}, as root, in the network namespace {namespace} (ip netns exec {namespace})")
        }
    }
}

/// Consecutive steps at one node and namespace.
pub(crate) struct Segment<'a> {
    /// Where.
    pub(crate) place: &'a Place,
    /// The steps.
    pub(crate) steps: Vec<&'a Step>,
}

impl Segment<'_> {
    /// The stretch of underlay between two nodes.
    pub(crate) fn is_underlay(&self) -> bool {
        self.place.stage == Stage::Underlay
    }
}

/// The steps grouped by place; what happens between nodes stands alone.
pub(crate) fn segments(steps: &[Step]) -> Vec<Segment<'_>> {
    let mut segments: Vec<Segment<'_>> = Vec::new();
    for step in steps {
        let between_nodes = step.place.stage == Stage::Underlay;
        match segments.last_mut() {
            Some(last)
                if last.is_underlay() == between_nodes
                    && last.place.node == step.place.node
                    && last.place.namespace == step.place.namespace =>
            {
                last.steps.push(step);
            }
            _ => segments.push(Segment { place: &step.place, steps: vec![step] }),
        }
    }
    segments
}

/// Ways that differ in addresses and nodes only.
pub(crate) struct Ways<'a> {
    /// The branches, the likeliest first; never empty.
    pub(crate) branches: Vec<&'a Branch>,
}

impl<'a> Ways<'a> {
    /// The one that stands for all.
    pub(crate) fn shown(&self) -> Option<&'a Branch> {
        self.branches.first().copied()
    }

    /// How all of them end.
    pub(crate) fn verdict(&self) -> Verdict {
        self.shown().map_or(Verdict::Undetermined, |branch| branch.verdict)
    }

    /// Their probabilities together; none if one is not known.
    pub(crate) fn share(&self) -> Option<Share> {
        self.branches.iter().map(|branch| branch.probability.map(|share| share.0)).sum::<Option<f64>>().map(Share)
    }

    /// `1 of 3 ways, 33 %`; empty if there is only one.
    pub(crate) fn title(&self, all: usize) -> String {
        let count = self.branches.len();
        if all <= 1 {
            return String::new();
        }
        let share = self.share().map_or_else(|| "probability unknown".to_owned(), percent);
        format!("{count} of {all} ways, {share}")
    }
}

/// The branches by shape: those that fail first, then those that are not known, then the rest; else in the report's order.
pub(crate) fn ways(report: &Report) -> Vec<Ways<'_>> {
    let mut groups: Vec<(Shape<'_>, Ways<'_>)> = Vec::new();
    for branch in &report.branches {
        let shape = shape(branch);
        match groups.iter_mut().find(|(known, _)| *known == shape) {
            Some((_, ways)) => ways.branches.push(branch),
            None => groups.push((shape, Ways { branches: vec![branch] })),
        }
    }
    groups.sort_by_key(|(_, ways)| match ways.verdict() {
        Verdict::Unreachable => 0,
        Verdict::Degraded => 1,
        Verdict::Undetermined => 2,
        Verdict::Reachable => 3,
    });
    groups.into_iter().map(|(_, ways)| ways).collect()
}

type StepShape<'a> = (Stage, &'a str, bool, bool, Vec<ChangeKind>);
type Shape<'a> = (Verdict, &'a [String], Vec<StepShape<'a>>, Vec<StepShape<'a>>);

fn shape(branch: &Branch) -> Shape<'_> {
    (branch.verdict, &branch.codes, steps_shape(&branch.steps), steps_shape(&branch.reply_steps))
}

fn steps_shape(steps: &[Step]) -> Vec<StepShape<'_>> {
    steps
        .iter()
        .map(|step| {
            let kinds = changes(step).into_iter().map(|change| change.kind).collect();
            (step.place.stage, step.by.kind.as_str(), step.blocked, step.conditional, kinds)
        })
        .collect()
}

/// What tells one way from the others of its shape: what was chosen, or else where it goes. What was passed over is left out.
pub(crate) fn distinction(branch: &Branch) -> String {
    let chosen: Vec<&str> =
        branch.choices.iter().map(String::as_str).filter(|choice| !choice.starts_with("not ")).collect();
    if !chosen.is_empty() {
        return chosen.join(", ");
    }
    let packet = branch.steps.last().map(|step| step.after.as_ref().unwrap_or(&step.before));
    packet.map_or_else(String::new, |packet| format!("to {}", endpoint(packet.dst, packet.dport())))
}

/// Intent against reality in one sentence; none where nothing is known or said of it.
pub(crate) fn promise(intent: &Intent) -> Option<&'static str> {
    Some(match (intent.verdict, intent.agrees) {
        (IntentVerdict::Unknown, _) if intent.reasons.is_empty() => return None,
        (IntentVerdict::Unknown, _) => "what the cluster's objects promise is not known",
        (IntentVerdict::Allowed, Some(true)) => "the cluster's objects promise that it works, and it does",
        (IntentVerdict::Allowed, Some(false)) => {
            "the cluster's objects promise that it works; the datapath does not keep it"
        }
        (IntentVerdict::Allowed, None) => "the cluster's objects promise that it works",
        (IntentVerdict::Denied, Some(true)) => "the cluster's objects deny it, and so does the datapath",
        (IntentVerdict::Denied, Some(false)) => "the cluster's objects deny it; the datapath lets it through",
        (IntentVerdict::Denied, None) => "the cluster's objects deny it",
    })
}

/// How the answer fares, where the packet arrived.
pub(crate) fn reply_summary(report: &Report) -> Option<&'static str> {
    if !report.reply.walked {
        return Some("was not asked for");
    }
    Some(match report.reply.verdict? {
        Verdict::Reachable => "the answer gets through",
        Verdict::Unreachable => "the answer does not get through",
        Verdict::Degraded => "the answer gets through only at times",
        Verdict::Undetermined => "it cannot be told whether the answer gets through",
    })
}

/// Milliseconds since the Unix epoch as `2026-03-01 12:00:00 UTC`.
///
/// The calendar is computed from days as in Howard Hinnant's `civil_from_days`.
pub fn utc(at_ms: u64) -> String {
    let seconds = at_ms / 1000;
    let (days, in_day) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (in_day / 3600, in_day / 60 % 60, in_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// A length of time: `0.4 s`, `12 s`, `5 min`, `3 h`, `2 days`.
pub(crate) fn duration(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10_000..120_000 => format!("{} s", ms / 1000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}

/// One line on what the answer rests on: version, snapshots, their time and, where the present is known, their age.
pub(crate) fn footer(report: &Report, now_ms: Option<u64>) -> String {
    let mut parts = vec![format!("skoop {}", report.version)];
    let taken = report.snapshots.iter().map(|snapshot| snapshot.taken_at_ms);
    if let (Some(first), Some(last)) = (taken.clone().min(), taken.max()) {
        let names: Vec<&str> = report.snapshots.iter().map(|snapshot| snapshot.of.as_str()).collect();
        parts.push(format!("from {}", few(&names)));
        let mut time = format!("taken {}", utc(first));
        if last - first >= 1000 {
            time = format!("{time} and within {}", duration(last - first));
        }
        if let Some(age) = now_ms.and_then(|now| now.checked_sub(first)).filter(|age| *age >= 1000) {
            time = format!("{time}, {} ago", duration(age));
        }
        parts.push(time);
    }
    parts.join(" · ")
}

/// At most five names, then how many more.
fn few(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_civil() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(1_772_366_399_999), "2026-03-01 11:59:59 UTC");
        assert_eq!(utc(4_107_542_400_000), "2100-03-01 00:00:00 UTC");
    }

    #[test]
    fn lengths_of_time_have_fitting_units() {
        assert_eq!(
            [0, 420, 59_000, 300_000, 7_200_000, 259_200_000].map(duration),
            ["0.0 s", "0.4 s", "59 s", "5 min", "2 h", "3 days"]
        );
    }

    #[test]
    fn shares_are_never_rounded_to_certainty() {
        assert_eq!(percent(Share(2.0 / 3.0)), "67 %");
        assert_eq!(percent(Share(0.0)), "0 %");
        assert_eq!(percent(Share(0.004)), "under 1 %");
        assert_eq!(percent(Share(0.999)), "over 99 %");
        assert_eq!(percent(Share(1.0)), "100 %");
    }
}
