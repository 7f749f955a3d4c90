//! Labs that outlive their process, and those that a killed process leaves.

use std::process::Command;
use std::time::{Duration, Instant};

use skoop_lab::{Ask, Change, Lab, LabSpec, Scenario, UpOptions, down, serve_main, standing, up};
use skoop_model::{ObjectKey, Verdict};

/// Set in processes that these tests start from their own program.
const ROLE: &str = "SKOOP_LAB_TEST_ROLE";

/// The command that runs one test of this program, as somebody else.
fn this_program(test: &str) -> Vec<String> {
    let program = std::env::current_exe().expect("this program").display().to_string();
    [program.as_str(), "--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"]
        .map(str::to_owned)
        .into()
}

fn namespaces(id: &str) -> usize {
    let names =
        std::fs::read_dir("/run/netns").expect("names").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(&format!("skoop-lab-{id}-"))).count()
}

#[test]
fn serve_child() {
    if std::env::var(ROLE).is_ok() {
        serve_main().expect("to serve");
    }
}

#[test]
fn builds_and_waits_to_be_killed() {
    if std::env::var(ROLE).is_ok() {
        let lab = Lab::build(&LabSpec::default()).expect("a lab");
        println!("built {}", lab.plan().id);
        loop {
            std::thread::park();
        }
    }
}

#[test]
#[ignore = "needs root: run by make test"]
fn listeners_may_be_processes_in_their_pods() {
    let serve = [vec!["env".to_owned(), format!("{ROLE}=serve")], this_program("serve_child")].concat();
    let lab = Lab::build_serving(&LabSpec::default(), &serve).expect("a lab");
    let netns = lab.plan().pod_netns(&ObjectKey::new("default", "server"));
    let processes = || {
        let output = Command::new("ip").args(["netns", "pids", &netns]).output().expect("ip");
        String::from_utf8(output.stdout).expect("text").split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let ask = Ask::tcp("pod/default/client", "pod/default/server");
    assert_eq!(lab.settle(&ask).expect("a measurement").verdict(), Verdict::Reachable);
    let [pid] = processes().try_into().expect("one process in the pod");

    // What kills it is no concern of the others, and it can be started again.
    assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill").success());
    let deadline = Instant::now() + Duration::from_secs(5);
    while lab.measure(&ask).expect("a measurement").verdict() != Verdict::Unreachable {
        assert!(Instant::now() < deadline, "it answers still");
    }
    let listen = "[[heal]]\nin = \"pod/default/server\"\nrun = [\"lab\", \"listen\", \"tcp:0.0.0.0:80\"]";
    lab.apply(&steps(listen)).expect("to listen again");
    assert_eq!(lab.settle(&ask).expect("a measurement").verdict(), Verdict::Reachable);
    lab.tear_down().expect("down");
    assert!(processes().is_empty());
}

/// The `[[heal]]` steps of a scenario.
fn steps(heal: &str) -> Vec<Change> {
    let text = format!(
        "name = \"x\"\ntopology = \"flannel-vxlan\"\n[question]\nfrom = \"outside\"\nto = \"outside\"\n{heal}\n\
         [expect]\nverdict = \"reachable\"\nfirst = []"
    );
    Scenario::parse(&text, "test").expect("a scenario").heal
}

/// One test, since `down` concerns the whole machine.
#[test]
#[ignore = "needs root: run by make test"]
fn down_takes_what_stands_and_what_was_left_and_spares_the_living() {
    // A living lab, of this process.
    let living = Lab::build(&LabSpec::default()).expect("a lab");

    // A standing one, broken. `env` puts the role into the child's environment only.
    let serve = [vec!["env".to_owned(), format!("{ROLE}=serve")], this_program("serve_child")].concat();
    let stands = up("pod-listens-loopback", &UpOptions { serve, ..UpOptions::default() }).expect("a standing lab");
    let id = stands.plan.id.clone();
    assert!(standing().expect("state files").iter().any(|lab| lab.plan.id == id && lab.broken));
    let listening = || {
        let netns = format!("skoop-lab-{id}-pod-default-server");
        let output = Command::new("ip").args(["netns", "exec", &netns, "ss", "-Htln"]).output().expect("ss");
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(listening().contains("127.0.0.1:80"), "{}", listening());

    // One whose process is killed.
    let argv = this_program("builds_and_waits_to_be_killed");
    let (program, arguments) = argv.split_first().expect("a program");
    let mut child = Command::new(program)
        .args(arguments)
        .env(ROLE, "build")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a child");
    let killed = {
        use std::io::BufRead;
        let output = std::io::BufReader::new(child.stdout.take().expect("its output"));
        let line = output.lines().map_while(Result::ok).find(|line| line.contains("built ")).expect("a line");
        line.rsplit(' ').next().expect("an id").to_owned()
    };
    child.kill().expect("to kill it");
    child.wait().expect("its end");
    assert_eq!(namespaces(&killed), 10);

    assert!(down().expect("down").removed >= 2);
    assert_eq!((namespaces(&id), namespaces(&killed)), (0, 0));
    assert_eq!(namespaces(&living.plan().id), 10);
    assert!(standing().expect("state files").iter().all(|lab| lab.plan.id != id));
    // The serving process is gone too: nothing of ours is left to hold the namespace.
    let deadline = Instant::now() + Duration::from_secs(5);
    while serving(&stands) {
        assert!(Instant::now() < deadline, "the serving process lives on");
        std::thread::yield_now();
    }
}

/// Whether a process of ours still serves a standing lab.
fn serving(standing: &skoop_lab::Standing) -> bool {
    let state = serde_json::to_value(standing).expect("its state");
    let servers = state.pointer("/servers").and_then(serde_json::Value::as_array).expect("its processes");
    assert_eq!(servers.len(), 4);
    let pids =
        servers.iter().map(|server| server.pointer("/pid").and_then(serde_json::Value::as_u64).expect("a process id"));
    // A process that was killed stays as a zombie of its parent, this one, with no command line.
    let lives = |pid: u64| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
    pids.into_iter().any(lives)
}
