//! How much the harness adds to what its cases have to wait for: `cargo bench -p partenza-conformance`.
//!
//! Plays the suites against the reference beside the programs of this profile, several times, and prints for each case
//! the medians of its duration, of the waits that its steps ask for, and of the rest, which is the harness's own. A
//! figure is no verdict: nothing here is asserted. `-- --rounds 5 --jobs 8 handshake` changes how often, how many side by
//! side, and which; with `--jobs 1` no case pays for its neighbours.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use partenza_conformance::run::bundled::{Bundled, substitute};
use partenza_conformance::run::log::EventLog;
use partenza_conformance::run::select::Filter;
use partenza_conformance::run::{RunOptions, run};
use partenza_conformance::suite::Library;
use partenza_conformance::target::become_subreaper;

/// One play of one case, in milliseconds.
#[derive(Clone, Copy)]
struct Play {
    whole: f64,
    wait: f64,
}

impl Play {
    fn own(&self) -> f64 {
        self.whole - self.wait
    }
}

/// What a whole round cost.
struct Round {
    wall: Duration,
    /// Processor time in milliseconds: of this process in user and in kernel mode, and the same of all its children.
    cpu: [u64; 4],
    red: usize,
}

struct Wanted {
    rounds: usize,
    jobs: usize,
    filter: Vec<String>,
}

fn main() -> ExitCode {
    let mut words = env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "mock") {
        return partenza_mock_modules::puppet::run(words);
    }
    match wanted(env::args().skip(1)).and_then(|wanted| measure(&wanted)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn wanted(mut words: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let mut wanted = Wanted {
        rounds: 3,
        jobs: 8,
        filter: Vec::new(),
    };
    while let Some(word) = words.next() {
        let mut number = || {
            let number = words.next().and_then(|number| number.parse().ok());
            number
                .filter(|number| *number > 0)
                .ok_or(format!("{word} takes a number above 0"))
        };
        match word.as_str() {
            "--rounds" => wanted.rounds = number()?,
            "--jobs" => wanted.jobs = number()?,
            // cargo says it to every benchmark.
            "--bench" => {}
            other => wanted.filter.push(other.to_owned()),
        }
    }
    Ok(wanted)
}

fn measure(wanted: &Wanted) -> Result<(), String> {
    become_subreaper().map_err(|error| error.to_string())?;
    let options = options(wanted)?;
    let mut plays: BTreeMap<String, Vec<Play>> = BTreeMap::new();
    let mut rounds = Vec::new();
    for round in 0..wanted.rounds {
        let options = RunOptions {
            seed: round as u64,
            ..options.clone()
        };
        rounds.push(play(options, &mut plays)?);
    }
    report(wanted, &plays, &rounds);
    Ok(())
}

fn options(wanted: &Wanted) -> Result<RunOptions, String> {
    let exe = env::current_exe().map_err(|error| error.to_string())?;
    let programs = programs(&exe);
    if !programs.join("partenza").is_file() {
        return Err(format!(
            "{} is missing; build it with `cargo build --release -p partenza-reference`",
            programs.join("partenza").display()
        ));
    }
    let mut target = Bundled::Reference.file().map_err(|error| error.to_string())?;
    substitute(&mut target, "bin", &programs.display().to_string());
    let library = Library::embedded().map_err(|errors| format!("the suites do not load: {errors:?}"))?;
    Ok(RunOptions {
        target: Rc::new(target),
        library: Rc::new(library),
        filter: Filter(wanted.filter.clone()),
        jobs: wanted.jobs,
        seed: 0,
        mock: exe,
        mock_args: vec!["mock".to_owned()],
        strict: false,
        baseline: None,
        progress: true,
    })
}

/// The folder of the programs of this profile: the one above the folder of the benchmarks.
fn programs(exe: &Path) -> PathBuf {
    let folder = exe.parent().unwrap_or(Path::new("/"));
    if folder.ends_with("deps") {
        folder.parent().unwrap_or(folder).to_path_buf()
    } else {
        folder.to_path_buf()
    }
}

fn play(options: RunOptions, plays: &mut BTreeMap<String, Vec<Play>>) -> Result<Round, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let (began, before) = (Instant::now(), processor_time());
    let finished = runtime
        .block_on(run(&options, EventLog::new(Box::new(io::sink()))))
        .map_err(|error| error.to_string())?;
    let (wall, after) = (began.elapsed(), processor_time());
    if let Some(why) = finished.cannot_run {
        return Err(format!("the target cannot be run: {why}"));
    }
    for (case, end) in &finished.report.cases {
        plays.entry(case.clone()).or_default().push(Play {
            whole: end.duration_us as f64 / 1000.0,
            wait: end.necessary_wait_us as f64 / 1000.0,
        });
    }
    Ok(Round {
        wall,
        cpu: std::array::from_fn(|at| after[at] - before[at]),
        red: finished
            .report
            .checks
            .iter()
            .filter(|check| check.outcome.is_red())
            .count(),
    })
}

/// User and kernel time of this process, then of its children that have ended and were waited for.
fn processor_time() -> [u64; 4] {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: Vec<u64> = fields
        .split_ascii_whitespace()
        .skip(11)
        .take(4)
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    // Linux counts them in hundredths of a second for every program.
    std::array::from_fn(|at| ticks.get(at).copied().unwrap_or(0) * 10)
}

fn report(wanted: &Wanted, plays: &BTreeMap<String, Vec<Play>>, rounds: &[Round]) {
    let mut rows: Vec<(&str, Play)> = plays
        .iter()
        .map(|(case, plays)| (case.as_str(), middle(plays)))
        .collect();
    rows.sort_by(|a, b| b.1.own().total_cmp(&a.1.own()));
    println!(
        "\n{:<44} {:>10} {:>10} {:>9} {:>7}",
        "case", "takes ms", "waits ms", "own ms", "own %"
    );
    for (case, play) in &rows {
        line(case, *play);
    }
    let sum = |part: fn(&Play) -> f64| rows.iter().map(|(_, play)| part(play)).sum::<f64>();
    let all = Play {
        whole: sum(|play| play.whole),
        wait: sum(|play| play.wait),
    };
    line(&format!("all {} cases, one after the other", rows.len()), all);
    println!("\n{} rounds, {} cases side by side", rounds.len(), wanted.jobs);
    for (number, round) in rounds.iter().enumerate() {
        let [user, system, children_user, children_system] = round.cpu.map(|ms| ms as f64 / 1000.0);
        println!(
            "round {}: {:.2} s; processor {user:.2} s user, {system:.2} s system, and {children_user:.2} s, {children_system:.2} s of \
             targets and puppets; {} red",
            number + 1,
            round.wall.as_secs_f64(),
            round.red
        );
    }
}

fn line(name: &str, play: Play) {
    let share = if play.wait > 0.0 {
        100.0 * play.own() / play.wait
    } else {
        0.0
    };
    println!(
        "{name:<44} {:>10.1} {:>10.1} {:>9.1} {share:>7.1}",
        play.whole,
        play.wait,
        play.own()
    );
}

/// The play that took the median time.
fn middle(plays: &[Play]) -> Play {
    let mut sorted = plays.to_vec();
    sorted.sort_by(|a, b| a.whole.total_cmp(&b.whole));
    sorted[sorted.len() / 2]
}
