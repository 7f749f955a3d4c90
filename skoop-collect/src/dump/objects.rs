//! The objects of JSON output, one by one: an object that is broken spoils only itself, and several outputs may stand in one file.

use serde_json::{Map, Value};

use super::Reader;
use super::fields::Fields;

/// Objects at the top level of `text` or of arrays in it, with the line on which each begins. Linear in the text's length.
pub(super) struct Objects<'a> {
    text: &'a str,
    position: usize,
    line: usize,
}

impl<'a> Objects<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, position: 0, line: 1 }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn step(&mut self, byte: u8) {
        self.position += 1;
        if byte == b'\n' {
            self.line += 1;
        }
    }

    /// Passes over what stands between objects.
    fn find_start(&mut self) -> Option<()> {
        while let Some(byte) = self.byte() {
            if byte == b'{' {
                return Some(());
            }
            self.step(byte);
        }
        None
    }
}

impl<'a> Iterator for Objects<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.find_start()?;
        let (start, line) = (self.position, self.line);
        let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
        while let Some(byte) = self.byte() {
            self.step(byte);
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_text => escaped = true,
                b'"' => in_text = !in_text,
                b'{' if !in_text => depth += 1,
                b'}' if !in_text => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                _ => {}
            }
        }
        // Braces and quotes are no part of longer characters, so that the borders are borders of characters.
        Some((line, self.text.get(start..self.position).unwrap_or_default()))
    }
}

impl Reader<'_> {
    /// Reads each object of a file; the empty ones, which `ip` prints for what its filter hides, are passed over.
    pub(super) fn each<T>(
        &mut self,
        file: &'static str,
        text: &str,
        mut read: impl FnMut(&mut Self, Fields<'_>) -> Result<Option<T>, String>,
    ) -> Vec<T> {
        let mut found = Vec::new();
        for (line, object) in Objects::new(text) {
            let parsed: Result<Map<String, Value>, _> = serde_json::from_str(object);
            let result = match &parsed {
                Ok(map) if map.is_empty() => Ok(None),
                Ok(map) => read(self, Fields(map)),
                Err(error) => Err(format!("no JSON object: {error}")),
            };
            match result {
                Ok(element) => found.extend(element),
                Err(why) => self.problem(file, line, why),
            }
        }
        if found.is_empty() && !text.contains(['[', '{']) && !text.trim().is_empty() {
            self.problem(file, 0, "no JSON: the tool has to be called with -j");
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(usize, &str)> {
        Objects::new(text).collect()
    }

    #[test]
    fn objects_are_found_whatever_is_around_them() {
        assert_eq!(
            all("[{\"a\":1},\n{\"b\":{\"c\":[{}]}}]\n[{\"d\":\"}\\\"{\"}]"),
            [(1, "{\"a\":1}"), (2, "{\"b\":{\"c\":[{}]}}"), (3, "{\"d\":\"}\\\"{\"}"),]
        );
        assert_eq!(all(""), []);
        assert_eq!(all("[]"), []);
        assert_eq!(all("x { \u{fc}"), [(1, "{ \u{fc}")]);
        assert_eq!(all("{\"\\"), [(1, "{\"\\")]);
    }
}
