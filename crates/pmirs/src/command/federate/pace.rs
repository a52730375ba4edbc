//! How much of the machine training may take.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pmirs_vault::federate::Pace;

/// Others take more than this share of the processor: the machine is not idle.
const BUSY: f64 = 0.2;
/// How long to wait before looking again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The processor's ticks so far: of everybody together, while busy, and of this process.
#[derive(Clone, Copy)]
struct Ticks {
    all: u64,
    busy: u64,
    own: u64,
}

/// Called before each local step: rests as long as the share asks for, and waits while others work.
pub fn pace(max_cpu: usize, idle_only: bool) -> Pace {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Whole threads as far as that goes; rests between steps for what is left.
    let allowed = (cores * max_cpu) as f64 / 100.0;
    let threads = (allowed.ceil() as usize).max(1);
    // Only the first choice of a process counts, and this is the first.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    let share = (allowed / threads as f64).min(1.0);
    let since = Mutex::new(Instant::now());
    Arc::new(move || {
        let mut since = since.lock().unwrap_or_else(PoisonError::into_inner);
        std::thread::sleep(since.elapsed().mul_f64(1.0 / share - 1.0));
        while idle_only && others_work() {
            std::thread::sleep(LOOK_AGAIN);
        }
        *since = Instant::now();
    })
}

/// Whether others have taken much of the processor in the last moment. Where that cannot be told, nobody has.
fn others_work() -> bool {
    const MOMENT: Duration = Duration::from_millis(200);
    let Some(before) = ticks() else { return false };
    std::thread::sleep(MOMENT);
    let Some(after) = ticks() else { return false };
    let all = after.all.saturating_sub(before.all);
    let others = after.busy.saturating_sub(before.busy).saturating_sub(after.own.saturating_sub(before.own));
    all > 0 && others as f64 > BUSY * all as f64
}

fn ticks() -> Option<Ticks> {
    let (system, own) = (fs::read_to_string("/proc/stat").ok()?, fs::read_to_string("/proc/self/stat").ok()?);
    parse(&system, &own)
}

fn parse(system: &str, own: &str) -> Option<Ticks> {
    // cpu user nice system idle iowait irq softirq steal
    let numbers: Vec<u64> =
        system.lines().next()?.split_whitespace().skip(1).map_while(|word| word.parse().ok()).collect();
    let all: u64 = numbers.iter().take(8).sum();
    let idle = numbers.get(3)? + numbers.get(4)?;
    // Behind the name, which may hold blanks: state is field 3, the times fields 14 and 15.
    let fields: Vec<&str> = own.rsplit(')').next()?.split_whitespace().collect();
    let time = |at: usize| fields.get(at - 3)?.parse::<u64>().ok();
    Some(Ticks { all, busy: all - idle, own: time(14)? + time(15)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_where_the_system_keeps_them() {
        let system = "cpu  10 20 30 400 5 6 7 8 0 0\ncpu0 1 2 3 4\n";
        let own = "77 (a name) with) S 1 77 77 0 -1 4194560 9 9 9 9 21 22 0 0 20 0 1 0\n";
        let ticks = parse(system, own).unwrap();
        assert_eq!((ticks.all, ticks.busy, ticks.own), (486, 81, 43));
        assert!(parse("cpu", own).is_none() && parse(system, "77").is_none());
    }
}
