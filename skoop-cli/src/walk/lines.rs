//! Packets and results line by line: read, walked by several threads, and written in order.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::thread;

use skoop::walk::{Ground, WalkPacket, WalkResult};

use crate::args::FileOrStdout;
use crate::exit::{Exit, Failure};
use crate::output::{self, Style};

/// Lines that are read, walked and written at a time.
const BATCH: usize = 4096;
/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 1 << 18;
/// Lines below which another thread costs more than it saves.
const SHARE: usize = 64;

/// All packets of a file.
pub(super) fn read(path: &Path, style: &Style) -> Result<Vec<WalkPacket>, Failure> {
    let mut packets = Packets::open(path, style)?;
    let mut all = Vec::new();
    while packets.next_batch(&mut all)? {}
    Ok(all)
}

/// Walks the packets of a file and writes one result a line.
pub(super) fn stream(ground: &Ground, path: &Path, to: &FileOrStdout, style: &Style) -> Result<Exit, Failure> {
    let mut packets = Packets::open(path, style)?;
    let mut out = sink(to)?;
    let (mut batch, mut exit) = (Vec::with_capacity(BATCH), Exit::Fine);
    loop {
        batch.clear();
        let read = packets.next_batch(&mut batch);
        for (lines, worst) in walked(ground, &batch) {
            exit = exit.worse(worst);
            if let Err(error) = out.write_all(lines?.as_bytes()) {
                return closed(&error, exit);
            }
        }
        if let Err(error) = out.flush() {
            return closed(&error, exit);
        }
        if !read? {
            return Ok(exit);
        }
    }
}

/// A reader that has gone is no error.
fn closed(error: &io::Error, exit: Exit) -> Result<Exit, Failure> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(exit),
        _ => Err(Failure::new(Exit::Internal, format!("cannot write the results: {error}"))),
    }
}

fn sink(to: &FileOrStdout) -> Result<Box<dyn Write>, Failure> {
    Ok(match to {
        FileOrStdout::Stdout => Box::new(io::stdout().lock()),
        FileOrStdout::File(path) => Box::new(
            File::create(path).map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?,
        ),
    })
}

/// The results of a batch as lines, in its order: each thread takes a part of it.
fn walked(ground: &Ground, batch: &[WalkPacket]) -> Vec<(Result<String, Failure>, Exit)> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(batch.len() / SHARE).max(1);
    if threads == 1 {
        return vec![lines(ground, batch)];
    }
    thread::scope(|scope| {
        let parts = batch.chunks(batch.len().div_ceil(threads));
        let working: Vec<_> = parts.map(|part| scope.spawn(move || lines(ground, part))).collect();
        let bug = || (Err(Failure::new(Exit::Internal, "a walk broke off: please report it")), Exit::Internal);
        working.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bug())).collect()
    })
}

fn lines(ground: &Ground, packets: &[WalkPacket]) -> (Result<String, Failure>, Exit) {
    let (mut text, mut exit) = (String::new(), Exit::Fine);
    for packet in packets {
        let result = ground.walk(packet);
        exit = exit.worse(result.verdict.into());
        match line(&result) {
            Ok(line) => text.push_str(&line),
            Err(failure) => return (Err(failure), exit),
        }
    }
    (Ok(text), exit)
}

/// One result as one line.
pub(super) fn line(result: &WalkResult) -> Result<String, Failure> {
    let mut text = serde_json::to_string(result)
        .map_err(|error| Failure::new(Exit::Internal, format!("cannot write JSON: {error}")))?;
    text.push('\n');
    Ok(text)
}

/// Packets as they are read.
struct Packets<'a> {
    lines: BufReader<Box<dyn Read>>,
    name: String,
    number: usize,
    /// Fields that were passed over are told once.
    told: bool,
    style: &'a Style,
}

impl<'a> Packets<'a> {
    fn open(path: &Path, style: &'a Style) -> Result<Self, Failure> {
        let (source, name): (Box<dyn Read>, String) = if path.as_os_str() == "-" {
            (Box::new(io::stdin()), "standard input".to_owned())
        } else {
            let file =
                File::open(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
            (Box::new(file), path.display().to_string())
        };
        let lines = BufReader::with_capacity(BUFFER_BYTES, source);
        Ok(Self { lines, name, number: 0, told: false, style })
    }

    /// Reads on, at most one batch; false at the end. What came before a line that is no packet is in `into`.
    fn next_batch(&mut self, into: &mut Vec<WalkPacket>) -> Result<bool, Failure> {
        let mut line = String::new();
        for _ in 0..BATCH {
            line.clear();
            let read = self.lines.read_line(&mut line);
            if read.map_err(|error| Failure::usage(format!("cannot read {}: {error}", self.name)))? == 0 {
                return Ok(false);
            }
            self.number += 1;
            let text = line.trim();
            if !text.is_empty() && !text.starts_with('#') {
                into.push(self.packet(text)?);
            }
            // Whoever writes one packet at a time and waits for its result gets it.
            if !self.lines.buffer().contains(&b'\n') {
                break;
            }
        }
        Ok(true)
    }

    fn packet(&mut self, text: &str) -> Result<WalkPacket, Failure> {
        let parsed = if text.starts_with('{') {
            WalkPacket::from_json(text)
        } else {
            text.parse().map(|packet| (packet, Vec::new()))
        };
        let (packet, passed_over) = parsed
            .map_err(|error| Failure::usage(format!("{}, line {}: no packet: {error}", self.name, self.number)))?;
        if !passed_over.is_empty() && !self.told {
            self.told = true;
            let names = passed_over.join(", ");
            output::note(
                &format!("{}, line {}: not known and passed over: {names}", self.name, self.number),
                self.style,
            );
        }
        Ok(packet)
    }
}
