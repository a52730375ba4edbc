use super::*;

fn answered(truth: usize, cosines: &[f32]) -> Answered {
    let mut phrases: Vec<(usize, f32)> = cosines.iter().copied().enumerate().collect();
    phrases.sort_by(|a, b| b.1.total_cmp(&a.1));
    let best = Ranked { phrases: phrases.iter().copied().take(rule::most(cosines.len())).collect(), ms: 1.0 };
    Answered { truth, best, all: Ranked { phrases, ms: 3.0 } }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

#[test]
fn a_row_by_hand() {
    // Ten phrases, so K = 2. One picture whose phrase is second, one whose phrase is third.
    let mut cosines = [0.0_f32; 10];
    (cosines[4], cosines[7], cosines[1]) = (0.9, 0.8, 0.7);
    let asked = [vec![answered(7, &cosines), answered(1, &cosines)], vec![answered(4, &cosines)]];
    let fixed = rules(&[("a", Share::Softmax, (1.2, 0.1, 0.0)), ("b", Share::OfLargest, (1.2, 0.1, 0.0))]);
    let row = |rule: &Rule| row("nature", 10, Level::Plaintext, rule, &asked, 10.0);

    let fixed_row = row(&fixed[0]);
    assert_eq!((fixed_row.domain.as_str(), fixed_row.rule, fixed_row.classes), ("nature", "fixed", 10));
    // First iteration: F1 2/3 and 0, mean 1/3; second: 2/3. Mean 1/2, deviation sqrt(2 (1/6)^2 / 1).
    assert!(close(fixed_row.f1, 0.5) && close(fixed_row.f1_std, (1.0_f64 / 18.0).sqrt()), "{fixed_row:?}");
    assert!(
        close(fixed_row.precision, 0.375) && close(fixed_row.recall, 0.75) && close(fixed_row.answered, 1.0)
    );
    assert!(close(fixed_row.ms, 1.0));

    // At scale 10 the best share is below 0.79: nothing passes the paper's threshold.
    let papers = row(&fixed[1]);
    assert!(close(papers.answered, 0.0) && close(papers.f1, 0.0) && close(papers.ms, 3.0));
    // Over its largest value the best has 1 and the second 0.37: one passes, right in the second iteration only.
    let relative = row(&fixed[2]);
    assert!(close(relative.f1, 0.5) && close(relative.precision, 0.5) && close(relative.answered, 1.0));
}

#[test]
fn a_summary_compares_with_fixed_and_with_plaintext() {
    let row = |classes, protection, rule, f1| PhraseRow {
        domain: "nature".into(),
        classes,
        protection,
        rule,
        precision: 0.5,
        recall: 0.5,
        f1,
        f1_std: 0.0,
        answered: 1.0,
        ms: 1.0,
    };
    let rows = [
        row(10, "plaintext", "fixed", 0.4),
        row(10, "plaintext", "fitted", 0.5),
        row(10, "veiled", "fixed", 0.4),
        row(10, "veiled", "fitted", 0.49),
        row(20, "plaintext", "fixed", 0.2),
        row(20, "plaintext", "fitted", 0.4),
        row(20, "veiled", "fixed", 0.2),
        row(20, "veiled", "fitted", 0.4),
    ];
    let veiled = SummaryRow::of(&rows, "veiled", "fitted");
    assert!(close(veiled.f1, 0.445) && close(veiled.f1_over_fixed, 0.445 / 0.3 - 1.0), "{veiled:?}");
    assert!(close(veiled.largest_difference, 0.01));
    assert!(close(SummaryRow::of(&rows, "plaintext", "fitted").largest_difference, 0.0));
}

#[test]
fn options_out_of_range_are_named() {
    let with = |change: fn(&mut PhraseOptions)| {
        let mut options = PhraseOptions::default();
        change(&mut options);
        check(&options).map_err(|error| error.to_string())
    };
    assert_eq!(with(|_| {}), Ok(()));
    assert_eq!(
        with(|options| options.sizes = vec![10, 1]),
        Err("a repository's size is 1, expected 2 to 1000".to_owned())
    );
    assert!(with(|options| options.iterations = 0).is_err());
    assert!(with(|options| options.sizes.clear()).is_err());
    assert!(with(|options| options.per_class = 1_000_000).is_err());
}
