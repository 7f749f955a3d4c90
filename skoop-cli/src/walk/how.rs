//! The commands that make a directory for `skoop walk --dir`.

use skoop::collect::dump::FILES;

/// The commands, to be run on a node, as a shell takes them.
pub(super) fn text() -> String {
    let mut text = String::from(
        "# Run as root on the node, or in a namespace of it: ip netns exec NAME, nsenter -t PID -n.\n\
         # Nothing is changed. A tool that is not installed leaves its file out: what it would tell is then unknown.\n\
         mkdir -p skoop-walk/xt_recent && cd skoop-walk\n",
    );
    for (file, command) in FILES {
        text.push_str(&line(file, command));
    }
    text.push_str(
        "ip -j neigh show proxy >> ip-neigh.json\n\
         cp /proc/net/xt_recent/* xt_recent/ 2>/dev/null\n\
         find . -maxdepth 1 -name '*.failed' -delete\n\
         cd .. && tar czf skoop-walk.tar.gz skoop-walk\n",
    );
    text
}

/// A command and its file. `iptables-legacy-save` makes tables by asking for them, so that it is only asked where there are any; where
/// there are none its file is empty, which says so.
fn line(file: &str, command: &str) -> String {
    let names = match file {
        "iptables-legacy-save.txt" => "/proc/net/ip_tables_names",
        "ip6tables-legacy-save.txt" => "/proc/net/ip6_tables_names",
        _ => return format!("{command} > {file}.failed && mv {file}.failed {file}\n"),
    };
    format!("if [ -s {names} ]; then {command} > {file}.failed && mv {file}.failed {file}; else : > {file}; fi\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_its_command() {
        let text = text();
        assert!(FILES.iter().all(|(file, command)| text.contains(file) && text.contains(command)));
    }
}
