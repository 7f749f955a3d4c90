//! What became of one packet in one namespace, for a terminal.

use skoop_model::Verdict;

use super::paint::{Ink, Paint};
use super::{NARROWEST, Page, TextStyle, path, verdict_mark};
use crate::render::change::endpoint;
use crate::walk::{Told, ToldWay, WalkAnswer, WalkAnswerKind, WalkDecision, WalkPacket, WalkResult, WalkVerdict};

/// Ways that are shown in full unless everything is.
const MOST_SHOWN: usize = 3;

/// The result as text: what became of the packet, what decided, its header, the answer, what is not known, and the path.
pub fn walk_text(asked: &WalkPacket, told: &Told, style: &TextStyle) -> String {
    let style = TextStyle { width: style.width.max(NARROWEST), ..*style };
    let mut page = Page { out: String::new(), paint: Paint { color: style.color }, style };
    let result = &told.result;
    page.outcome(asked, result);
    page.particulars(result);
    for branch in &result.branches {
        let share = branch.probability.map_or_else(|| "perhaps".to_owned(), share);
        page.labelled(2, &share, Ink::Change, &format!("{}{}", ending(&branch.result), because(&branch.result)));
    }
    if let Some(reply) = &result.reply {
        page.labelled(2, "answer", ink(reply.verdict), &format!("{}{}", ending(reply), because(reply)));
        for why in &reply.unknown {
            page.labelled(2, "not known", Ink::Open, why);
        }
    }
    let shown = if page.style.verbose { told.ways.len() } else { MOST_SHOWN };
    let several = told.ways.len() > 1;
    for way in told.ways.iter().take(shown) {
        page.way(way, several);
    }
    if told.ways.len() > shown {
        page.blank();
        page.paragraph(
            2,
            Ink::Dim,
            &match told.ways.len() - shown {
                1 => "1 more way: -v shows it".to_owned(),
                more => format!("{more} more ways: -v shows them"),
            },
        );
    }
    page.out
}

/// The first line alone.
pub fn walk_line(asked: &WalkPacket, result: &WalkResult, style: &TextStyle) -> String {
    let mut page = Page { out: String::new(), paint: Paint { color: style.color }, style: *style };
    page.outcome(asked, result);
    page.out
}

impl Page {
    fn outcome(&mut self, asked: &WalkPacket, result: &WalkResult) {
        let (mark, _) = mark(result.verdict);
        let packet = crate::render::clean::line(&asked.to_string()).into_owned();
        let row = format!(
            "{} {}  {}",
            self.paint.ink(ink(result.verdict), mark),
            self.paint.ink(Ink::Strong, &packet),
            self.paint.ink(ink(result.verdict), &crate::render::clean::line(&ending(result))),
        );
        self.row(0, &row);
    }

    fn particulars(&mut self, result: &WalkResult) {
        if let Some(decision) = &result.decided_by {
            self.labelled(2, "by", Ink::Evidence, &quoted(decision));
        }
        let header = header(result);
        if !header.is_empty() {
            self.labelled(2, "as", Ink::Plain, &header);
        }
        if let Some(encap) = &result.encap {
            let text = format!(
                "VXLAN {} from {} to {}",
                encap.vni,
                encap.src,
                endpoint(encap.dst, encap.dport.map(skoop_model::Port))
            );
            self.labelled(2, "in", Ink::Plain, &text);
        }
        if let Some(answer) = &result.answer {
            self.labelled(2, "told", Ink::Plain, &answered(answer));
        }
        for why in &result.unknown {
            self.labelled(2, "not known", Ink::Open, why);
        }
    }

