//! `skoop walk`.

mod how;
mod lines;
mod place;

use skoop::render::{walk_line, walk_text};
use skoop::walk::{Ground, WalkPacket, WalkResult, WalkVerdict};

use crate::args::{WalkArgs, WalkFormat};
use crate::exit::{Exit, Failure};
use crate::output::{self, Style};

/// Walks the packets, in order.
pub(crate) fn run(args: &WalkArgs, style: &Style) -> Result<Exit, Failure> {
    if args.how {
        output::write(&args.output_file, &how::text())?;
        return Ok(Exit::Fine);
    }
    // What is no packet is said before anything is read.
    let named: Vec<WalkPacket> = args.packet.iter().map(|text| parsed(text)).collect::<Result<_, _>>()?;
    let ground = place::ground(&args.place, style)?;
    match &args.packets {
        Some(path) if args.output == WalkFormat::Jsonl => lines::stream(&ground, path, &args.output_file, style),
        Some(path) => {
            let packets = lines::read(path, style)?;
            write(&ground, &packets, args, style)
        }
        None => write(&ground, &named, args, style),
    }
}

fn parsed(text: &str) -> Result<WalkPacket, Failure> {
    let trimmed = text.trim();
    let packet = if trimmed.starts_with('{') {
        WalkPacket::from_json(trimmed).map(|(packet, _)| packet)
    } else {
        trimmed.parse()
    };
    packet.map_err(|error| {
        Failure::usage(format!("`{text}` is no packet: {error}"))
            .hint("for example `eth0: tcp 10.0.0.1:4000 > 10.96.0.1:443 [syn ttl=64]`; see `skoop walk --help`")
    })
}

fn write(ground: &Ground, packets: &[WalkPacket], args: &WalkArgs, style: &Style) -> Result<Exit, Failure> {
    let mut exit = Exit::Fine;
    let text = if args.output == WalkFormat::Text {
        let mut texts = Vec::new();
        for packet in packets {
            let told = ground.walk_told(packet);
            exit = exit.worse(told.result.verdict.into());
            texts.push(if style.quiet {
                walk_line(packet, &told.result, &style.text())
            } else {
                walk_text(packet, &told, &style.text())
            });
        }
        texts.join(if style.quiet { "" } else { "\n" })
    } else {
        let results: Vec<WalkResult> = packets.iter().map(|packet| ground.walk(packet)).collect();
        exit = results.iter().fold(exit, |exit, result| exit.worse(result.verdict.into()));
        form(&results, packets.len() == 1 && args.packets.is_none(), args.output)?
    };
    output::write(&args.output_file, &text)?;
    Ok(exit)
}

/// The results for programs: one alone where one packet was named, else a list.
fn form(results: &[WalkResult], alone: bool, form: WalkFormat) -> Result<String, Failure> {
    match (form, results) {
        (WalkFormat::Jsonl, _) => {
            let lines = results.iter().map(lines::line).collect::<Result<Vec<_>, _>>()?;
            Ok(lines.concat())
        }
        (WalkFormat::Yaml, [only]) if alone => crate::diagnose::yaml(only),
        (WalkFormat::Yaml, _) => crate::diagnose::yaml(&results),
        (_, [only]) if alone => output::json(only),
        _ => output::json(&results),
    }
}

impl From<WalkVerdict> for Exit {
    fn from(verdict: WalkVerdict) -> Self {
        match verdict {
            WalkVerdict::Forwarded | WalkVerdict::Delivered => Self::Fine,
            WalkVerdict::Dropped | WalkVerdict::Rejected => Self::Unreachable,
            WalkVerdict::Mixed => Self::Degraded,
            WalkVerdict::Undetermined => Self::Undetermined,
        }
    }
}
