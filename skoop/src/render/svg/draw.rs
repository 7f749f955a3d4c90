//! From places to elements.

use skoop_model::Branch;

use super::layout::{CHIP, FRAME, Frame, Layout, NOTE_LINE, Notes, Placed, layout};
use super::stops::{State, StopKind, parts};
use crate::render::clean;

/// Elements, and the room that they take in pixels.
pub(super) struct Drawn {
    pub(super) body: String,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Draws one way.
pub(super) fn branch(branch: &Branch) -> Drawn {
    let page = layout(parts(branch));
    let mut body = String::new();
    for frame in &page.frames {
        draw_frame(&mut body, frame);
    }
    draw_way(&mut body, &page);
    for stop in &page.stops {
        draw_stop(&mut body, stop);
    }
    Drawn { body: format!("<g transform=\"translate(1 1)\">{body}</g>"), width: page.width, height: page.height }
}

/// A text element.
pub(super) fn text(x: f64, y: f64, class: &str, content: &str) -> String {
    format!("<text x=\"{x:.0}\" y=\"{y:.0}\" class=\"{class}\">{}</text>", clean::xml(content))
}

fn centred(out: &mut String, x: f64, y: f64, class: &str, content: &str) {
    put!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\" text-anchor=\"middle\">{}</text>",
        clean::xml(content)
    );
}

fn draw_frame(out: &mut String, frame: &Frame) {
    let (class, round, title) = if frame.is_node { ("s-node", 14, "s-name") } else { ("s-box", 9, "s-note") };
    put!(
        out,
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"{round}\" class=\"{class}\"/>",
        frame.x,
        frame.y,
        frame.width,
        frame.height
    );
    out.push_str(&text(frame.x + FRAME, frame.y + 18.0, title, &frame.title));
}

/// The lines between stops; the tunnel lies below them.
fn draw_way(out: &mut String, page: &Layout) {
    for pair in page.stops.windows(2) {
        let [from, to] = pair else { continue };
        let path = line(from, to);
        if to.stop.tunnelled {
            put!(out, "<path d=\"{path}\" class=\"s-tube\"/>");
        }
    }
    for pair in page.stops.windows(2) {
        let [from, to] = pair else { continue };
        let later = to.stop.state == State::Later || from.stop.state != State::Passed;
        let then = if later { " s-then" } else { "" };
        put!(out, "<path d=\"{}\" class=\"s-way{then}\"/>", line(from, to));
        put!(out, "<path d=\"{}\" class=\"s-head{then}\"/>", head(from, to));
        if from.visit != to.visit && !is_vertical(from, to) {
            let (gap_from, gap_to) = (from.x + from.width / 2.0, to.x - to.width / 2.0);
            centred(out, f64::midpoint(gap_from, gap_to), f64::midpoint(from.y, to.y) - 13.0, "s-note", "underlay");
        }
    }
}

/// Whether two stops stand one above the other.
fn is_vertical(from: &Placed, to: &Placed) -> bool {
    (from.x - to.x).abs() < 1.0
}

fn line(from: &Placed, to: &Placed) -> String {
    if is_vertical(from, to) || (from.y - to.y).abs() < 1.0 {
        return format!("M{:.1} {:.1}L{:.1} {:.1}", from.x, from.y, to.x, to.y);
    }
    let middle = f64::midpoint(from.y, to.y);
    format!("M{:.1} {:.1}C{:.1} {middle:.1} {:.1} {middle:.1} {:.1} {:.1}", from.x, from.y, from.x, to.x, to.x, to.y)
}

/// The arrow's head, where the line meets the stop.
fn head(from: &Placed, to: &Placed) -> String {
    const LONG: f64 = 8.0;
    const HALF: f64 = 4.5;
    if (from.y - to.y).abs() < 1.0 {
        let way = if to.x >= from.x { 1.0 } else { -1.0 };
        let tip = to.x - way * (to.width / 2.0 + 1.0);
        let back = tip - way * LONG;
        return format!("M{tip:.1} {y:.1}L{back:.1} {:.1}L{back:.1} {:.1}Z", to.y - HALF, to.y + HALF, y = to.y);
    }
    let way = if to.y >= from.y { 1.0 } else { -1.0 };
    let tip = to.y - way * (CHIP / 2.0 + 1.0);
    let back = tip - way * LONG;
    format!("M{x:.1} {tip:.1}L{:.1} {back:.1}L{:.1} {back:.1}Z", to.x - HALF, to.x + HALF, x = to.x)
}

fn draw_stop(out: &mut String, placed: &Placed) {
    let stop = &placed.stop;
    let (shape, round) = match stop.kind {
        StopKind::Device => ("s-chip", 7.0),
        StopKind::Gate => ("s-gate", 2.0),
        StopKind::End => ("s-end", CHIP / 2.0),
    };
    let state = match stop.state {
        State::Passed => "",
        State::Blocked => " class=\"s-stop\"",
        State::Later => " class=\"s-later\"",
    };
    let (left, top) = (placed.x - placed.width / 2.0, placed.y - CHIP / 2.0);
    put!(
        out,
        "<g{state}><rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{CHIP}\" rx=\"{round}\" class=\"{shape}\"/>",
        placed.width
    );
    centred(out, placed.x, placed.y + 4.0, "", &stop.label);
    let halo = if placed.notes == Notes::OnTheWay { " s-halo" } else { "" };
    let lines = stop.why.len() + stop.changed.len();
    let mut y = match placed.notes {
        Notes::Above => top - 8.0 - clean::times(lines.saturating_sub(1), NOTE_LINE),
        Notes::Below | Notes::OnTheWay => placed.y + CHIP / 2.0 + NOTE_LINE,
    };
    let why = stop.why.iter().map(|note| ("s-why", note));
    for (class, note) in why.chain(stop.changed.iter().map(|note| ("s-change", note))) {
        centred(out, placed.x, y, &format!("{class}{halo}"), note);
        y += NOTE_LINE;
    }
    if stop.state == State::Blocked {
        draw_badge(out, left + placed.width, top);
    }
    out.push_str("</g>");
}

/// A cross in a circle.
fn draw_badge(out: &mut String, x: f64, y: f64) {
    put!(
        out,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"9\" class=\"s-badge\"/>\
         <path d=\"M{0:.1} {1:.1}l7 7m0 -7l-7 7\" class=\"s-badge-x\"/>",
        x - 3.5,
        y - 3.5
    );
}
