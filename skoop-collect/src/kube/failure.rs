//! Why a request failed, in words that say what to grant or mend.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::time::Duration;

use ::kube::core::Status;
use skoop_model::{Reason, Unavailable};

/// A request to the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// Verb of RBAC: `list`, `get`.
    pub(crate) verb: &'static str,
    /// API group; empty is the core group.
    pub(crate) group: String,
    /// Resource in the plural: `endpointslices`.
    pub(crate) resource: String,
    /// `NAMESPACE/NAME` of a single object.
    pub(crate) object: Option<String>,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if let Some(object) = &self.object {
            write!(f, " {object}")?;
        }
        Ok(())
    }
}

/// How a request failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client or the server says so.
    Refused(::kube::Error),
    /// No answer within this time.
    NoAnswer(Duration),
}

impl Failure {
    /// Whether the server has no such object or kind.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(::kube::Error::Api(status)) if status.code == 404)
    }

    /// Whether the list's next page is no longer to be had (410): it grew too old.
    pub(crate) fn is_expired(&self) -> bool {
        matches!(self, Self::Refused(::kube::Error::Api(status)) if status.code == 410)
    }

    /// The failure as a snapshot keeps it.
    pub(crate) fn unavailable(&self, request: &Request) -> Unavailable {
        match self {
            Self::NoAnswer(timeout) => Unavailable::new(
                Reason::Timeout,
                format!("{request}: no answer from the API server within {} ms", timeout.as_millis()),
            ),
            Self::Refused(::kube::Error::Api(status)) => of_status(status, request),
            Self::Refused(error @ ::kube::Error::SerdeError(_)) => {
                Unavailable::new(Reason::Malformed, format!("{request}: {}", chain(error)))
            }
            Self::Refused(error) => Unavailable::new(reason(error), format!("{request}: {}", chain(error))),
        }
    }
}

/// What the server's own answer means.
fn of_status(status: &Status, request: &Request) -> Unavailable {
    let Request { verb, group, resource, .. } = request;
    let message = status.message.as_str();
    match status.code {
        401 => Unavailable::new(
            Reason::Permission,
            format!("{request}: the API server does not accept the credentials: log in again ({message})"),
        ),
        403 => Unavailable::new(
            Reason::Permission,
            format!("{request}: grant verb `{verb}` on resource `{resource}` of API group `{group}` ({message})"),
        ),
        404 => Unavailable::new(Reason::NotFound, format!("{request}: the API server has none ({message})")),
        408 | 504 => Unavailable::new(Reason::Timeout, format!("{request}: {message}")),
        410 => Unavailable::new(Reason::Gone, format!("{request}: {message}")),
        code => Unavailable::new(Reason::Failed, format!("{request}: the API server answers {code} ({message})")),
    }
}

/// Whether an error of the transport is one of time.
fn reason(error: &::kube::Error) -> Reason {
    let mut cause = error.source();
    while let Some(source) = cause {
        if source.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return Reason::Timeout;
        }
        cause = source.source();
    }
    Reason::Failed
}

/// The error with its sources, those left out that the text before already contains.
fn chain(error: &::kube::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let more = source.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(object: Option<&str>) -> Request {
        Request {
            verb: "list",
            group: "discovery.k8s.io".to_owned(),
            resource: "endpointslices".to_owned(),
            object: object.map(str::to_owned),
        }
    }

    fn status(code: u16) -> Failure {
        Failure::Refused(::kube::Error::Api(Status::failure("said so", "Reason").with_code(code).boxed()))
    }

    #[test]
    fn codes_have_reasons() {
        for (code, reason) in [
            (400, Reason::Failed),
            (401, Reason::Permission),
            (403, Reason::Permission),
            (404, Reason::NotFound),
            (408, Reason::Timeout),
            (410, Reason::Gone),
            (429, Reason::Failed),
            (500, Reason::Failed),
            (504, Reason::Timeout),
        ] {
            let unavailable = status(code).unavailable(&request(None));
            assert_eq!(unavailable.reason, reason, "{code}");
            assert!(unavailable.detail.starts_with("list endpointslices.discovery.k8s.io: "), "{}", unavailable.detail);
            assert!(unavailable.detail.contains("said so"), "{}", unavailable.detail);
        }
        assert!(status(404).is_not_found() && !status(403).is_not_found());
        assert!(status(410).is_expired() && !status(404).is_expired());
    }

    #[test]
    fn a_missing_permission_is_named() {
        let detail = status(403).unavailable(&request(Some("a/b"))).detail;
        assert_eq!(
            detail,
            "list endpointslices.discovery.k8s.io a/b: grant verb `list` on resource `endpointslices` of API group `discovery.k8s.io` (said so)"
        );
    }

    #[test]
    fn transport_errors_say_all_they_know() {
        let timed_out = ::kube::Error::ReadEvents(io::Error::from(io::ErrorKind::TimedOut));
        assert_eq!(Failure::Refused(timed_out).unavailable(&request(None)).reason, Reason::Timeout);
        let refused = ::kube::Error::Service(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)));
        let unavailable = Failure::Refused(refused).unavailable(&request(None));
        assert_eq!(unavailable.reason, Reason::Failed);
        assert_eq!(unavailable.detail, "list endpointslices.discovery.k8s.io: ServiceError: connection refused");
        let unavailable = Failure::NoAnswer(Duration::from_millis(1_500)).unavailable(&request(None));
        assert_eq!(
            unavailable.to_string(),
            "timed out: list endpointslices.discovery.k8s.io: no answer from the API server within 1500 ms"
        );
    }
}
