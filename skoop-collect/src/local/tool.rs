//! Programs that print kernel state: run with an argument list, a time limit and a limit on what they print.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use skoop_model::{Reason, Unavailable};

/// What a tool says about its failure is cut here.
const STDERR_BYTES: usize = 16 << 10;
const CHUNK_BYTES: usize = 16 << 10;

/// Where tools are and what they may take.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    pub(super) path: Vec<PathBuf>,
    pub(super) timeout: Duration,
    pub(super) output_bytes: usize,
}

impl Tools {
    /// Starts the first of `commands` whose program there is, in the namespace of the calling thread.
    pub(super) fn start(&self, commands: &[&[&str]]) -> Result<Running, Unavailable> {
        let found = commands.iter().find_map(|command| {
            let (name, arguments) = command.split_first()?;
            Some((self.find(name)?, *command, arguments))
        });
        let Some((program, command, arguments)) = found else {
            let name = commands.first().and_then(|command| command.first()).unwrap_or(&"");
            return Err(Unavailable::new(Reason::Unsupported, format!("{name} is not installed")));
        };
        Running::start(&program, command.join(" "), arguments, self)
            .map_err(|error| super::unavailable(&format!("run {}", program.display()), &error))
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        // A relative directory would make what runs depend on where the caller happens to be.
        self.path.iter().filter(|directory| directory.is_absolute()).map(|directory| directory.join(name)).find(
            |path| {
                path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
            },
        )
    }
}

/// A tool at work. It is killed when dropped.
pub(super) struct Running {
    child: Child,
    stdout: ChildStdout,
    stderr: ChildStderr,
    command: String,
    timeout: Duration,
    output_bytes: usize,
}

