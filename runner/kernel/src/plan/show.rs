//! A resolved pipeline as a document that decodes to the same plan.

mod runtime;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use orgo_spec::canonical::{self, Value};
use orgo_spec::document::kdl_text as quoted;

use super::{Action, PendingList, Resolved, ResolvedStage};
use crate::graph::StageId;

impl Resolved {
    /// The expanded form as KDL: every stage written out, no matrix, no template, no list, every default said.
    ///
    /// # Panics
    /// Never for what `expand` made: the settings of tools are canonical JSON.
    #[must_use]
    pub fn to_kdl(&self) -> String {
        let mut out = format!("pipeline {}", quoted(&self.name));
        if self.kristal {
            out.push_str(" profile=\"kristal\"");
        }
        for (field, name) in [("mandate", &self.mandate), ("blueprint", &self.blueprint)] {
            if let Some(name) = name {
                let _ = write!(out, " {field}={}", quoted(name)); // writing to memory does not fail
            }
        }
        if self.record_always {
            out.push_str(" record=\"always\"");
        }
        out.push_str(" {\n");
        for (name, value) in &self.parameters {
            let _ = writeln!(out, "    param {} default={}", quoted(name), quoted(value));
        }
        self.shared_kdl(&mut out);
        let named = self.named_outputs();
        for id in self.graph.stages() {
            self.stage_kdl(id, &named, &mut out);
        }
        for gate in &self.gates {
            let _ = writeln!(out, "    gate {} on={}", quoted(&gate.name), quoted(&self.stage(gate.on).name));
        }
        out.push_str("}\n");
        out
    }

    /// Outputs that edges carry alone, with names for them.
    fn named_outputs(&self) -> BTreeMap<(StageId, &str), String> {
        let mut named = BTreeMap::new();
        for stage in &self.stages {
            if let Some(list) = stage.pending() {
                let next = format!("output-{}", named.len());
                named.entry((list.stage, list.output.as_str())).or_insert(next);
            }
            for (at, path) in stage.extra.iter().flat_map(|e| &e.artifacts) {
                let next = format!("output-{}", named.len());
                named.entry((stage.from[*at as usize].0, path.as_str())).or_insert(next);
            }
        }
        named
    }

