//! Placeholders: `{ip:default/server}` and the like.

use anyhow::{Result, bail};
use serde_json::Value;

/// Whoever knows what a placeholder stands for.
pub(crate) trait Values {
    /// The value of `{KIND:OF}`; none for a kind that is not known.
    fn value(&self, kind: &str, of: &str) -> Result<Option<String>>;
}

/// Fills in every `{kind:of}`. Braces with anything else inside stay: nftables uses them.
pub(crate) fn fill(text: &str, values: &dyn Values) -> Result<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let inside = after.split_once('}').and_then(|(inside, after)| Some((placeholder(inside)?, after)));
        rest = if let Some(((kind, of), after)) = inside {
            let Some(value) = values.value(kind, of)? else { bail!("`{{{kind}:{of}}}` is no placeholder of the lab") };
            filled.push_str(&value);
            after
        } else {
            filled.push('{');
            after
        };
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Fills in the placeholders of all texts in a JSON value.
pub(crate) fn fill_json(value: &Value, values: &dyn Values) -> Result<Value> {
    Ok(match value {
        Value::String(text) => Value::String(fill(text, values)?),
        Value::Array(items) => Value::Array(items.iter().map(|item| fill_json(item, values)).collect::<Result<_>>()?),
        Value::Object(fields) => {
            let filled = fields.iter().map(|(key, value)| Ok((key.clone(), fill_json(value, values)?)));
            Value::Object(filled.collect::<Result<_>>()?)
        }
        other => other.clone(),
    })
}

fn placeholder(inside: &str) -> Option<(&str, &str)> {
    let (kind, of) = inside.split_once(':')?;
    let word = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    (word(kind, "") && word(of, "-./:_")).then_some((kind, of))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Fixed;

    impl Values for Fixed {
        fn value(&self, kind: &str, of: &str) -> Result<Option<String>> {
            Ok((kind == "ip").then(|| format!("<{of}>")))
        }
    }

    #[test]
    fn placeholders_are_filled_and_other_braces_stay() {
        let filled = |text: &str| fill(text, &Fixed).map_err(|error| error.to_string());
        assert_eq!(filled("a {ip:default/server}:80 {ip:svc/a/b}"), Ok("a <default/server>:80 <svc/a/b>".to_owned()));
        assert_eq!(filled("tcp dport { 80, 443 } {"), Ok("tcp dport { 80, 443 } {".to_owned()));
        assert_eq!(filled("{{ip:x}}"), Ok("{<x>}".to_owned()));
        assert_eq!(filled("{mac:x/eth0}"), Err("`{mac:x/eth0}` is no placeholder of the lab".to_owned()));
    }

    proptest! {
        #[test]
        fn any_text_is_filled_or_an_error(text in "[{}a-z:/ ]{0,40}") {
            if let Ok(filled) = fill(&text, &Fixed) {
                let has_one = text.contains("{ip:");
                prop_assert!(has_one || filled == text);
            }
        }
    }
}
