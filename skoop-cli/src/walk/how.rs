//! The commands that make a directory for `skoop walk --dir`.

use skoop::collect::dump::FILES;

/// The commands, to be run on a node, as a shell takes them. A tool that fails leaves no file: an empty one would say that there is
/// nothing.
pub(super) fn text() -> String {
    let mut text = String::from(
        "# As root on the node, or in a namespace of it (ip netns exec NAME, nsenter -t PID -n). Nothing is changed.\n\
         # What a tool cannot tell, or is not installed for, leaves no file behind, and is then unknown.\n\
         mkdir -p skoop-walk/xt_recent && cd skoop-walk\n\
         put() { file=$1; shift; \"$@\" > \"$file\" || rm -f \"$file\"; }\n",
    );
    for (file, command) in FILES {
        text.push_str(&line(file, command));
    }
    text.push_str(
        "ip -j neigh show proxy >> ip-neigh.json\n\
         cp /proc/net/xt_recent/* xt_recent/ 2> /dev/null\n\
         cd .. && tar czf skoop-walk.tar.gz skoop-walk\n",
    );
    text
}

/// A command and its file. `iptables-legacy-save` makes tables by asking for them, so that it is only asked where there are any; where
/// there are none its file is empty, which says so.
fn line(file: &str, command: &str) -> String {
    match file {
        "iptables-legacy-save.txt" => legacy(file, command, "/proc/net/ip_tables_names"),
        "ip6tables-legacy-save.txt" => legacy(file, command, "/proc/net/ip6_tables_names"),
        _ => format!("put {file} {command}\n"),
    }
}

fn legacy(file: &str, command: &str, names: &str) -> String {
    format!("if [ -n \"$(cat {names} 2> /dev/null)\" ]; then put {file} {command}; else : > {file}; fi\n")
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
