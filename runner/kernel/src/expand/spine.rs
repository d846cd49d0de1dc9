//! The profile `kristal`: the order of the knowledge spine, and its gate, are not negotiable.
//!
//! Stages between the steps are free: what counts is who reads from whom, directly or through others.

use orgo_spec::ReasonCode;
use orgo_spec::document::{Problem, Problems, Span};
use orgo_spec::pipeline::{CompileTool, GatedAction, Pipeline, Profile, SpineTool, Stage, Step, Work};

/// A step of the spine, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Ingest,
    Extract,
    Resolve,
    Decide,
    Validate,
    Exchange,
    Pack,
    Publish,
    Render,
    Execute,
    Feedback,
}

impl Rank {
    const REQUIRED: [Self; 6] =
        [Self::Ingest, Self::Extract, Self::Resolve, Self::Validate, Self::Exchange, Self::Pack];

    const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Extract => "extract",
            Self::Resolve => "resolve",
            Self::Decide => "decide",
            Self::Validate => "validate",
            Self::Exchange => "compile-exchange",
            Self::Pack => "compile-pack",
            Self::Publish => "publish",
            Self::Render => "render",
            Self::Execute => "execute",
            Self::Feedback => "feedback",
        }
    }

    /// The step of a stage; none for what stands between steps.
    fn of(stage: &Stage) -> Option<Self> {
        match (&stage.work, stage.step.as_ref().map(|s| s.value)) {
            (Work::Tool(tool), _) => Some(match tool {
                SpineTool::Ingest { .. } => Self::Ingest,
                SpineTool::Extract { .. } => Self::Extract,
                SpineTool::Resolve { .. } => Self::Resolve,
                SpineTool::Decide { .. } => Self::Decide,
                SpineTool::Validate { .. } => Self::Validate,
            }),
            (Work::Gated { action: GatedAction::Compile(tool), .. }, _) => Some(match tool {
                CompileTool::CompileExchange => Self::Exchange,
                CompileTool::CompilePack => Self::Pack,
            }),
            (Work::Run(_) | Work::Gated { action: GatedAction::Run(_), .. }, step) => step.map(|step| match step {
                Step::Ingest => Self::Ingest,
                Step::Extract => Self::Extract,
                Step::Resolve => Self::Resolve,
                Step::Decide => Self::Decide,
                Step::Validate => Self::Validate,
                Step::Publish => Self::Publish,
                Step::Render => Self::Render,
                Step::Execute => Self::Execute,
                Step::Feedback => Self::Feedback,
            }),
        }
    }
}

/// The declared stages as a graph of names.
struct Spine<'p> {
    pipeline: &'p Pipeline,
    ranks: Vec<Option<Rank>>,
    /// For each stage those that it reads from or stands behind.
    reads: Vec<Vec<usize>>,
    /// For each stage those that it comes after.
    waits: Vec<Vec<usize>>,
}

/// Holds a pipeline with the profile `kristal` to the spine.
pub(super) fn check(pipeline: &Pipeline, problems: &mut Problems) {
    for stage in &pipeline.stages {
        if let (Some(step), Work::Tool(_) | Work::Gated { action: GatedAction::Compile(_), .. }) =
            (&stage.step, &stage.work)
        {
            problems.push(
                Problem::new(ReasonCode::FieldUnknown, "a built-in tool is its own step", step.span)
                    .help("remove `step`"),
            );
        }
    }
    let Some(profile) = pipeline.profile.as_ref().filter(|p| p.value == Profile::Kristal) else { return };
    let spine = Spine::new(pipeline);
    for (what, name) in [("mandate", &pipeline.mandate), ("blueprint", &pipeline.blueprint)] {
        if name.is_none() {
            problems.push(
                broken(format!("the spine begins with a {what}, and the pipeline names none"), profile.span)
                    .help(format!("add `{what}=\"…\"` to the pipeline")),
            );
        }
    }
    for rank in Rank::REQUIRED {
        if !spine.ranks.contains(&Some(rank)) {
            problems.push(
                broken(format!("the spine has no `{}`", rank.name()), profile.span)
                    .label("promised here")
                    .help(format!("add a stage with `uses=\"{}\"`, or leave out the profile", rank.name())),
            );
        }
    }
    for (at, rank) in spine.ranks.iter().enumerate().filter_map(|(at, rank)| Some((at, (*rank)?))) {
        spine.backwards(at, rank, problems);
        spine.forwards(at, rank, problems);
        spine.gated(at, rank, problems);
    }
}

fn broken(message: String, span: Span) -> Problem {
    Problem::new(ReasonCode::SpineOrder, message, span)
}

