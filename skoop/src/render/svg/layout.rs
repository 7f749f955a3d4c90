//! Where everything goes: nodes side by side, in each its own namespace below and pods above, stops in columns.

use super::stops::{Part, Stop};
use crate::render::clean;

/// Height of a stop.
pub(super) const CHIP: f64 = 30.0;
/// Width of one character at 12 px, and at 11 px.
const CHAR: f64 = 7.3;
const NOTE_CHAR: f64 = 6.7;
/// Height of a note's line.
pub(super) const NOTE_LINE: f64 = 15.0;
/// From a column's edge to its content.
const PAD: f64 = 14.0;
/// Space between two nodes: the underlay.
const BETWEEN: f64 = 72.0;
/// Space inside a node's frame, and for its name.
pub(super) const FRAME: f64 = 14.0;
const NAME: f64 = 26.0;
/// Space between stops of a pod, one above the other.
const RISE: f64 = 26.0;

/// A stop with its centre.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) stop: Stop,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    /// Where its notes stand.
    pub(super) notes: Notes,
    /// Number of the visit to a node that it belongs to.
    pub(super) visit: usize,
}

/// Where the notes of a stop stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notes {
    /// Below it, where nothing else is.
    Below,
    /// Below it, with the way passing behind them.
    OnTheWay,
    /// Above it, for the uppermost stop of a pod.
    Above,
}

/// A frame with its title.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) title: String,
    pub(super) is_node: bool,
}

/// Everything with its place.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) frames: Vec<Frame>,
    pub(super) stops: Vec<Placed>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// One column of a node: a pod above, a stop of the node's own namespace below, or both.
#[derive(Default)]
struct Column {
    pod: Option<Pod>,
    host: Option<(usize, Stop)>,
}

/// A pod's stops, from top to bottom, each with its number on the way.
struct Pod {
    title: String,
    stops: Vec<(usize, Stop)>,
}

/// A visit to a node.
struct Visit {
    title: String,
    columns: Vec<Column>,
}

/// Places the parts of a way.
pub(super) fn layout(parts: Vec<Part>) -> Layout {
    let visits = visits(parts);
    let rows = Rows::of(&visits);
    let mut page = Layout { height: rows.height, ..Layout::default() };
    let mut numbered: Vec<(usize, Placed)> = Vec::new();
    let mut x = 0.0;
    for (index, visit) in visits.into_iter().enumerate() {
        page.width = place_visit(visit, (index, x), &rows, &mut page.frames, &mut numbered);
        x = page.width + BETWEEN;
    }
    numbered.sort_by_key(|(number, _)| *number);
    page.stops = numbered.into_iter().map(|(_, placed)| placed).collect();
    // Nodes lie below what they hold.
    page.frames.sort_by_key(|frame| !frame.is_node);
    page.width += 2.0;
    page.height += 2.0;
    page
}

/// The two rows, which are the same in all nodes: pods above, the nodes' own namespaces below.
struct Rows {
    pods_y: f64,
    pods_height: f64,
    hosts_y: f64,
    hosts_height: f64,
    height: f64,
}

impl Rows {
    fn of(visits: &[Visit]) -> Self {
        let columns = || visits.iter().flat_map(|visit| &visit.columns);
        let pods = columns().filter_map(|column| column.pod.as_ref());
        let pods_height = pods.map(|pod| pod_height(&pod.stops)).fold(0.0, f64::max);
        let notes = columns().filter_map(|column| column.host.as_ref()).map(|(_, stop)| note_lines(stop)).max();
        let hosts_height = notes.map_or(0.0, |notes| NAME + CHIP + lines_height(notes) + FRAME);
        let gap = if pods_height > 0.0 && hosts_height > 0.0 { FRAME * 1.6 } else { 0.0 };
        let pods_y = NAME + 4.0;
        let hosts_y = pods_y + pods_height + gap;
        Self { pods_y, pods_height, hosts_y, hosts_height, height: hosts_y + hosts_height + FRAME }
    }
}

