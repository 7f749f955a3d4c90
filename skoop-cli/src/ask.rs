//! From arguments to questions.

use skoop_model::{End, Family, NodeName, Port, Protocol, Question};

use crate::args::{AskedProtocol, FamilyChoice, PacketArgs};
use crate::exit::Failure;

/// Kinds of ends as people write them, and as they are printed.
const KINDS: [(&str, &str); 8] = [
    ("pod", "pod"),
    ("pods", "pod"),
    ("svc", "svc"),
    ("service", "svc"),
    ("deploy", "deploy"),
    ("deployment", "deploy"),
    ("node", "node"),
    ("outside", "outside"),
];

/// The questions that the arguments ask: one, or one for each family.
pub(crate) fn questions(from: &str, to: &str, namespace: &str, packet: &PacketArgs) -> Result<Vec<Question>, Failure> {
    let (from, to) = (end("--from", from, namespace)?, end("--to", to, namespace)?);
    let families = match packet.family {
        None => vec![None],
        Some(FamilyChoice::V4) => vec![Some(Family::V4)],
        Some(FamilyChoice::V6) => vec![Some(Family::V6)],
        Some(FamilyChoice::Both) => Family::ALL.map(Some).to_vec(),
    };
    let question = |family: Option<Family>| Question {
        from: from.clone(),
        to: to.clone(),
        protocol: protocol(packet.protocol, family.or_else(|| family_of(&from)).or_else(|| family_of(&to))),
        port: packet.port.map(Port),
        source_port: packet.source_port.map(Port),
        family,
        size_bytes: packet.size,
        node: packet.node.as_deref().map(NodeName::from),
        reply: !packet.no_reply,
    };
    Ok(families.into_iter().map(question).collect())
}

/// The protocol's number, which for ICMP hangs on the family.
fn protocol(asked: AskedProtocol, family: Option<Family>) -> Protocol {
    match asked {
        AskedProtocol::Tcp => Protocol::TCP,
        AskedProtocol::Udp => Protocol::UDP,
        AskedProtocol::Icmp => Protocol::icmp(family.unwrap_or(Family::V4)),
    }
}

fn family_of(end: &End) -> Option<Family> {
    match end {
        End::Address(address) | End::Outside(Some(address)) => Some(Family::of(*address)),
        _ => None,
    }
}

/// Reads an end; an error guesses what was meant.
fn end(flag: &str, text: &str, namespace: &str) -> Result<End, Failure> {
    End::parse_in(text, namespace).map_err(|error| {
        let failure = Failure::usage(format!("{flag}: {error}"));
        match guess(text, namespace) {
            Some(guess) => failure.hint(format!("did you mean {guess}?")),
            None => failure,
        }
    })
}

/// What may have been meant, if that can be told.
fn guess(text: &str, namespace: &str) -> Option<String> {
    let (kind, rest) = text.split_once('/').map_or((text, ""), |(kind, rest)| (kind, rest));
    let near = KINDS
        .iter()
        .map(|(spelling, known)| (distance(&kind.to_ascii_lowercase(), spelling), *known))
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len())
        .min();
    let meant = match (near, rest) {
        (Some((_, "outside")), "") => "outside".to_owned(),
        (Some((_, known)), rest) if !rest.is_empty() => format!("{known}/{rest}"),
        (None, "") if !text.is_empty() => format!("pod/{namespace}/{text}"),
        (None, rest) if !rest.is_empty() => format!("pod/{text}"),
        _ => return None,
    };
    End::parse_in(&meant, namespace).is_ok().then_some(meant)
}

/// Letters to insert, delete or replace to get from one to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (count, left) in from.chars().enumerate() {
        let mut diagonal = count;
        let mut last = count + 1;
        let mut next = vec![last];
        for (above, right) in row.iter().skip(1).zip(to.chars()) {
            let best = (diagonal + usize::from(left != right)).min(*above + 1).min(last + 1);
            diagonal = *above;
            last = best;
            next.push(best);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> PacketArgs {
        PacketArgs {
            port: None,
            protocol: AskedProtocol::Icmp,
            size: None,
            family: Some(FamilyChoice::Both),
            source_port: None,
            node: None,
            no_reply: true,
        }
    }

    #[test]
    fn both_families_are_two_questions() {
        let asked = questions("pod/a", "svc/b", "web", &packet()).expect("two ends");
        let seen: Vec<_> = asked.iter().map(|question| (question.family, question.protocol)).collect();
        assert_eq!(seen, [(Some(Family::V4), Protocol::ICMP), (Some(Family::V6), Protocol::ICMPV6)]);
        assert_eq!(asked.first().map(|question| question.from.to_string()).as_deref(), Some("pod/web/a"));
    }

    #[test]
    fn the_protocol_follows_the_family_of_an_address() {
        let packet = PacketArgs { family: None, ..packet() };
        let asked = questions("pod/a", "fd00::1", "web", &packet).expect("two ends");
        assert_eq!(asked.first().map(|question| question.protocol), Some(Protocol::ICMPV6));
    }

    #[test]
    fn typos_are_guessed() {
        for (text, meant) in [
            ("pdo/default/client", "pod/default/client"),
            ("servce/web", "svc/web"),
            ("Pod/a/b", "pod/a/b"),
            ("default/client", "pod/default/client"),
            ("client", "pod/default/client"),
            ("outsid", "outside"),
        ] {
            assert_eq!(guess(text, "default").as_deref(), Some(meant), "{text}");
        }
        assert_eq!(guess("", "default"), None);
        assert_eq!(distance("pdo", "pod"), 2);
        assert_eq!(distance("", "pod"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
