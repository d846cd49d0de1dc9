//! One declared stage: its texts taken apart once, put together for each of its children.

use std::sync::Arc;

use orgo_spec::canonical;
use orgo_spec::document::{Problem, Problems, Spanned};
use orgo_spec::pipeline::{Condition, From, GatedAction, Pipeline, SpineTool, Stage, Work};
use orgo_spec::{Name, ReasonCode};

use super::fan::Fan;
use super::paths::{Claim, check_paths};
use super::text::{List, Names, Text};
use super::{DEFAULT_ISOLATION, DEFAULT_PATH, Index};
use crate::graph::StageId;
use crate::plan::{Action, Extra, ParamCondition, ResolvedStage, SecretRef, StageRuntime};

/// A stage whose texts were taken apart.
pub(super) struct Compiled<'p> {
    pub(super) stage: &'p Stage,
    /// Edges that carry outputs.
    pub(super) froms: Vec<CompiledFrom<'p>>,
    /// Edges that carry none.
    pub(super) after: Vec<(usize, &'p Spanned<Name>)>,
    /// The gate in front of it.
    pub(super) gate: Option<usize>,
    /// The approval that it needs.
    approval: Option<u32>,
    pub(super) outs: List,
    action: CompiledAction<'p>,
    files: List,
    env: Vec<(String, Text)>,
    shared_env: Option<Arc<[(String, String)]>>,
    tools: List,
    extra: Extra,
    changed: Vec<List>,
    /// Whether a place in its working folder differs between its children.
    places_vary: bool,
    names: Names<'p>,
    /// How it is run.
    runtime: Option<Box<StageRuntime>>,
}

/// An edge that carries outputs.
pub(super) struct CompiledFrom<'p> {
    pub(super) declared: &'p From,
    /// The position of the needed stage.
    pub(super) stage: usize,
    /// Where its outputs appear.
    pub(super) at: Text,
    /// The position of the only output that it carries.
    pub(super) out: Option<usize>,
}

enum CompiledAction<'p> {
    Run(Vec<Text>),
    /// A tool whose settings are the same for every child, with its files.
    Fixed(Action),
    Tool(&'p SpineTool),
}

impl<'p> Compiled<'p> {
    pub(super) fn new(
        pipeline: &'p Pipeline,
        stage: &'p Stage,
        fan: &Fan<'p>,
        index: &Index<'_>,
        parameters: &'p [(String, String)],
        problems: &mut Problems,
    ) -> Self {
        let pending = fan.pending().map(|list| list.item);
        let names = Names { fixed: parameters, slots: fan.slots.clone(), pending, open: true };
        // What has to be known before the run.
        let closed = Names { slots: fan.slots.clone(), open: false, ..names };
        let text = |t: &Spanned<String>, problems: &mut Problems| Text::of(t, &names, problems);
        let early = |t: &Spanned<String>, problems: &mut Problems| Text::of(t, &closed, problems);
        let mut outs: Vec<Text> =
            stage.outs.iter().map(|out| Text::new(out.as_str(), out.span, &names, problems)).collect();
        let mut files: Vec<Text> = stage.files.iter().map(|f| text(f, problems)).collect();
        let action = match &stage.work {
            Work::Run(run) | Work::Gated { action: GatedAction::Run(run), .. } => {
                let (program, arguments) = run.argv.split_at(1);
                let program = program.iter().map(|a| early(a, problems)).collect::<Vec<_>>();
                let arguments = arguments.iter().map(|a| text(a, problems)).collect::<Vec<_>>();
                CompiledAction::Run(program.into_iter().chain(arguments).collect())
            }
            Work::Tool(tool) => {
                outs.push(Text::literal(tool.output().to_owned(), stage.name.span));
                files.extend(tool.files().iter().map(|f| text(f, problems)));
                let mut varies = false;
                let _ = tool.with_texts(&mut |t, _| {
                    varies |= text(t, problems).fixed().is_none();
                    t.value.clone()
                });
                if varies || !problems.is_empty() {
                    CompiledAction::Tool(tool)
                } else {
                    CompiledAction::Fixed(tool_action(tool, &names, &[], problems))
                }
            }
            Work::Gated { action: GatedAction::Compile(tool), .. } => {
                outs.push(Text::literal(tool.output().to_owned(), stage.name.span));
                CompiledAction::Fixed(Action::Compile((*tool).into()))
            }
        };
        let mut env: Vec<(String, Text)> = Vec::new();
        if matches!(action, CompiledAction::Run(_)) {
            env.push(("PATH".to_owned(), Text::literal(DEFAULT_PATH.to_owned(), stage.name.span)));
            for variable in pipeline.env.iter().chain(&stage.env) {
                env.retain(|(name, _)| *name != *variable.name);
                env.push((variable.name.value.clone(), text(&variable.value, problems)));
            }
            env.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let froms: Vec<CompiledFrom<'p>> =
            stage.from.iter().filter_map(|from| compile_from(from, pipeline, index, &names, problems)).collect();
        let after = stage.after.iter().filter_map(|name| Some((index.stage(name)?, name))).collect();
        let mut tools: Vec<Text> = stage.tools.iter().map(|t| early(t, problems)).collect();
        tools.sort_by(|a, b| a.fixed().cmp(&b.fixed()));
        tools.dedup_by(|a, b| a.fixed().is_some() && a.fixed() == b.fixed());
        let mut changed = Vec::new();
        for condition in &stage.when {
            if let Condition::Changed(patterns) = condition {
                changed.push(List::new(patterns.iter().map(|p| early(p, problems)).collect(), false));
            }
        }
        let extra = extra(stage, parameters);
        let (outs, files, tools) = (List::new(outs, true), List::new(files, false), List::new(tools, true));
        let places_vary = !outs.is_fixed() || !files.is_fixed() || froms.iter().any(|from| from.at.fixed().is_none());
        let shared_env = env.iter().all(|(_, t)| t.fixed().is_some()).then(|| make_env(&env, &[]));
        let compiled = Self {
            stage,
            froms,
            after,
            gate: index.gate(&stage.work),
            approval: stage
                .approval
                .as_ref()
                .and_then(|name| u32::try_from(pipeline.approvals.iter().position(|a| *a.name == **name)?).ok()),
            outs,
            action,
            files,
            env,
            shared_env,
            tools,
            extra,
            changed,
            places_vary,
            names,
            runtime: None,
        };
        if !places_vary {
            compiled.check_places(&[], problems);
        }
        compiled
    }

    /// Says how the stage is run.
    pub(super) fn run_as(self, runtime: Option<Box<StageRuntime>>) -> Self {
        Self { runtime, ..self }
    }

    /// The stage with the values of one child.
    pub(super) fn resolve(
        &self,
        name: String,
        values: &[&str],
        gate: Option<u32>,
        from: Vec<(StageId, String)>,
        artifacts: Vec<(u32, String)>,
        problems: &mut Problems,
    ) -> ResolvedStage {
        if self.places_vary {
            self.check_places(values, problems);
        }
        let action = match &self.action {
            CompiledAction::Run(argv) => Action::Run(argv.iter().map(|a| a.apply(values)).collect()),
            CompiledAction::Fixed(action) => action.clone(),
            CompiledAction::Tool(tool) => tool_action(tool, &self.names, values, problems),
        };
        if let Action::Run(argv) = &action
            && argv.first().is_some_and(String::is_empty)
            && problems.is_empty()
        {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "the program has no name", self.stage.name.span)
                    .help("correct the value that stands for it"),
            );
        }
        let mut extra = Extra { artifacts, ..self.extra.clone() };
        extra.changed = self.changed.iter().map(|list| list.get(values).to_vec()).collect();
        ResolvedStage {
            name,
            action,
            gate,
            approval: self.approval,
            files: self.files.get(values),
            from,
            outs: self.outs.get(values),
            env: self.shared_env.clone().unwrap_or_else(|| make_env(&self.env, values)),
            tools: self.tools.get(values),
            timeout_ms: self.stage.timeout.0,
            retries: self.stage.retries,
            cpus: self.stage.cpus,
            isolation: self.stage.isolation.as_ref().map_or(DEFAULT_ISOLATION, |i| i.value),
            network: self.stage.network,
            runtime: self.runtime.clone(),
            extra: (extra != Extra::default()).then(|| Box::new(extra)),
        }
    }

    fn check_places(&self, values: &[&str], problems: &mut Problems) {
        let claim = |text: &Text, problems: &mut Problems| Claim { path: text.path(values, problems), span: text.span };
        let froms: Vec<Claim> = self.froms.iter().map(|from| claim(&from.at, problems)).collect();
        let files: Vec<Claim> =
            self.files.texts.iter().map(|t| Claim { path: t.apply(values), span: t.span }).collect();
        let outs: Vec<Claim> = self.outs.texts.iter().map(|t| claim(t, problems)).collect();
        check_paths(&self.stage.name, &froms, &files, &outs, problems);
    }
}

