//! `bench run`: stage by stage, each beside its lower bound.

use nix::sys::resource::UsageWho;

use super::gauge::{self, Cost};
use super::ground::Ground;
use super::load::{self, Loaded};
use super::stages::{Stage, Way};
use super::{facts, statistics};
use crate::config::Url;
use crate::engine::{self, Watch};
use crate::error::Result;
use crate::report::{BenchFloor, BenchRun, BenchSettings, BenchStage, Exit, Head};

/// What to measure, and how often.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// The number of runs that count.
    pub runs: usize,
    /// The number of warm-up runs before them.
    pub warm_up: usize,
    /// How often a run goes through the data; by default as often as needed for a run of sufficient length.
    pub passes: Option<u64>,
    /// Where to load: beside this.
    pub into: Option<Url>,
    /// Whether to measure lower bounds too.
    pub floors: bool,
}

/// The minimum length of a run, if it can be repeated: clocks and schedulers are too coarse for less.
const RUN_SECONDS: f64 = 0.1;

const PASSES_MAX: f64 = 1_000.0;

/// Measures a ground.
pub fn run(ground: &Ground, options: &RunOptions, watch: &Watch) -> Result<BenchRun> {
    let way = Way::new(&ground.config, &ground.files.files, watch)?;
    let (scratch, config) = load::place(ground, options.into.as_ref())?;
    let settings = engine::settings(&config, watch);
    let (destination, server) = (scratch.product().to_owned(), scratch.server().clone());
    drop(scratch);
    let stages = options.stages.iter().map(|&stage| match stage {
        Stage::Load => loads(ground, options, watch),
        Stage::Encode => {
            let (_scratch, config) = load::place(ground, options.into.as_ref())?;
            let work = engine::destination(&config, watch)?.open()?.work(way.recipe());
            passes(stage, &way, options, &|way| way.encode(&*work))
        }
        Stage::Scan => passes(stage, &way, options, &Way::scan),
        Stage::Parse => passes(stage, &way, options, &Way::parse),
        Stage::Bind => passes(stage, &way, options, &Way::bind),
    });
    let stages = stages.collect::<Result<_>>()?;
    Ok(BenchRun {
        head: Head::new("bench run", Some(&ground.config.name), Exit::Success),
        host: facts::host(),
        build: facts::build(),
        data: ground.data.clone(),
        settings: BenchSettings {
            destination,
            server,
            key: ground.key(),
            threads: settings.threads,
            lanes: settings.lanes,
            chunk_bytes: settings.source.chunk_bytes,
            batch_rows: settings.batch_rows,
            batch_bytes: settings.batch_bytes,
            warm_up: options.warm_up,
        },
        stages,
    })
}

/// A single-threaded stage, repeated in alternation with its lower bound.
fn passes(
    stage: Stage,
    way: &Way,
    options: &RunOptions,
    pass: &dyn Fn(&Way) -> Result<u64>,
) -> Result<BenchStage> {
    let (what, floor) = way.floor(stage);
    gauge::forget_peak();
    let measured = |pass: &dyn Fn(&Way) -> Result<u64>, passes: u64| -> Result<Cost> {
        let all = || (0..passes).try_for_each(|_| pass(way).map(drop));
        let (cost, result) = Cost::of(UsageWho::RUSAGE_SELF, all);
        result.map(|()| cost.per(passes))
    };
    let count = match options.passes {
        Some(passes) => passes,
        None => (RUN_SECONDS / measured(pass, 1)?.wall.max(1e-9)).ceil().min(PASSES_MAX) as u64,
    };
    let (mut costs, mut floors) = (Vec::new(), Vec::new());
    for run in 0..options.warm_up + options.runs {
        let cost = measured(pass, count)?;
        let beside = if options.floors { Some(measured(&floor, count)?) } else { None };
        if run >= options.warm_up {
            costs.push(cost);
            floors.extend(beside);
        }
    }
    let (seconds, cpu_seconds) = gauge::series(&costs);
    let floor = (!floors.is_empty()).then(|| {
        let (floor, _) = gauge::series(&floors);
        BenchFloor { what: what.to_owned(), ratio: floor.median / seconds.median, seconds: floor }
    });
    Ok(BenchStage {
        stage: stage.name().to_owned(),
        passes: count,
        seconds,
        cpu_seconds,
        peak_mib: gauge::peak_mib(),
        floor,
        rows: None,
        times: None,
    })
}

/// The lower bound of a load, in words.
const READY_ROWS: &str = "ready rows, only written";

/// Loads, each into a place of its own.
fn loads(ground: &Ground, options: &RunOptions, watch: &Watch) -> Result<BenchStage> {
    let into = options.into.as_ref();
    for _ in 0..options.warm_up {
        load::load(ground, into, false, &watch.stop)?;
    }
    let loaded = (0..options.runs).map(|_| load::load(ground, into, options.floors, &watch.stop));
    let loaded: Vec<Loaded> = loaded.collect::<Result<_>>()?;
    let costs: Vec<Cost> = loaded.iter().map(|loaded| loaded.cost).collect();
    let (seconds, cpu_seconds) = gauge::series(&costs);
    let floors: Vec<f64> = loaded.iter().filter_map(|loaded| Some(loaded.floor?.as_secs_f64())).collect();
    let floor = (!floors.is_empty()).then(|| {
        let floor = statistics::series(floors);
        BenchFloor { what: READY_ROWS.to_owned(), ratio: floor.median / seconds.median, seconds: floor }
    });
    let middle = loaded.iter().min_by(|one, other| {
        let distance = |loaded: &Loaded| (loaded.cost.wall - seconds.median).abs();
        distance(one).total_cmp(&distance(other))
    });
    Ok(BenchStage {
        stage: Stage::Load.name().to_owned(),
        passes: 1,
        peak_mib: loaded.iter().filter_map(|loaded| loaded.peak_mib).reduce(f64::max),
        floor,
        rows: middle.map(|loaded| loaded.rows),
        times: middle.map(|loaded| loaded.times),
        seconds,
        cpu_seconds,
    })
}
