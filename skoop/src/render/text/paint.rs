//! Colours of the text, as ANSI "select graphic rendition" sequences (ECMA-48, section 8.3.117).

/// What a piece of text is; its colour follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// As it comes.
    Plain,
    /// Titles.
    Strong,
    /// Of less weight.
    Dim,
    /// Works.
    Good,
    /// Broken.
    Bad,
    /// Partly broken, or a warning.
    Warning,
    /// Not known.
    Open,
    /// Worth knowing.
    Note,
    /// Quoted verbatim.
    Evidence,
    /// To be copied and run.
    Command,
    /// A device.
    Device,
    /// A changed header.
    Change,
}

impl Ink {
    fn codes(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "1",
            Self::Dim => "2",
            Self::Good => "1;32",
            Self::Bad => "1;31",
            Self::Warning => "1;33",
            Self::Open => "1;35",
            Self::Note => "1;34",
            Self::Evidence | Self::Change => "33",
            Self::Command => "36",
            Self::Device => "34",
        }
    }
}

/// Paints, or does not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    /// Whether to.
    pub(super) color: bool,
}

impl Paint {
    /// The text in its colour.
    pub(super) fn ink(self, ink: Ink, text: &str) -> String {
        let codes = ink.codes();
        if !self.color || codes.is_empty() || text.trim().is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{codes}m{text}\u{1b}[0m")
    }
}
