//! What ran, how long it took, what was skipped and why; cargo's own counts of tests close it.

use std::fmt;

/// How one step went.
pub struct Outcome {
    /// The step's name.
    pub step: &'static str,
    /// How long it took.
    pub seconds: f64,
    /// What went wrong, if anything.
    pub result: Result<(), String>,
}

/// The outcomes of all steps, and the lines of their output that a reader wants at the end.
#[derive(Default)]
pub struct Summary {
    outcomes: Vec<Outcome>,
    skipped: Vec<String>,
    /// Each test program that ran, with its result line.
    results: Vec<(String, String)>,
    failed_tests: Vec<String>,
}

impl Summary {
    /// Takes in a step and the lines that it printed.
    pub fn add(&mut self, outcome: Outcome, lines: &[String]) {
        let mut program = String::new();
        for line in lines.iter().map(|line| line.trim()) {
            if let Some(reason) = line.strip_prefix("skipped:") {
                self.skipped.push(reason.trim().to_owned());
            } else if line.starts_with("Running ") || line.starts_with("Doc-tests ") {
                line.clone_into(&mut program);
            } else if line.starts_with("test result:") {
                self.results.push((program.clone(), line.to_owned()));
            } else if let Some(test) = line.strip_prefix("test ") {
                self.note_test(test);
            }
        }
        self.outcomes.push(outcome);
    }

    /// Whether every step passed.
    pub fn passed(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.result.is_ok())
    }

    fn note_test(&mut self, test: &str) {
        match test.rsplit_once(" ... ") {
            Some((name, "FAILED")) => self.failed_tests.push(name.to_owned()),
            Some((name, ending)) if ending.starts_with("ignored") => {
                self.skipped.push(format!("{name}: {ending}"));
            }
            _ => {}
        }
    }

    /// The number before `word` in all result lines, added up.
    fn total(&self, word: &str) -> u64 {
        let counts = self.results.iter().flat_map(|(_, line)| line.split(['.', ';']));
        let numbers = counts.filter_map(|part| part.trim().strip_suffix(word));
        numbers.filter_map(|number| number.trim().parse::<u64>().ok()).sum()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "== summary")?;
        for Outcome { step, seconds, result } in &self.outcomes {
            let word = if result.is_ok() { "ok" } else { "FAILED" };
            writeln!(f, "{word:<7} {seconds:>7.1} s  {step}")?;
        }
        for test in &self.failed_tests {
            writeln!(f, "failed: {test}")?;
        }
        if self.skipped.is_empty() {
            writeln!(f, "nothing was skipped")?;
        }
        for reason in &self.skipped {
            writeln!(f, "skipped: {reason}")?;
        }
        for (program, result) in &self.results {
            writeln!(f, "{program}\n{result}")?;
        }
        if !self.results.is_empty() {
            let (passed, failed) = (self.total("passed"), self.total("failed"));
            let verdict = if failed == 0 { "ok" } else { "FAILED" };
            let programs = self.results.len();
            writeln!(f, "all {programs} test programs together:")?;
            writeln!(
                f,
                "test result: {verdict}. {passed} passed; {failed} failed; {} ignored",
                self.total("ignored")
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary_of(result: Result<(), String>, output: &str) -> Summary {
        let mut summary = Summary::default();
        let lines: Vec<String> = output.lines().map(str::to_owned).collect();
        summary.add(Outcome { step: "tests", seconds: 1.25, result }, &lines);
        summary
    }

    #[test]
    fn counts_skips_and_failures_are_gathered_from_the_output() {
        let summary = summary_of(
            Err("failed: cargo test".to_owned()),
            "     Running unittests src/lib.rs (target/debug/deps/a-1)\n\
             test one ... ok\ntest two ... FAILED\ntest three ... ignored, needs a moon\n\
             ---- one stdout ----\nskipped: a machine without legs\n\
             test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
             \x20  Doc-tests b\n\
             test result: ok. 41 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.50s\n",
        );
        assert!(!summary.passed());
        let text = summary.to_string();
        assert!(text.contains("FAILED      1.2 s  tests\nfailed: two\n"), "{text}");
        assert!(
            text.contains("skipped: three: ignored, needs a moon\nskipped: a machine without legs\n"),
            "{text}"
        );
        assert!(text.contains("Doc-tests b\ntest result: ok. 41 passed"), "{text}");
        assert!(text.ends_with("test result: FAILED. 42 passed; 1 failed; 1 ignored\n"), "{text}");
    }

    #[test]
    fn a_run_without_skips_says_so() {
        let summary = summary_of(Ok(()), "");
        assert!(summary.passed());
        assert!(summary.to_string().ends_with("nothing was skipped\n"));
    }
}