impl<'p> Spine<'p> {
    fn new(pipeline: &'p Pipeline) -> Self {
        let mut names: Vec<(&str, usize)> =
            pipeline.stages.iter().zip(0..).map(|(s, i)| (s.name.as_str(), i)).collect();
        names.sort_unstable();
        let find = |name: &str| names.binary_search_by(|(n, _)| (*n).cmp(name)).ok().map(|i| names[i].1);
        let gate = |stage: &Stage| match &stage.work {
            Work::Gated { gate, .. } => {
                pipeline.gates.iter().find(|g| *g.name == **gate).and_then(|g| find(g.on.as_str()))
            }
            Work::Run(_) | Work::Tool(_) => None,
        };
        let reads = |stage: &Stage| {
            let list = stage.listed_by().map(|(stage, _)| stage);
            let names = stage.from.iter().map(|f| &f.stage).chain(list);
            names.filter_map(|name| find(name.as_str())).chain(gate(stage)).collect()
        };
        let waits = |stage: &Stage| stage.after.iter().filter_map(|name| find(name.as_str())).collect();
        Self {
            pipeline,
            ranks: pipeline.stages.iter().map(Rank::of).collect(),
            reads: pipeline.stages.iter().map(reads).collect(),
            waits: pipeline.stages.iter().map(waits).collect(),
        }
    }

    fn name(&self, at: usize) -> &str {
        self.pipeline.stages[at].name.as_str()
    }

    fn span(&self, at: usize) -> Span {
        self.pipeline.stages[at].name.span
    }

    /// Every stage that `at` reads from, through any stages between; with what it only comes after, if `all`.
    fn behind(&self, at: usize, all: bool) -> Vec<usize> {
        let mut seen = vec![false; self.ranks.len()];
        let mut queue = vec![at];
        let mut found = Vec::new();
        while let Some(next) = queue.pop() {
            let waits = if all { self.waits[next].as_slice() } else { &[] };
            for needed in self.reads[next].iter().chain(waits) {
                if !std::mem::replace(&mut seen[*needed], true) {
                    found.push(*needed);
                    queue.push(*needed);
                }
            }
        }
        found.sort_unstable();
        found
    }

    /// A step needs no later one.
    fn backwards(&self, at: usize, rank: Rank, problems: &mut Problems) {
        let later = self.behind(at, true).into_iter().find(|needed| self.ranks[*needed].is_some_and(|r| r > rank));
        if let Some(later) = later {
            let step = self.ranks[later].map_or("", Rank::name);
            problems.push(
                broken(
                    format!(
                        "`{}` ({}) needs `{}` ({step}), which comes later in the spine",
                        self.name(at),
                        rank.name(),
                        self.name(later)
                    ),
                    self.span(at),
                )
                .also(self.span(later), "the later step")
                .help("the order is ingest, extract, resolve, decide, validate, compile-exchange, compile-pack"),
            );
        }
    }

    /// A step reads from the one before it.
    fn forwards(&self, at: usize, rank: Rank, problems: &mut Problems) {
        let decided = self.ranks.contains(&Some(Rank::Decide));
        let before = match rank {
            Rank::Ingest | Rank::Feedback => return,
            Rank::Extract => Rank::Ingest,
            Rank::Resolve => Rank::Extract,
            Rank::Decide => Rank::Resolve,
            Rank::Validate | Rank::Exchange if decided => Rank::Decide,
            Rank::Validate | Rank::Exchange => Rank::Resolve,
            Rank::Pack => Rank::Exchange,
            Rank::Publish | Rank::Render => Rank::Pack,
            Rank::Execute => Rank::Pack,
        };
        let read = self.behind(at, false);
        if self.ranks.contains(&Some(before)) && !read.iter().any(|needed| self.ranks[*needed] == Some(before)) {
            let other = self.ranks.iter().position(|r| *r == Some(before)).unwrap_or(at);
            problems.push(
                broken(
                    format!("`{}` ({}) does not read from `{}`", self.name(at), rank.name(), before.name()),
                    self.span(at),
                )
                .also(self.span(other), "the step before")
                .help(format!("add `from \"{}\"`, directly or through stages between", self.name(other))),
            );
        }
    }

    /// Compilers stand behind a gate on the report of the validation.
    fn gated(&self, at: usize, rank: Rank, problems: &mut Problems) {
        if !matches!(rank, Rank::Exchange | Rank::Pack) {
            return;
        }
        let Work::Gated { gate, .. } = &self.pipeline.stages[at].work else { return };
        let Some(declared) = self.pipeline.gates.iter().find(|g| *g.name == **gate) else { return };
        let on = self.pipeline.stages.iter().position(|s| *s.name == *declared.on);
        if on.is_some_and(|on| self.ranks[on] != Some(Rank::Validate)) {
            problems.push(
                broken(
                    format!("the gate `{}` of `{}` is not on the report of a `validate`", **gate, self.name(at)),
                    declared.on.span,
                )
                .also(self.span(at), "the compiler behind it")
                .help("put the gate on the stage that validates what is compiled"),
            );
        }
    }
}
