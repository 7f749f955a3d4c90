//! Agent and caller against each other, over real connections.

#[path = "agent/support.rs"]
mod support;

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use skoop_collect::nodes::{AgentAccess, AgentCollector, NodeCollector, Target};
use skoop_exporter::{Config, Secured, ServeError, Server, TlsFiles};
use skoop_model::{NodeName, Reason, Unavailable};
use support::{Agent, Behaviour, impostor, plain};

const PATIENCE: Duration = Duration::from_secs(20);

fn node(name: &str) -> Target {
    Target { name: NodeName::from(name), addresses: Vec::new(), ready: Some(true) }
}

async fn ask(url: &str, access: &AgentAccess, patience: Duration) -> Result<String, Unavailable> {
    let agent = AgentCollector::at(url, access, patience)?;
    agent.snapshot(&node("node-1")).await.map(|snapshot| snapshot.node.0)
}

#[tokio::test]
async fn the_token_opens_and_nothing_else_does() {
    let agent = Agent::start(Behaviour::Answers).await;
    let access = agent.access();
    assert_eq!(ask(&agent.url, &access, PATIENCE).await, Ok("node-1".to_owned()));

    let wrong = AgentAccess { token: "0123456789abcdef0123456789abcdef".to_owned(), ..access.clone() };
    let why = ask(&agent.url, &wrong, PATIENCE).await.unwrap_err();
    assert_eq!(why.reason, Reason::Permission);
    assert!(why.detail.contains("does not accept the token"), "{why}");
    assert_eq!(agent.looks.load(Ordering::SeqCst), 1);

    let other = Agent::start(Behaviour::Answers).await;
    let stranger = AgentAccess { ca_pem: other.access().ca_pem, ..access.clone() };
    let why = ask(&agent.url, &stranger, PATIENCE).await.unwrap_err();
    assert!(why.detail.contains("certificate is not of the authority in Secret skoop-agent-client"), "{why}");

    let broken = AgentAccess { token: "line\nbreak".to_owned(), ..access };
    assert_eq!(ask(&agent.url, &broken, PATIENCE).await.unwrap_err().reason, Reason::Malformed);
}

#[tokio::test]
async fn an_agent_of_another_node_is_not_believed() {
    let agent = Agent::start(Behaviour::Answers).await;
    let collector = AgentCollector::at(&agent.url, &agent.access(), PATIENCE).unwrap();
    let why = collector.snapshot(&node("node-2")).await.unwrap_err();
    assert!(why.detail.contains("says that it is on node node-1"), "{why}");
}

#[tokio::test]
async fn what_the_agent_cannot_see_is_told_as_it_tells_it() {
    let agent = Agent::start(Behaviour::Fails).await;
    let why = ask(&agent.url, &agent.access(), PATIENCE).await.unwrap_err();
    assert_eq!(why.reason, Reason::NotFound);
    assert!(why.detail.contains("network namespace gone"), "{why}");
}

#[tokio::test]
async fn an_agent_that_hangs_is_given_up() {
    let agent = Agent::start(Behaviour::Hangs).await;
    let why = ask(&agent.url, &agent.access(), Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(why.reason, Reason::Timeout, "{why}");
}

#[tokio::test]
async fn answers_that_are_none_are_told_apart() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    for (answer, reason, words) in [
        (format!("{ok}half"), Reason::Gone, "cut off"),
        (String::new(), Reason::Failed, "connection closed"),
        ("nonsense\r\n\r\n".to_owned(), Reason::Failed, "invalid HTTP"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhalf".to_owned(), Reason::Malformed, "damaged or cut off"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(), Reason::Unsupported, "another program"),
        ("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nmany".to_owned(), Reason::Failed, "busy"),
        ("HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops".to_owned(), Reason::Failed, "oops"),
    ] {
        let (url, access) = impostor(answer.clone()).await;
        let why = ask(&url, &access, PATIENCE).await.unwrap_err();
        assert_eq!(why.reason, reason, "{answer}: {why}");
        assert!(why.detail.contains(words), "{answer}: {why}");
    }
}

#[tokio::test]
async fn nobody_there_is_told_as_such() {
    let access = Agent::start(Behaviour::Answers).await.access();
    for url in ["http://127.0.0.1:1", "https://", "https://a/b", "127.0.0.1:1"] {
        let why = AgentCollector::at(url, &access, PATIENCE).map(drop).unwrap_err();
        assert_eq!(why.reason, Reason::Malformed, "{url}");
    }
    let why = ask("https://127.0.0.1:1", &access, PATIENCE).await.unwrap_err();
    assert!(why.detail.contains("cannot connect"), "{why}");
}

#[tokio::test]
async fn health_needs_no_token_and_tells_nothing() {
    let agent = Agent::start(Behaviour::Answers).await;
    let authority = agent.url.trim_start_matches("https://");
    for (path, head) in [
        ("/healthz", "HTTP/1.1 200 OK"),
        ("/api/v1/snapshot", "HTTP/1.1 401 Unauthorized"),
        ("/", "HTTP/1.1 404 Not Found"),
    ] {
        let answer = plain(authority, &agent.access(), path).await;
        assert!(answer.starts_with(head), "{path}: {answer}");
        assert!(!answer.contains("node-1"), "{answer}");
    }
    // The node is looked at when the server begins, in its own time.
    while !plain(authority, &agent.access(), "/readyz").await.starts_with("HTTP/1.1 200 OK") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_server_ends_when_told_and_what_is_asked_then_is_answered() {
    let mut agent = Agent::start(Behaviour::Waits).await;
    let (url, access) = (agent.url.clone(), agent.access());
    let asked = tokio::spawn(async move { ask(&url, &access, PATIENCE).await });
    agent.begun.notified().await;
    agent.stop();
    agent.go.notify_one();
    assert_eq!(asked.await.unwrap(), Ok("node-1".to_owned()));
    agent.ended().await.unwrap();
    let why = ask(&agent.url, &agent.access(), PATIENCE).await.unwrap_err();
    assert!(why.detail.contains("cannot connect"), "{why}");
}

#[tokio::test]
async fn unusable_files_are_refused_at_the_start() {
    let agent = Agent::start(Behaviour::Answers).await;
    let file = |name: &str| agent.directory.path().join(name);
    fs::write(file("short"), "abc").unwrap();
    fs::write(file("empty"), "").unwrap();
    let tls = |certificate: &str, key: &str| Some(TlsFiles { certificate: file(certificate), key: file(key) });
    for (tls, token, words) in [
        (tls("tls.crt", "tls.key"), "short", "at least 16 characters"),
        (tls("tls.crt", "none"), "token", "cannot read"),
        (tls("empty", "tls.key"), "token", "no certificate"),
        (tls("tls.crt", "empty"), "token", "PEM"),
    ] {
        let secured = Secured { tls, token: Some(file(token)) };
        let config = Config::new("127.0.0.1:0".parse().unwrap(), secured).unwrap();
        let error: ServeError = Server::bind(config, agent.look()).await.map(drop).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.is_usage());
    }
}
