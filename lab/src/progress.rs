//! Long work, shown while it runs: a moving line on a terminal, plain lines when piped.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a piped run says that it still works.
const PLAIN_INTERVAL: Duration = Duration::from_secs(15);

/// One line to the person who waits. Standard error, and not `eprintln!`: the test harness would swallow that.
pub(crate) fn say(line: &str) {
    // A closed standard error is no reason to fail.
    let _ = writeln!(io::stderr(), "lab: {line}");
}

/// One piece of work under way.
pub(crate) struct Progress {
    what: String,
    began: Instant,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn start(what: impl Into<String>) -> Self {
        let what = what.into();
        let now = Instant::now();
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner:.cyan} {prefix} {elapsed:>4}  {wide_msg:.dim}")
                .expect("the template is a constant that indicatif accepts");
            let bar = ProgressBar::new_spinner().with_style(style).with_prefix(what.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            say(&format!("{what} …"));
        }
        Self { what, began: now, last_line: now, bar }
    }

    /// Tells where the work stands. May be called often.
    pub(crate) fn at(&mut self, detail: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(detail.to_owned()),
            None if self.last_line.elapsed() >= PLAIN_INTERVAL => {
                self.last_line = Instant::now();
                say(&format!("still {} ({} s, {detail})", self.what, self.began.elapsed().as_secs()));
            }
            None => {}
        }
    }

    /// The work is done.
    pub(crate) fn done(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        say(&format!("{}: done in {:.1} s", self.what, self.began.elapsed().as_secs_f32()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