fn compile_from<'p>(
    from: &'p From,
    pipeline: &Pipeline,
    index: &Index<'_>,
    names: &Names<'_>,
    problems: &mut Problems,
) -> Option<CompiledFrom<'p>> {
    let stage = index.stage(&from.stage)?;
    let artifact = from.artifact.as_ref();
    let at = match (&from.at, artifact) {
        (Some(at), _) => Text::new(at.as_str(), at.span, names, problems),
        (None, None) => Text::literal(format!("in/{}", *from.stage), from.stage.span),
        (None, Some(artifact)) => Text::literal(format!("in/{}/{}", *from.stage, **artifact), from.stage.span),
    };
    let out =
        artifact.and_then(|name| pipeline.stages[stage].artifacts.iter().find(|a| *a.name == **name).map(|a| a.out));
    Some(CompiledFrom { declared: from, stage, at, out })
}

fn extra(stage: &Stage, parameters: &[(String, String)]) -> Extra {
    let mut extra = Extra {
        env_pass: stage.env_pass.iter().map(|n| n.value.clone()).collect(),
        secrets: stage
            .secrets
            .iter()
            .map(|s| SecretRef { name: s.name.value.clone(), from: s.from.value.clone(), keyed_digest: s.keyed_digest })
            .collect(),
        step: stage.step.as_ref().map(|s| s.value),
        ..Extra::default()
    };
    extra.env_pass.sort_unstable();
    extra.secrets.sort_by(|a, b| a.name.cmp(&b.name));
    for condition in &stage.when {
        if let Condition::Param { name, is } = condition {
            let holds = parameters.iter().any(|(n, value)| n == name.as_str() && *value == is.value);
            extra.params.push(ParamCondition { name: name.to_string(), is: is.value.clone(), holds });
        }
    }
    extra
}

fn make_env(env: &[(String, Text)], values: &[&str]) -> Arc<[(String, String)]> {
    env.iter().map(|(name, text)| (name.clone(), text.apply(values))).collect()
}

fn tool_action(tool: &SpineTool, names: &Names<'_>, values: &[&str], problems: &mut Problems) -> Action {
    let tool = tool.with_texts(&mut |written, is_path| {
        let text = Text::of(written, names, problems);
        if is_path && written.contains("${") { text.path(values, problems) } else { text.apply(values) }
    });
    Action::Tool { name: tool.name().to_owned(), config: canonical::to_bytes(&tool.config().into()) }
}
