//! The lists of the match `recent` (`net/netfilter/xt_recent.c`). They tell time in jiffies; a line with the jiffies of the moment is
//! added to each that holds something, where they can be known.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};

use skoop_model::{Reason, Unavailable};

use super::clock;

const DIRECTORY: &str = "/proc/thread-self/net/xt_recent";
/// All lists together; kube-proxy makes one for each endpoint of a service with affinity.
const TOTAL_BYTES: u64 = 64 << 20;

/// Every list of the thread's namespace, by name.
pub(super) fn read() -> Result<BTreeMap<String, String>, Unavailable> {
    let failed = |path: &str, error: &io::Error| super::super::unavailable(&format!("read {path}"), error);
    let entries = match fs::read_dir(DIRECTORY) {
        Ok(entries) => entries,
        // No `xt_recent` in the kernel.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(failed(DIRECTORY, &error)),
    };
    let (mut lists, mut left) = (BTreeMap::new(), TOTAL_BYTES);
    for entry in entries {
        let entry = entry.map_err(|error| failed(DIRECTORY, &error))?;
        let Ok(name) = entry.file_name().into_string() else {
            return Err(Unavailable::new(Reason::Malformed, format!("{DIRECTORY}: a name that is no text")));
        };
        let mut text = Vec::new();
        let read = File::open(entry.path()).and_then(|file| file.take(left + 1).read_to_end(&mut text));
        match read {
            Ok(_) => {}
            // The rule that it was made for went.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(&format!("{DIRECTORY}/{name}"), &error)),
        }
        let Some(rest) = u64::try_from(text.len()).ok().and_then(|length| left.checked_sub(length)) else {
            return Err(Unavailable::new(Reason::Failed, format!("{DIRECTORY}: more than {TOTAL_BYTES} bytes")));
        };
        left = rest;
        lists.insert(name, String::from_utf8_lossy(&text).into_owned());
    }
    if lists.values().any(|text| !text.is_empty())
        && let Some(now) = clock::read()
    {
        for text in lists.values_mut().filter(|text| !text.is_empty()) {
            text.push_str(&now.to_string());
            text.push('\n');
        }
    }
    Ok(lists)
}
