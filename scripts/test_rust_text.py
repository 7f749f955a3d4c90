"""What `rust_text` must tell apart."""

import unittest
from pathlib import Path

from rust_text import Source, split

TEXT = '''
/// panic!() in a comment, and "a string".
fn first(list: [u8; 2]) -> &'static str {
    let quote = '"'; // not a string: '
    let raw = r#"a "raw" { string"#;
    "{ panic!() \\" }"
}

/* a /* nested */ comment { */
fn second();

#[cfg(test)]
mod tests {
    #[test]
    fn third() {
        panic!();
    }
}
'''


class Texts(unittest.TestCase):
    def test_places_stay(self) -> None:
        with_strings, code = split(TEXT)
        self.assertEqual(len(with_strings), len(TEXT))
        self.assertEqual(len(code), len(TEXT))
        self.assertEqual(code.count("\n"), TEXT.count("\n"))

    def test_comments_and_strings_are_no_code(self) -> None:
        with_strings, code = split(TEXT)
        self.assertNotIn("nested", with_strings)
        self.assertIn('"a "raw" { string"', with_strings)
        self.assertNotIn("raw\" {", code)
        self.assertEqual(code.count("panic!"), 1)
        self.assertIn("&'static str", code)

    def test_functions_and_tests(self) -> None:
        source = Source(Path("src/lib.rs"), TEXT)
        self.assertEqual([(function.name, function.lines) for function in source.functions], [("first", 5)])
        self.assertNotIn("panic!", source.product)
        self.assertTrue(Source(Path("src/foo/tests.rs"), TEXT).is_test)


if __name__ == "__main__":
    unittest.main()