impl Running {
    fn start(program: &Path, command: String, arguments: &[&str], tools: &Tools) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that a tool's own children are killed with it.
            .process_group(0)
            .spawn()?;
        match (child.stdout.take(), child.stderr.take()) {
            (Some(stdout), Some(stderr)) => {
                rustix::io::ioctl_fionbio(&stdout, true)?;
                rustix::io::ioctl_fionbio(&stderr, true)?;
                let (timeout, output_bytes) = (tools.timeout, tools.output_bytes);
                Ok(Self { child, stdout, stderr, command, timeout, output_bytes })
            }
            _ => Err(io::Error::other("no pipe")),
        }
    }

    /// What the tool prints, once it has ended well.
    pub(super) fn finish(mut self) -> Result<String, Unavailable> {
        let deadline = Instant::now() + self.timeout;
        let (mut output, mut complaint) = (Vec::new(), Vec::new());
        self.drain(deadline, &mut output, &mut complaint)?;
        self.wait(deadline)?;
        let status = self.child.wait().map_err(|error| self.failure(&error))?;
        if !status.success() {
            return Err(failed(&self.command, &status.to_string(), &String::from_utf8_lossy(&complaint)));
        }
        Ok(String::from_utf8(output).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn drain(&self, deadline: Instant, output: &mut Vec<u8>, complaint: &mut Vec<u8>) -> Result<(), Unavailable> {
        let (mut more_output, mut more_complaint) = (true, true);
        while more_output || more_complaint {
            let mut wanted = Vec::new();
            if more_output {
                wanted.push(PollFd::new(&self.stdout, PollFlags::IN));
            }
            if more_complaint {
                wanted.push(PollFd::new(&self.stderr, PollFlags::IN));
            }
            self.poll(&mut wanted, deadline)?;
            if more_output {
                more_output = take(&self.stdout, output).map_err(|errno| self.failure(&errno.into()))?;
                if output.len() > self.output_bytes {
                    let detail = format!("{}: printed more than {} bytes", self.command, self.output_bytes);
                    return Err(Unavailable::new(Reason::Failed, detail));
                }
            }
            if more_complaint {
                more_complaint = take(&self.stderr, complaint).map_err(|errno| self.failure(&errno.into()))?;
                complaint.truncate(STDERR_BYTES);
            }
        }
        Ok(())
    }

    /// Waits for the end of a tool that has closed its output.
    fn wait(&self, deadline: Instant) -> Result<(), Unavailable> {
        match pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty()) {
            Ok(process) => self.poll(&mut [PollFd::new(&process, PollFlags::IN)], deadline),
            // Linux before 5.3: the end is near once the output is closed.
            Err(_) => Ok(()),
        }
    }

    fn poll(&self, wanted: &mut [PollFd<'_>], deadline: Instant) -> Result<(), Unavailable> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            match poll(wanted, Some(&timeout)) {
                Ok(0) => {
                    let detail = format!("{}: no end after {} ms", self.command, self.timeout.as_millis());
                    return Err(Unavailable::new(Reason::Timeout, detail));
                }
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.failure(&errno.into())),
            }
        }
    }

    fn failure(&self, error: &io::Error) -> Unavailable {
        super::unavailable(&self.command, error)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing to do if it has been waited for: then the group's number may be another's already.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Reads what there is now; whether more may come.
fn take(pipe: &impl rustix::fd::AsFd, into: &mut Vec<u8>) -> Result<bool, Errno> {
    let mut chunk = [0; CHUNK_BYTES];
    match rustix::io::read(pipe, &mut chunk) {
        Ok(0) => Ok(false),
        Ok(length) => {
            into.extend(chunk.get(..length).unwrap_or_default());
            Ok(true)
        }
        Err(Errno::AGAIN | Errno::INTR) => Ok(true),
        Err(errno) => Err(errno),
    }
}

fn failed(command: &str, status: &str, complaint: &str) -> Unavailable {
    let refused = ["Operation not permitted", "Permission denied", "must be root"];
    let reason =
        if refused.iter().any(|words| complaint.contains(words)) { Reason::Permission } else { Reason::Failed };
    let why = complaint.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or(status);
    Unavailable::new(reason, format!("{command}: {why}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A directory with one program of this text.
    fn tools(name: &str, text: &str) -> (tempfile::TempDir, Tools) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        let tools = Tools {
            path: vec!["relative".into(), directory.path().to_owned()],
            timeout: Duration::from_millis(300),
            output_bytes: 1 << 20,
        };
        (directory, tools)
    }

    fn run(text: &str) -> Result<String, Unavailable> {
        let (_directory, tools) = tools("tool", text);
        tools.start(&[&["other-tool"], &["tool", "one argument"]])?.finish()
    }

    #[test]
    fn output_is_kept_and_what_is_no_text_is_made_one() {
        assert_eq!(run("#!/bin/sh\necho \"[$1]\"\n").as_deref(), Ok("[one argument]\n"));
        assert_eq!(run("#!/bin/sh\nprintf 'a\\377b'\n").as_deref(), Ok("a\u{fffd}b"));
    }

    #[test]
    fn a_failure_says_what_the_tool_said() {
        let why = run("#!/bin/sh\necho 'Fatal: Operation not permitted' >&2\nexit 3\n").expect_err("fails");
        assert_eq!(why, Unavailable::new(Reason::Permission, "tool one argument: Fatal: Operation not permitted"));
        assert_eq!(run("#!/bin/sh\nexit 3\n").map_err(|why| why.reason), Err(Reason::Failed));
    }

    #[test]
    fn a_tool_that_hangs_is_killed_with_its_children() {
        let begun = Instant::now();
        let why = run("#!/bin/sh\nsleep 60 &\nsleep 60\n").expect_err("hangs");
        assert_eq!(why.reason, Reason::Timeout);
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn endless_output_is_cut_off() {
        assert_eq!(run("#!/bin/sh\nexec yes\n").map_err(|why| why.reason), Err(Reason::Failed));
    }

    #[test]
    fn a_missing_tool_is_named() {
        let (_directory, tools) = tools("tool", "");
        let why = tools.start(&[&["nft", "list"]]).err().expect("missing");
        assert_eq!(why, Unavailable::new(Reason::Unsupported, "nft is not installed"));
    }
}
