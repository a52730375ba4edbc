//! Pairs of shuffled rows, and what the outcomes of comparing them say: what the plans of selection and sorting share.

/// Two places whose rows are to be compared, the smaller place first.
pub(crate) type Pair = (u32, u32);

pub(crate) fn is_set(flags: &[bool], row: u32) -> bool {
    flags.get(row as usize).copied().unwrap_or_default()
}

/// At most `count` of the rows, evenly spread over their places: a fair sample of shuffled rows, and of equal ones too,
/// which are ordered by place.
pub(crate) fn spread(rows: &[u32], count: usize) -> Vec<u32> {
    if count >= rows.len() {
        return rows.to_vec();
    }
    let at = |index: usize| rows.get((2 * index + 1) * rows.len() / (2 * count)).copied();
    (0..count).filter_map(at).collect()
}

pub(crate) fn all_pairs(members: &[u32]) -> Vec<Pair> {
    let later = |at: usize| members.get(at + 1..).unwrap_or_default();
    members.iter().enumerate().flat_map(|(at, &row)| pairs_with(row, later(at))).collect()
}

pub(crate) fn pairs_with(pivot: u32, others: &[u32]) -> Vec<Pair> {
    others.iter().map(|&row| (pivot.min(row), pivot.max(row))).collect()
}

/// The members, best first, from the answers to all their pairs.
pub(crate) fn by_wins(members: &[u32], first_before: &[bool]) -> Vec<u32> {
    let mut wins = vec![0_usize; members.len()];
    let mut answers = first_before.iter();
    for at in 0..members.len() {
        for other in at + 1..members.len() {
            let first = answers.next().copied().unwrap_or_default();
            let (here, there) = (members.get(at).copied(), members.get(other).copied());
            let winner = if (here < there) == first { at } else { other };
            if let Some(wins) = wins.get_mut(winner) {
                *wins += 1;
            }
        }
    }
    let mut ranked: Vec<(usize, u32)> = wins.into_iter().zip(members.iter().copied()).collect();
    ranked.sort_unstable_by_key(|&(wins, row)| (std::cmp::Reverse(wins), row));
    ranked.into_iter().map(|(_, row)| row).collect()
}

/// The rows before the pivot and those after it.
pub(crate) fn divided(pivot: u32, others: &[u32], first_before: &[bool]) -> (Vec<u32>, Vec<u32>) {
    let mut before = Vec::new();
    let mut after = Vec::new();
    for (&row, &first) in others.iter().zip(first_before) {
        // The pivot comes before the row when it is the first and the first is before, or neither.
        if (pivot < row) == first { after.push(row) } else { before.push(row) }
    }
    (before, after)
}
