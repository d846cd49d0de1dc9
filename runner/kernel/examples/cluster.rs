//! A cluster, simulated: the kernel's own scheduler decides, time is played.
//!
//! ```sh
//! cargo run --release -p orgo-kernel --example cluster -- --stages 1000000 --workers 1000
//! ```
//!
//! The pipeline is a matrix of chains that are gathered in groups of 100: `prepare → work → check` for each combination.
//! An action takes its own time (spread over a long tail), and what an engine adds. Defaults are what was measured on
//! BuildGrid and on a plain action cache: 0.6 ms to look a key up, 0.4 s that an engine adds to each action. Nothing is
//! started; what the scheduler itself costs is measured. Printed are the time that the cluster would take, how far that
//! is from what no scheduler can beat, and the scheduler's time for each stage.
#![expect(clippy::print_stdout, reason = "the program reports")]

use std::collections::BinaryHeap;
use std::process::ExitCode;
use std::time::Instant;

use orgo_kernel::expand::expand;
use orgo_kernel::plan::Resolved;
use orgo_kernel::scheduler::{Command, Event, Options, Scheduler};
use orgo_spec::document::Document;
use orgo_spec::pipeline::parse_pipelines;

/// What is simulated.
struct Setting {
    stages: usize,
    workers: u32,
    /// Microseconds until the cache has answered.
    look_us: u64,
    /// Microseconds that the engine adds to each action.
    engine_us: u64,
    /// The mean time of an action, in microseconds.
    action_us: u64,
    /// One of so many stages is in the cache already; 0 for none.
    hits: u64,
}

impl Setting {
    fn read() -> Option<Self> {
        let mut setting =
            Self { stages: 100_000, workers: 1000, look_us: 600, engine_us: 400_000, action_us: 2_000_000, hits: 0 };
        let mut args = std::env::args().skip(1);
        while let Some(name) = args.next() {
            let value: u64 = args.next()?.parse().ok()?;
            match name.as_str() {
                "--stages" => setting.stages = usize::try_from(value).ok()?,
                "--workers" => setting.workers = u32::try_from(value).ok()?,
                "--look-us" => setting.look_us = value,
                "--engine-us" => setting.engine_us = value,
                "--action-us" => setting.action_us = value,
                "--hits" => setting.hits = value,
                _ => return None,
            }
        }
        Some(setting)
    }

    /// How long a stage's action takes: a tenth of the mean for nine of ten, the rest a long tail; always the same.
    fn action_us(&self, stage: usize) -> u64 {
        let dice = mixed(stage as u64);
        let tenth = self.action_us / 10;
        tenth + if dice.is_multiple_of(10) { (dice / 10) % (18 * self.action_us).max(1) } else { 0 }
    }

    fn is_hit(&self, stage: usize) -> bool {
        self.hits > 0 && mixed(stage as u64 + 1).is_multiple_of(self.hits)
    }
}

/// A number that looks random and is always the same (the finalizer of SplitMix64).
fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// A matrix of groups and members, three stages each, and a stage for each group that gathers it.
fn plan(stages: usize) -> Option<Resolved> {
    let groups = (stages / 301).max(1);
    let values = |letter: char, n: usize| (0..n).map(|i| format!("\"{letter}{i}\"")).collect::<Vec<_>>().join(" ");
    let matrix = format!("matrix {{ group {}; member {} }}", values('g', groups), values('m', 100));
    let text = format!(
        "pipeline \"cluster\" {{\n    stage \"prepare\" {{ {matrix}; run \"p\"; out \"o\" }}\n    stage \"work\" {{ {matrix}; from \"prepare\"; run \"w\"; out \"o\" }}\n    stage \"check\" {{ {matrix}; from \"work\"; run \"c\"; out \"o\" }}\n    stage \"gather\" {{ matrix {{ group {} }}; from \"check\"; run \"g\"; out \"o\" }}\n}}\n",
        values('g', groups)
    );
    let document = Document::new("cluster.kdl", text);
    let pipelines = parse_pipelines(&document).map_err(|e| println!("{:?}", miette::Report::new(e))).ok()?;
    expand(&document, pipelines.first()?).map_err(|e| println!("{:?}", miette::Report::new(e))).ok()
}

