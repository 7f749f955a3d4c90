//! A picture of terminal output, from real output.

use super::clean::{columns, pixels, times, xml};

/// Size of a character cell at 14 px.
const CELL: f64 = 8.43;
const LINE: f64 = 20.0;
/// Around the text, and for the window's bar.
const MARGIN: f64 = 20.0;
const BAR: f64 = 40.0;
/// Narrowest picture, in columns.
const NARROWEST: usize = 60;

/// Terminal output as an SVG picture of a terminal window. Of its escape sequences the colours and weights ("select graphic
/// rendition") are drawn, all others are left out.
pub fn terminal_svg(ansi_text: &str, title: &str) -> String {
    let lines: Vec<Vec<Span>> =
        ansi_text.trim_end().lines().scan(Look::default(), |look, line| Some(spans(line, look))).collect();
    let widest = lines.iter().map(|line| line.iter().map(|span| columns(&span.text)).sum()).max().unwrap_or(0);
    let width = times(widest.max(NARROWEST), CELL) + 2.0 * MARGIN;
    let height = BAR + times(lines.len(), LINE) + MARGIN;
    let mut out = String::new();
    put!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{}\">\n<style>{STYLE}</style>",
        xml(title),
    );
    put!(out, "<rect width=\"{width:.0}\" height=\"{height:.0}\" rx=\"10\" fill=\"#0f141b\"/>");
    for (x, color) in [(22, "#ff5f57"), (42, "#febc2e"), (62, "#28c840")] {
        put!(out, "<circle cx=\"{x}\" cy=\"20\" r=\"6\" fill=\"{color}\"/>");
    }
    put!(out, "<text x=\"{:.0}\" y=\"24\" text-anchor=\"middle\" class=\"bar\">{}</text>", width / 2.0, xml(title));
    for (number, line) in lines.iter().enumerate() {
        draw_line(&mut out, line, BAR + times(number, LINE) + 14.0);
    }
    out.push_str("</svg>\n");
    out
}

const STYLE: &str = "text{font:14px ui-monospace,'SF Mono','Cascadia Mono','DejaVu Sans Mono',Menlo,Consolas,monospace;\
    fill:#d7dee8;white-space:pre}.bar{fill:#7b8796;font-size:13px}.b{font-weight:700}.d{opacity:.62}.i{font-style:italic}\
    .u{text-decoration:underline}";

/// Sixteen colours that read well on the dark ground, in the order of ANSI.
const PALETTE: [&str; 16] = [
    "#4b5563", "#ff6b78", "#4bd6a0", "#f2b950", "#7fb0ff", "#c99bff", "#5fd3e6", "#d7dee8", "#6b7686", "#ff8a94",
    "#6fe3b6", "#f7cc78", "#a3c7ff", "#dab8ff", "#8be2f0", "#ffffff",
];

/// Colour and weight.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Look {
    color: Option<String>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
}

/// A stretch of one look.
#[derive(Debug, PartialEq, Eq)]
struct Span {
    text: String,
    look: Look,
}

fn draw_line(out: &mut String, line: &[Span], y: f64) {
    let mut column = 0;
    for span in line {
        let x = MARGIN + times(column, CELL);
        column += columns(&span.text);
        let text = span.text.trim_end();
        let lead = columns(text) - columns(text.trim_start());
        let text = text.trim_start();
        if text.is_empty() {
            continue;
        }
        // The length is fixed so that columns stay aligned in any font.
        put!(
            out,
            "<text x=\"{:.1}\" y=\"{y:.0}\" textLength=\"{:.1}\" lengthAdjust=\"spacingAndGlyphs\"{}>{}</text>",
            x + times(lead, CELL),
            pixels(text, CELL),
            attributes(&span.look),
            xml(text),
        );
    }
}

fn attributes(look: &Look) -> String {
    let names = [(look.bold, "b"), (look.dim, "d"), (look.italic, "i"), (look.underline, "u")];
    let classes: Vec<&str> = names.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
    let class = if classes.is_empty() { String::new() } else { format!(" class=\"{}\"", classes.join(" ")) };
    let style = look.color.as_ref().map(|color| format!(" style=\"fill:{color}\""));
    class + &style.unwrap_or_default()
}

