//! What goes with the command: completions and the man page, from the same definition as the arguments, and pictures of its output.

use std::fs;
use std::io::Read;

use crate::args::{self, CompletionsArgs, ManArgs, PictureArgs};
use crate::exit::{Exit, Failure};
use crate::output::{self, Style};

/// Writes completions to standard output.
pub(crate) fn completions(args: &CompletionsArgs, _style: &Style) -> Result<Exit, Failure> {
    let mut command = args::command(None);
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "skoop", &mut text);
    output::print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Fine)
}

/// Writes the man page to standard output, or one for each command into a directory.
pub(crate) fn man(args: &ManArgs, _style: &Style) -> Result<Exit, Failure> {
    let command = args::command(None);
    let internal = |error: std::io::Error| Failure::new(Exit::Internal, format!("cannot write the man page: {error}"));
    if let Some(dir) = &args.dir {
        fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(command, dir))
            .map_err(|error| Failure::usage(format!("cannot write to {}: {error}", dir.display())))?;
        return Ok(Exit::Fine);
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text).map_err(internal)?;
    output::print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Fine)
}

/// Draws what comes from standard input.
pub(crate) fn picture(args: &PictureArgs) -> Result<Exit, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?;
    output::print(&skoop::render::terminal_svg(&String::from_utf8_lossy(&bytes), &args.title))?;
    Ok(Exit::Fine)
}