    fn stage_kdl(&self, id: StageId, named: &BTreeMap<(StageId, &str), String>, out: &mut String) {
        let stage = self.stage(id);
        let _ = write!(out, "    stage {}", quoted(&stage.name));
        let escaped = if stage.pending().is_some() { quoted } else { escaped };
        let gate = stage.gate.map(|g| &self.gates[g as usize]);
        let tool = match &stage.action {
            Action::Run(_) => None,
            Action::Tool { name, .. } => Some(name.as_str()),
            Action::Compile(compiler) => Some(compiler.tool().name()),
        };
        let approval = self.approval(id).map(|a| a.name.as_str());
        for (field, name) in [("uses", tool), ("gate", gate.map(|g| g.name.as_str())), ("approval", approval)] {
            if let Some(name) = name {
                let _ = write!(out, " {field}={}", quoted(name));
            }
        }
        out.push_str(" {\n");
        if let Some(PendingList { item, stage: writer, output }) = stage.pending() {
            let artifact = &named[&(*writer, output.as_str())];
            let (item, writer) = (quoted(item), quoted(&self.stage(*writer).name));
            let _ = writeln!(out, "        for-each {item} from={writer} artifact={}", quoted(artifact));
        }
        if let Some(step) = stage.extra.as_ref().and_then(|e| e.step) {
            let _ = writeln!(out, "        step {}", quoted(step.as_str()));
        }
        let mut line = |field: &str, values: &[&str]| {
            let values: Vec<String> = values.iter().map(|v| escaped(v)).collect();
            let _ = writeln!(out, "        {field} {}", values.join(" "));
        };
        let mut files: Vec<&str> = stage.files.iter().map(String::as_str).collect();
        let settings = settings(stage, &mut files);
        files.iter().for_each(|file| line("files", &[file]));
        if let Action::Run(argv) = &stage.action {
            line("run", &argv.iter().map(String::as_str).collect::<Vec<_>>());
            // What is passed replaces the default.
            let own = stage.env.iter().filter(|(name, _)| !stage.env_pass().contains(name));
            own.for_each(|(name, value)| line("env", &[name, value]));
            stage.env_pass().iter().for_each(|name| line("env-pass", &[name]));
            stage.tools.iter().for_each(|tool| line("tool", &[tool]));
        }
        for after in self.graph.dependencies(id) {
            let read = stage.from.iter().any(|(needed, _)| needed == after)
                || gate.is_some_and(|g| g.on == *after)
                || stage.pending().is_some_and(|list| list.stage == *after);
            if !read {
                line("after", &[&self.stage(*after).name]);
            }
        }
        for (at, (needed, place)) in stage.from.iter().enumerate() {
            let artifact = stage.artifact(at).and_then(|path| named.get(&(*needed, path)));
            let artifact = artifact.map_or(String::new(), |name| format!(" artifact={}", quoted(name)));
            let needed = quoted(&self.stage(*needed).name);
            let _ = writeln!(out, "        from {needed}{artifact} at={}", escaped(place));
        }
        if tool.is_none() {
            for path in stage.outs.iter() {
                let name = named.get(&(id, path.as_str())).map_or(String::new(), |n| format!(" as={}", quoted(n)));
                let _ = writeln!(out, "        out {}{name}", escaped(path));
            }
        }
        out.push_str(&settings);
        for secret in stage.secrets() {
            let keyed = if secret.keyed_digest { " keyed-digest=#true" } else { "" };
            let _ = writeln!(
                out,
                "        secret {} from={}{keyed}",
                quoted(&secret.name),
                quoted(&secret.from.to_string())
            );
        }
        for patterns in stage.extra.iter().flat_map(|e| &e.changed) {
            let patterns: Vec<String> = patterns.iter().map(|p| escaped(p)).collect();
            let _ = writeln!(out, "        when {{ changed {}; }}", patterns.join(" "));
        }
        for condition in stage.extra.iter().flat_map(|e| &e.params) {
            let _ = writeln!(out, "        when param={} is={}", quoted(&condition.name), quoted(&condition.is));
        }
        self.runtime_kdl(stage, out);
        let _ = writeln!(
            out,
            "        timeout \"{}ms\"\n        cpus {}\n        network {}\n        isolation {}\n    }}",
            stage.timeout_ms,
            stage.cpus,
            quoted(match stage.network {
                orgo_spec::pipeline::Network::None => "none",
                orgo_spec::pipeline::Network::Host => "host",
            }),
            quoted(stage.isolation.as_str()),
        );
    }
}

/// The settings of a built-in tool; the files that it names itself are taken from `files`.
fn settings(stage: &ResolvedStage, files: &mut Vec<&str>) -> String {
    let Action::Tool { config, .. } = &stage.action else { return String::new() };
    let config = canonical::parse(config, canonical::Profile::DOCUMENT).expect("written by `expand`");
    let mut out = String::new();
    for (field, value) in config.as_object().into_iter().flat_map(|o| o.iter()) {
        match (field, value) {
            ("decisions", _) => {
                let patterns: Vec<String> = files.drain(..).map(escaped).collect();
                if !patterns.is_empty() {
                    let _ = writeln!(out, "        decisions {}", patterns.join(" "));
                }
            }
            ("sources", Value::Array(sources)) => {
                files.truncate(files.len().saturating_sub(sources.len()));
                for source in sources {
                    let text = |name: &str| source.get(name).and_then(Value::as_str);
                    let _ = write!(out, "        source {}", escaped(text("name").unwrap_or("")));
                    for (member, field) in [
                        ("file", "file"),
                        ("license", "license"),
                        ("version", "version"),
                        ("retrieved_at", "retrieved-at"),
                        ("uri", "uri"),
                        ("sha256", "sha256"),
                    ] {
                        if let Some(value) = text(member) {
                            let _ = write!(out, " {field}={}", escaped(value));
                        }
                    }
                    out.push('\n');
                }
            }
            (_, value) => {
                files.pop();
                let _ = writeln!(out, "        {field} {}", escaped(value.as_str().unwrap_or("")));
            }
        }
    }
    out
}

/// A text in quotes, as it will be read: a `${` in it stands for the characters themselves.
fn escaped(text: &str) -> String {
    quoted(&text.replace("${", "$${"))
}