    fn way(&mut self, way: &ToldWay, several: bool) {
        if way.steps.is_empty() {
            return;
        }
        self.blank();
        if several {
            let share = way.probability.map_or_else(|| "perhaps".to_owned(), share);
            let title = format!("{share} {}", way.verdict.name());
            self.heading("Path", ink(way.verdict), &title);
            for choice in &way.choices {
                self.paragraph(2, Ink::Change, choice);
            }
        } else {
            self.heading("Path", Ink::Dim, way.verdict.name());
        }
        path::write_steps(self, &way.steps);
        if let Some(verdict) = way.reply {
            self.blank();
            self.heading("Back", ink(verdict), verdict.name());
            path::write_steps(self, &way.reply_steps);
        }
    }
}

fn mark(verdict: WalkVerdict) -> (&'static str, Ink) {
    verdict_mark(match verdict {
        WalkVerdict::Forwarded | WalkVerdict::Delivered => Verdict::Reachable,
        WalkVerdict::Dropped | WalkVerdict::Rejected => Verdict::Unreachable,
        WalkVerdict::Mixed => Verdict::Degraded,
        WalkVerdict::Undetermined => Verdict::Undetermined,
    })
}

fn ink(verdict: WalkVerdict) -> Ink {
    mark(verdict).1
}

fn share(probability: f64) -> String {
    let percent = probability * 100.0;
    if (percent - percent.round()).abs() < 0.05 { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

/// `forwarded by cni0, port veth3, to 10.244.1.5`.
fn ending(result: &WalkResult) -> String {
    let mut text = result.verdict.name().to_owned();
    if let Some(out) = &result.out {
        text.push_str(&format!(" by {out}"));
    }
    if let Some(port) = &result.port {
        text.push_str(&format!(", port {port}"));
    }
    if let Some(next_hop) = &result.next_hop {
        text.push_str(&format!(", to {next_hop}"));
    }
    if let Some(mac) = &result.dst_mac {
        text.push_str(&format!(" at {mac}"));
    }
    text
}

fn because(result: &WalkResult) -> String {
    result.decided_by.as_ref().map(|decision| format!(": {}", quoted(decision))).unwrap_or_default()
}

/// `-A FORWARD -j DROP (iptables, table filter, line 12)`.
fn quoted(decision: &WalkDecision) -> String {
    let mut place = vec![decision.kind.clone()];
    place.extend(decision.table.as_ref().map(|table| format!("table {table}")));
    let says_chain = decision.chain.as_ref().is_some_and(|chain| decision.text.contains(chain.as_str()));
    place.extend(decision.chain.as_ref().filter(|_| !says_chain).map(|chain| format!("chain {chain}")));
    place.extend(decision.line.map(|line| format!("line {line}")));
    format!("{} ({})", decision.text, place.join(", "))
}

/// The header, as far as all ways have it in common.
fn header(result: &WalkResult) -> String {
    let (Some(src), Some(dst)) = (result.src, result.dst) else { return String::new() };
    let port = |port: Option<u16>| port.map(skoop_model::Port);
    let mut text = format!("{} → {}", endpoint(src, port(result.sport)), endpoint(dst, port(result.dport)));
    if let Some(ttl) = result.ttl {
        text.push_str(&format!(", ttl {ttl}"));
    }
    if let Some(mark) = result.mark.filter(|mark| *mark != 0) {
        text.push_str(&format!(", mark {mark:#x}"));
    }
    if let Some(tos) = result.tos.filter(|tos| *tos != 0) {
        text.push_str(&format!(", tos {tos:#x}"));
    }
    text
}

fn answered(answer: &WalkAnswer) -> String {
    let what = match (answer.kind, answer.icmp_type, answer.code) {
        (WalkAnswerKind::TcpReset, _, _) => "a TCP reset".to_owned(),
        (WalkAnswerKind::Icmp, kind, code) => format!("ICMP {}/{}", kind.unwrap_or(0), code.unwrap_or(0)),
        (WalkAnswerKind::Icmp6, kind, code) => format!("ICMPv6 {}/{}", kind.unwrap_or(0), code.unwrap_or(0)),
    };
    format!("{what} from {} to {}", answer.sender, answer.to)
}
