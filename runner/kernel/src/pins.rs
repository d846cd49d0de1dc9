//! What a plan takes in from outside, and what of it a lock pins.

use std::collections::BTreeMap;

use orgo_spec::canonical::{self, Profile, Value};
use orgo_spec::lock::{Lock, Subject};
use orgo_spec::{Digest, ReasonCode};

use crate::graph::StageId;
use crate::plan::{Action, Readiness, Resolved};

/// What a plan takes in, each with the first stage that does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// Host programs, by search path and name. A program with a `/` in its name has an empty search path.
    pub programs: BTreeMap<(String, String), StageId>,
    /// Sources that do not pin themselves.
    pub sources: BTreeMap<Subject, StageId>,
    /// The built-in tools.
    pub builtin: Option<StageId>,
}

impl Uses {
    /// Collects what the stages of `plan` use that `wanted` marks.
    #[must_use]
    pub fn of(plan: &Resolved, wanted: impl Fn(StageId) -> bool) -> Self {
        let mut uses = Self::default();
        for id in plan.graph.stages().filter(|id| wanted(*id)) {
            let stage = plan.stage(id);
            match &stage.action {
                Action::Run(argv) => uses.programs(id, &argv[0], &stage.tools, &stage.env),
                Action::Tool { name, config } => {
                    uses.builtin.get_or_insert(id);
                    if name == "ingest" {
                        uses.sources(id, config);
                    }
                }
                Action::Compile(_) => {
                    uses.builtin.get_or_insert(id);
                }
            }
            for service in stage.services() {
                let service = &plan.services[*service as usize];
                uses.programs(id, &service.argv[0], &service.tools, &service.env);
                if let Readiness::Program(argv) = &service.ready {
                    uses.programs(id, &argv[0], &[], &service.env);
                }
            }
        }
        uses
    }

    /// Every subject that is used on a machine of `platform`, with the first stage that uses it.
    pub fn subjects(&self, platform: &str) -> impl Iterator<Item = (Subject, StageId)> {
        let tools = self.programs.iter().map(|((search, name), id)| (tool(platform, search, name), *id));
        let sources = self.sources.iter().map(|(subject, id)| (subject.clone(), *id));
        let own = self
            .builtin
            .into_iter()
            .flat_map(|id| [(Subject::Contract { name: "kristal".to_owned() }, id), (Subject::Orgo, id)]);
        tools.chain(sources).chain(own)
    }

    /// A program that comes out of another stage is an input like any other.
    fn programs(&mut self, id: StageId, own: &str, tools: &[String], env: &[(String, String)]) {
        let path = env.iter().find(|(n, _)| n == "PATH").map_or("", |(_, v)| v.as_str());
        let is_input = own.contains('/') && !own.starts_with('/');
        for name in tools.iter().map(String::as_str).chain((!is_input).then_some(own)) {
            let search = if name.contains('/') { "" } else { path };
            self.programs.entry((search.to_owned(), name.to_owned())).or_insert(id);
        }
    }

    fn sources(&mut self, id: StageId, config: &[u8]) {
        let Ok(config) = canonical::parse(config, Profile::DOCUMENT) else { return };
        let sources = config.get("sources").and_then(Value::as_array).unwrap_or_default();
        for source in sources {
            let text = |field: &str| source.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let pins_itself = text("sha256").parse::<Digest>().is_ok();
            if !pins_itself {
                let subject = Subject::Source { name: text("name"), version: text("version"), file: text("file") };
                self.sources.entry(subject).or_insert(id);
            }
        }
    }
}

/// The subject of a program on a search path.
#[must_use]
pub fn tool(platform: &str, search: &str, name: &str) -> Subject {
    Subject::Tool { platform: platform.to_owned(), search: search.to_owned(), name: name.to_owned() }
}

/// Something that a plan takes in and nothing pins (supply-chain T-51).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpinned {
    /// `INPUT_UNPINNED`.
    pub code: ReasonCode,
    /// The first stage that takes it in.
    pub stage: String,
    /// What.
    pub subject: Subject,
}

/// What `plan` takes in on a machine of `platform` that `lock` does not pin; everything, if there is no lock. What
/// comes of such a plan is not to be published where pins are demanded.
#[must_use]
pub fn unpinned_inputs(plan: &Resolved, lock: Option<&Lock>, platform: &str) -> Vec<Unpinned> {
    let uses = Uses::of(plan, |_| true);
    uses.subjects(platform)
        .filter(|(subject, _)| lock.and_then(|l| l.get(subject)).is_none())
        .map(|(subject, id)| Unpinned { code: ReasonCode::InputUnpinned, stage: plan.stage(id).name.clone(), subject })
        .collect()
}

#[cfg(test)]
mod tests {
    use orgo_spec::document::Document;
    use orgo_spec::pipeline::parse_pipelines;

    use super::*;
    use crate::expand::expand;

    const PIPELINE: &str = r#"pipeline "p" {
        service "db" { run "db"; tool "initdb"; env "PATH" "/opt" }
        stage "build" { run "cc" "a.c"; tool "as" "ld"; env "PATH" "/usr/bin"; out "o" }
        stage "test" { from "build"; run "in/build/o"; needs "db" }
        stage "more" { run "cc"; env "PATH" "/usr/bin" }
        stage "snapshots" uses="ingest" {
            source "a" file="a.csv" license="MIT" version="1" retrieved-at="2026-11-21T00:00:00Z"
            source "b" file="b.csv" license="MIT" version="2" retrieved-at="2026-11-21T00:00:00Z" sha256="@"
        }
    }"#;

    fn plan() -> Resolved {
        let text = PIPELINE.replace('@', &Digest::of(b"b").to_string());
        let document = Document::new("p.kdl", text);
        let pipelines = parse_pipelines(&document).expect("well formed");
        expand(&document, &pipelines[0]).expect("sound")
    }

    #[test]
    fn what_a_plan_takes_in_is_listed_once_and_what_pins_itself_is_not() {
        let plan = plan();
        let found: Vec<(String, String)> =
            unpinned_inputs(&plan, None, "p").into_iter().map(|u| (u.stage, u.subject.name().to_owned())).collect();
        let expected = [
            ("test", "db"),
            ("test", "initdb"),
            ("build", "as"),
            ("build", "cc"),
            ("build", "ld"),
            ("snapshots", "a"),
            ("snapshots", "kristal"),
            ("snapshots", "orgo"),
        ];
        assert_eq!(found, expected.map(|(s, n)| (s.to_owned(), n.to_owned())));
    }

    #[test]
    fn what_the_lock_pins_is_not_unpinned_and_pins_of_another_platform_do_not_count() {
        let plan = plan();
        let mut lock = Lock::default();
        for (subject, _) in Uses::of(&plan, |_| true).subjects("p") {
            lock.set_one(subject, "", None);
        }
        assert_eq!(unpinned_inputs(&plan, Some(&lock), "p"), []);
        assert_eq!(unpinned_inputs(&plan, Some(&lock), "q").len(), 5, "programs are of a platform");
        lock.remove(&Subject::Orgo);
        assert_eq!(unpinned_inputs(&plan, Some(&lock), "p")[0].subject, Subject::Orgo);
    }
}
