//! Parameters of a list: selectors and pages.

use serde_json::Value;

use super::status::{Failure, bad_request};
use super::store::text;

/// Fields by which objects can be selected, and where they stand.
const FIELDS: [(&str, &str); 3] = [
    ("metadata.name", "/metadata/name"),
    ("metadata.namespace", "/metadata/namespace"),
    ("spec.nodeName", "/spec/nodeName"),
];

/// Parameters of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// Objects per page; none is all.
    pub(super) limit: Option<usize>,
    /// Key of the last object of the page before.
    pub(super) after: Option<(String, String)>,
    fields: Vec<Requirement>,
    labels: Vec<Requirement>,
}

/// One comparison of a selector.
#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    /// JSON pointer of a field, or name of a label.
    what: String,
    test: Test,
}

#[derive(Debug, PartialEq, Eq)]
enum Test {
    Is(String),
    IsNot(String),
    Exists,
    Missing,
}

impl Query {
    /// Reads the part of a URL behind the question mark.
    pub(super) fn parse(query: &str) -> Result<Self, Failure> {
        let mut parsed = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value).ok_or_else(|| bad_request(&format!("malformed query parameter: {name}")))?;
            match name {
                "limit" => {
                    let limit: u32 = value.parse().map_err(|_| bad_request(&format!("invalid limit: {value}")))?;
                    parsed.limit = usize::try_from(limit).ok().filter(|limit| *limit > 0);
                }
                "continue" if !value.is_empty() => {
                    let after = value.split_once('/').ok_or_else(|| bad_request("continue key is not valid"))?;
                    parsed.after = Some((after.0.to_owned(), after.1.to_owned()));
                }
                "fieldSelector" => parsed.fields = fields(&value)?,
                "labelSelector" => parsed.labels = requirements(&value)?,
                "watch" if value == "1" || value == "true" => {
                    return Err(bad_request("watching is not served: list again"));
                }
                // What else clients send (resourceVersion, timeoutSeconds, allowWatchBookmarks) changes nothing here.
                _ => {}
            }
        }
        Ok(parsed)
    }

    /// Whether the selectors select an object.
    pub(super) fn selects(&self, object: &Value) -> bool {
        let field = |requirement: &Requirement| requirement.test.holds(Some(text(object, &requirement.what)));
        let labels = object.pointer("/metadata/labels");
        let label = |requirement: &Requirement| {
            let value = labels.and_then(|labels| labels.get(&requirement.what)).and_then(Value::as_str);
            requirement.test.holds(value)
        };
        self.fields.iter().all(field) && self.labels.iter().all(label)
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        match self {
            Self::Is(wanted) => value == Some(wanted),
            Self::IsNot(unwanted) => value != Some(unwanted),
            Self::Exists => value.is_some(),
            Self::Missing => value.is_none(),
        }
    }
}

fn fields(selector: &str) -> Result<Vec<Requirement>, Failure> {
    let mut fields = requirements(selector)?;
    for field in &mut fields {
        let known = FIELDS.iter().find(|(name, _)| *name == field.what);
        let unsupported = || bad_request(&format!("field label not supported: {}", field.what));
        let (_, pointer) = known.ok_or_else(unsupported)?;
        if matches!(field.test, Test::Exists | Test::Missing) {
            return Err(bad_request(&format!("invalid field selector: {selector}")));
        }
        (*pointer).clone_into(&mut field.what);
    }
    Ok(fields)
}

/// Equality-based requirements, and existence. `in (…)` is not served.
fn requirements(selector: &str) -> Result<Vec<Requirement>, Failure> {
    selector
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (what, test) = if let Some((what, value)) = part.split_once("!=") {
                (what, Test::IsNot(value.trim().to_owned()))
            } else if let Some((what, value)) = part.split_once('=') {
                (what, Test::Is(value.trim_start_matches('=').trim().to_owned()))
            } else if let Some(what) = part.strip_prefix('!') {
                (what, Test::Missing)
            } else {
                (part, Test::Exists)
            };
            let what = what.trim();
            let is_name = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
            if what.is_empty() || !what.chars().all(is_name) {
                return Err(bad_request(&format!("unable to parse requirement: {part}")));
            }
            Ok(Requirement { what: what.to_owned(), test })
        })
        .collect()
}

/// Percent decoding (RFC 3986, section 2.1), with `+` for a space as in HTML forms.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let (high, low) = (char::from(bytes.next()?).to_digit(16)?, char::from(bytes.next()?).to_digit(16)?);
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_select() {
        let pod = json!({
            "metadata": {"namespace": "default", "name": "a", "labels": {"app": "web", "app.kubernetes.io/name": "x"}},
            "spec": {"nodeName": "node-1"},
        });
        for (query, selected) in [
            ("", true),
            ("fieldSelector=metadata.name%3Da", true),
            ("fieldSelector=metadata.name=a,metadata.namespace==default", true),
            ("fieldSelector=metadata.name%21%3Da", false),
            ("fieldSelector=spec.nodeName%3Dnode-2", false),
            ("fieldSelector=spec.nodeName!=node-2", true),
            ("labelSelector=app%3Dweb", true),
            ("labelSelector=app%3D%3Dweb%2Capp.kubernetes.io%2Fname%3Dx", true),
            ("labelSelector=app%3Dother", false),
            ("labelSelector=tier%21%3Ddb", true),
            ("labelSelector=app", true),
            ("labelSelector=%21app", false),
            ("labelSelector=!tier,+app+=+web", true),
            ("timeoutSeconds=5&resourceVersion=0", true),
        ] {
            assert_eq!(Query::parse(query).unwrap().selects(&pod), selected, "{query}");
        }
    }

    #[test]
    fn pages_are_read() {
        let query = Query::parse("limit=5&continue=default%2Fa").unwrap();
        assert_eq!((query.limit, query.after), (Some(5), Some(("default".to_owned(), "a".to_owned()))));
        assert_eq!(Query::parse("limit=0&continue=").unwrap(), Query::default());
    }

    #[test]
    fn nonsense_is_a_bad_request() {
        for query in [
            "limit=x",
            "limit=-1",
            "continue=x",
            "fieldSelector=status.phase%3DRunning",
            "fieldSelector=metadata.name",
            "labelSelector=app+in+(a)",
            "labelSelector==x",
            "labelSelector=%zz",
            "labelSelector=%ff",
            "labelSelector=%f",
            "watch=true",
            "watch=1",
        ] {
            assert_eq!(Query::parse(query).unwrap_err().0, 400, "{query}");
        }
    }
}