/// Places a visit from `start` on; gives where it ends.
fn place_visit(
    visit: Visit,
    (index, start): (usize, f64),
    rows: &Rows,
    frames: &mut Vec<Frame>,
    numbered: &mut Vec<(usize, Placed)>,
) -> f64 {
    let inner = start + FRAME;
    let mut x = inner;
    let (mut host_from, mut host_to) = (f64::MAX, f64::MIN);
    for column in visit.columns {
        let width = column_width(&column);
        let centre = x + width / 2.0;
        if let Some((number, stop)) = column.host {
            host_from = host_from.min(x);
            host_to = host_to.max(x + width);
            let y = rows.hosts_y + NAME + CHIP / 2.0;
            numbered.push((number, placed(stop, (centre, y), Notes::Below, index)));
        }
        if let Some(pod) = column.pod {
            let (y, height) = (rows.pods_y, rows.pods_height);
            frames.push(Frame { x: x + 4.0, y, width: width - 8.0, height, title: pod.title, is_node: false });
            place_pod(pod.stops, (centre, y), index, numbered);
        }
        x += width;
    }
    if host_from < host_to {
        let (x, width) = (host_from + 4.0, host_to - host_from - 8.0);
        let (y, height) = (rows.hosts_y, rows.hosts_height);
        frames.push(Frame { x, y, width, height, title: "host".to_owned(), is_node: false });
    }
    let end = x.max(inner + clean::pixels(&visit.title, CHAR) + FRAME) + FRAME;
    if !visit.title.is_empty() {
        let (width, height) = (end - start, rows.height);
        frames.push(Frame { x: start, y: 0.0, width, height, title: visit.title, is_node: true });
    }
    end
}

/// Groups parts by node and gives each stop its column.
fn visits(parts: Vec<Part>) -> Vec<Visit> {
    let mut visits: Vec<Visit> = Vec::new();
    let mut number = 0;
    for (index, part) in parts.into_iter().enumerate() {
        if visits.last().is_none_or(|visit| visit.title != part.node) {
            visits.push(Visit { title: part.node.clone(), columns: Vec::new() });
        }
        let Some(visit) = visits.last_mut() else { continue };
        let numbers = number..;
        number += part.stops.len();
        let stops = numbers.zip(part.stops);
        if part.namespace == "host" || part.namespace.is_empty() {
            for stop in stops {
                match visit.columns.last_mut().filter(|column| column.host.is_none()) {
                    Some(column) => column.host = Some(stop),
                    None => visit.columns.push(Column { pod: None, host: Some(stop) }),
                }
            }
            continue;
        }
        // The way goes down out of the first pod, and up into any other.
        let mut stops: Vec<_> = stops.collect();
        if index > 0 {
            stops.reverse();
        }
        let pod = Pod { title: part.namespace, stops };
        match visit.columns.last_mut().filter(|column| column.pod.is_none()) {
            Some(column) => column.pod = Some(pod),
            None => visit.columns.push(Column { pod: Some(pod), host: None }),
        }
    }
    visits
}

fn place_pod(stops: Vec<(usize, Stop)>, (x, top): (f64, f64), visit: usize, out: &mut Vec<(usize, Placed)>) {
    let mut y = top + NAME + CHIP / 2.0;
    for (position, (number, stop)) in stops.into_iter().enumerate() {
        let room = lines_height(note_lines(&stop));
        let notes = if position == 0 { Notes::Above } else { Notes::OnTheWay };
        if position == 0 {
            y += room;
        }
        out.push((number, placed(stop, (x, y), notes, visit)));
        y += CHIP + RISE + if position == 0 { 0.0 } else { room };
    }
}

fn placed(stop: Stop, (x, y): (f64, f64), notes: Notes, visit: usize) -> Placed {
    let width = chip_width(&stop);
    Placed { stop, x, y, width, notes, visit }
}

fn pod_height(stops: &[(usize, Stop)]) -> f64 {
    let stacked: f64 = stops.iter().map(|(_, stop)| CHIP + lines_height(note_lines(stop)) + RISE).sum();
    NAME + stacked - RISE + FRAME
}

fn note_lines(stop: &Stop) -> usize {
    stop.why.len() + stop.changed.len()
}

fn lines_height(lines: usize) -> f64 {
    if lines == 0 { 0.0 } else { clean::times(lines, NOTE_LINE) + 6.0 }
}

fn column_width(column: &Column) -> f64 {
    let host = column.host.as_ref().map_or(0.0, |(_, stop)| stop_width(stop));
    let pod = column.pod.as_ref().map_or(0.0, |pod| {
        let title = clean::pixels(&pod.title, CHAR) + 2.0 * FRAME;
        pod.stops.iter().map(|(_, stop)| stop_width(stop) + FRAME).fold(title, f64::max)
    });
    host.max(pod) + PAD * 2.0
}

fn stop_width(stop: &Stop) -> f64 {
    let notes = stop.why.iter().chain(&stop.changed).map(|note| clean::pixels(note, NOTE_CHAR));
    notes.fold(chip_width(stop), f64::max)
}

fn chip_width(stop: &Stop) -> f64 {
    (clean::pixels(&stop.label, CHAR) + 2.0 * PAD).max(52.0)
}