/// What happens later: the moment, a number that keeps the order, and what.
#[derive(Debug)]
struct Later(std::cmp::Reverse<(u64, u64)>, Event);

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Later {}

impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Later {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

fn main() -> ExitCode {
    let Some(setting) = Setting::read() else {
        println!("usage: cluster [--stages N] [--workers N] [--look-us N] [--engine-us N] [--action-us N] [--hits N]");
        return ExitCode::from(2);
    };
    let begun = Instant::now();
    let Some(plan) = plan(setting.stages) else { return ExitCode::from(2) };
    let planned = begun.elapsed();
    let options = Options { jobs: setting.workers, keep_going: false, run: "simulated".to_owned(), memory_bytes: None };
    let wanted = vec![true; plan.stages.len()];
    let begun = Instant::now();
    let mut scheduler = Scheduler::new(&plan, &wanted, options);
    let mut later: BinaryHeap<Later> = BinaryHeap::new();
    let (mut now, mut count, mut worked, mut ran) = (0u64, 0u64, 0u64, 0u64);
    let mut commands = scheduler.begin();
    loop {
        for command in commands {
            let (after, event) = match command {
                Command::Look { stage, admission } => {
                    (setting.look_us, Event::Looked { stage, hit: setting.is_hit(stage.index()), admission })
                }
                Command::Start { stage, .. } => {
                    let takes = setting.action_us(stage.index()) + setting.engine_us;
                    worked += takes;
                    ran += 1;
                    (takes, Event::Ended { stage, end: Ok(()) })
                }
                Command::Decide(_)
                | Command::Ask(_)
                | Command::List(_)
                | Command::Kill(_)
                | Command::Pause { .. }
                | Command::Serve(_)
                | Command::Dismiss(_) => continue,
            };
            later.push(Later(std::cmp::Reverse((now + after, count)), event));
            count += 1;
        }
        let Some(Later(std::cmp::Reverse((at, _)), event)) = later.pop() else { break };
        now = at;
        commands = scheduler.step(event);
    }
    let took = begun.elapsed();
    assert!(scheduler.is_finished(), "the run ends");
    let stages = plan.stages.len();
    let seconds = |us: u64| us as f64 / 1e6;
    let least = (worked / u64::from(setting.workers)).max(critical(&plan, &setting));
    println!("stages            {stages}, of which {ran} ran");
    println!("workers           {}", setting.workers);
    println!("planned in        {:.2} s", planned.as_secs_f64());
    println!("cluster takes     {:.1} s", seconds(now));
    println!("at the very least {:.1} s (work shared out evenly, or the longest chain)", seconds(least));
    println!(
        "busy              {:.1} % of all workers",
        100.0 * worked as f64 / (now as f64 * f64::from(setting.workers))
    );
    println!(
        "scheduling costs  {:.2} µs a stage, {:.2} s in all",
        took.as_secs_f64() * 1e6 / stages as f64,
        took.as_secs_f64()
    );
    println!("enough for        {:.0} workers on such actions", seconds(worked) / took.as_secs_f64());
    ExitCode::SUCCESS
}

/// The longest chain of look-ups and actions, in microseconds. Stages stand behind what they need.
fn critical(plan: &Resolved, setting: &Setting) -> u64 {
    let mut ends = vec![0u64; plan.stages.len()];
    for (at, stage) in plan.stages.iter().enumerate() {
        let begins = stage.from.iter().map(|(s, _)| ends[s.index()]).max().unwrap_or(0);
        let runs = if setting.is_hit(at) { 0 } else { setting.action_us(at) + setting.engine_us };
        ends[at] = begins + setting.look_us + runs;
    }
    ends.into_iter().max().unwrap_or(0)
}
