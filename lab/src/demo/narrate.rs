//! How the demonstration looks: headings, sentences, lists. Coloured on a terminal, plain when piped or under `NO_COLOR`.

use std::fmt::Display;
use std::time::{Duration, Instant};

use clap::builder::styling::{AnsiColor, Style};
use netbaseline::policy::Verdict;

/// Longest line, in characters.
const WIDTH: usize = 100;

const HEADING: Style = AnsiColor::Cyan.on_default().bold();
const QUIET: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const CHANGED: Style = AnsiColor::Yellow.on_default();

/// What a line of a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Added,
    Removed,
    Changed,
    Plain,
}

impl Mark {
    fn style(self) -> (Style, &'static str) {
        match self {
            Self::Added => (GOOD, "+"),
            Self::Removed => (BAD, "-"),
            Self::Changed => (CHANGED, "~"),
            Self::Plain => (Style::new(), " "),
        }
    }
}

/// Tells the story, and how long each part of it took.
#[derive(Debug)]
pub(super) struct Narrator {
    began: Instant,
    stops: u32,
}

impl Narrator {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), stops: 0 }
    }

    /// How long it all took until now.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// A stop of the story begins.
    pub(super) fn stop(&mut self, title: &str, sentences: &str) {
        self.stops += 1;
        let head = format!("{}. {title} ", self.stops);
        let rule = "─".repeat(WIDTH.saturating_sub(head.chars().count()));
        anstream::println!("\n{HEADING}{head}{HEADING:#}{QUIET}{rule}{QUIET:#}");
        self.say(sentences);
    }

    /// Sentences to the reader.
    pub(super) fn say(&self, sentences: &str) {
        for line in wrapped(sentences, WIDTH) {
            anstream::println!("{line}");
        }
    }

    /// What somebody did to the cluster.
    pub(super) fn did(&self, what: &str) {
        let what = what.replace('\n', "\n    ");
        anstream::println!("  {HEADING}${HEADING:#} {what}");
    }

    /// What is waited for, where that may take long.
    pub(super) fn waits(&self, what: &str) {
        anstream::println!("  {QUIET}… {what}{QUIET:#}");
    }

    /// How long something took.
    pub(super) fn took(&self, what: &str, time: Duration) {
        anstream::println!("  {GOOD}✓{GOOD:#} {what} {QUIET}{}{QUIET:#}", in_words(time));
    }

    /// Something that was looked at and is as promised.
    pub(super) fn holds(&self, what: &str) {
        for (nth, line) in wrapped(what, WIDTH - 4).into_iter().enumerate() {
            if nth == 0 { anstream::println!("  {GOOD}✓{GOOD:#} {line}") } else { anstream::println!("    {line}") }
        }
    }

    /// A list begins.
    pub(super) fn topic(&self, what: impl Display, detail: impl Display) {
        let bold = Style::new().bold();
        anstream::println!("  {bold}{what}{bold:#} {detail}");
    }

    /// A line of a list; `detail` is set off from `what`.
    pub(super) fn item(&self, mark: Mark, what: &str, detail: &str) {
        let (style, sign) = mark.style();
        let indent = 6;
        let text =
            if what.is_empty() || detail.is_empty() { format!("{what}{detail}") } else { format!("{what}  {detail}") };
        let mut lines = wrapped(&text, WIDTH.saturating_sub(indent + 2)).into_iter();
        let first = lines.next().unwrap_or_default();
        let (head, tail) = first.split_at(what.len().min(first.len()));
        anstream::println!("    {style}{sign} {head}{style:#}{QUIET}{tail}{QUIET:#}");
        for line in lines {
            anstream::println!("        {QUIET}{}{QUIET:#}", line.trim_start());
        }
    }

    /// A table, indented like a list.
    pub(super) fn table(&self, table: &comfy_table::Table) {
        for line in table.to_string().lines() {
            anstream::println!("   {}", line.trim_end());
        }
    }
}

/// The colour of a verdict in tables.
pub(super) fn color(verdict: Verdict) -> comfy_table::Color {
    match verdict {
        Verdict::Allowed => comfy_table::Color::Green,
        Verdict::Denied => comfy_table::Color::Red,
        Verdict::Unknown => comfy_table::Color::Yellow,
    }
}

/// Seconds, or milliseconds where those would be nought.
pub(super) fn in_words(time: Duration) -> String {
    match time.as_millis() {
        ..1000 => format!("{} ms", time.as_millis()),
        _ => format!("{:.1} s", time.as_secs_f32()),
    }
}

/// Lines of at most `width` characters, cut between words; a longer word has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("it begins with one line and only grows");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn lines_are_cut_between_words_and_a_long_word_stays_whole() {
        for (text, wanted) in [
            ("", vec![""]),
            ("one two", vec!["one two"]),
            ("one two three", vec!["one two", "three"]),
            ("incomprehensible two", vec!["incomprehensible", "two"]),
        ] {
            assert_eq!(wrapped(text, 8), wanted, "{text:?}");
        }
    }
}