/// One line as spans; the look goes on into the next line.
fn spans(line: &str, look: &mut Look) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.find('\u{1b}') {
        let (text, escape) = rest.split_at(start);
        push(&mut spans, text, look);
        let (parameters, after) = control_sequence(escape);
        if let Some(parameters) = parameters {
            apply(look, parameters);
        }
        rest = after;
    }
    push(&mut spans, rest, look);
    spans
}

fn push(spans: &mut Vec<Span>, text: &str, look: &Look) {
    if !text.is_empty() {
        spans.push(Span { text: text.to_owned(), look: look.clone() });
    }
}

/// What an escape sequence says, if it is about the look, and what follows it (ECMA-48, section 5.4).
fn control_sequence(escape: &str) -> (Option<&str>, &str) {
    let after = escape.strip_prefix('\u{1b}').unwrap_or(escape);
    let Some(body) = after.strip_prefix('[') else { return (None, after) };
    let Some(end) = body.find(|c: char| ('@'..='~').contains(&c)) else { return (None, "") };
    let (parameters, last) = body.split_at(end);
    let mut rest = last.chars();
    let is_look = rest.next() == Some('m');
    (is_look.then_some(parameters), rest.as_str())
}

fn apply(look: &mut Look, parameters: &str) {
    let mut codes = parameters.split(';').map(|code| code.parse::<usize>().unwrap_or(0));
    while let Some(code) = codes.next() {
        match code {
            0 => *look = Look::default(),
            1 => look.bold = true,
            2 => look.dim = true,
            3 => look.italic = true,
            4 => look.underline = true,
            22 => (look.bold, look.dim) = (false, false),
            23 => look.italic = false,
            24 => look.underline = false,
            30..=37 => look.color = PALETTE.get(code - 30).map(|&color| color.to_owned()),
            90..=97 => look.color = PALETTE.get(code - 90 + 8).map(|&color| color.to_owned()),
            38 => look.color = extended(&mut codes),
            39 => look.color = None,
            _ => {}
        }
    }
}

/// `38;5;N` and `38;2;R;G;B`.
fn extended(codes: &mut impl Iterator<Item = usize>) -> Option<String> {
    match codes.next()? {
        5 => {
            let index = codes.next()?;
            match index {
                0..16 => PALETTE.get(index).map(|&color| color.to_owned()),
                16..232 => {
                    let level = |step: usize| if step == 0 { 0 } else { 55 + 40 * step };
                    let cube = index - 16;
                    Some(format!("#{:02x}{:02x}{:02x}", level(cube / 36), level(cube / 6 % 6), level(cube % 6)))
                }
                232..256 => Some(format!("#{0:02x}{0:02x}{0:02x}", 8 + 10 * (index - 232))),
                _ => None,
            }
        }
        2 => {
            let mut byte = || codes.next().map(|value| value.min(255));
            Some(format!("#{:02x}{:02x}{:02x}", byte()?, byte()?, byte()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_read_and_other_sequences_left_out() {
        let mut look = Look::default();
        let spans = spans("a\u{1b}[1;31mb\u{1b}[2Kc\u{1b}[0m d\u{1b}[38;5;196me\u{1b}[38;2;1;2;3mf\u{1b}[", &mut look);
        let seen: Vec<_> =
            spans.iter().map(|span| (span.text.as_str(), span.look.color.as_deref(), span.look.bold)).collect();
        let red = Some("#ff6b78");
        assert_eq!(
            seen,
            [
                ("a", None, false),
                ("b", red, true),
                ("c", red, true),
                (" d", None, false),
                ("e", Some("#ff0000"), false),
                ("f", Some("#010203"), false)
            ]
        );
    }

    #[test]
    fn text_is_escaped() {
        let picture = terminal_svg("<script>\u{7}\n", "\"t\"");
        assert!(picture.contains("&lt;script&gt;\\u{7}"), "{picture}");
        assert!(picture.contains("&quot;t&quot;"));
    }
}
