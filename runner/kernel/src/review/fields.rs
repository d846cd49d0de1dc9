//! A resolved stage as named fields, so that two can be compared and nothing is left out.

use std::collections::BTreeMap;

use orgo_spec::pipeline::{Isolation, Network};

use crate::graph::StageId;
use crate::plan::{Action, Extra, Readiness, Resolved, ResolvedService, ResolvedStage, Retry, StageRuntime};

/// Fields by the word that is written for them, each as text; what is as by default is left out.
pub(super) type Fields = BTreeMap<String, String>;

/// What a field does to the stage key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InKey {
    /// Another value is another key.
    Yes,
    /// Another value may be another key.
    Perhaps,
    /// It does not matter to the key.
    No,
}

/// What a field does to the stage key, see the table in [`crate::key`].
pub(super) fn in_key(field: &str) -> InKey {
    match field {
        // Other patterns may match the same files, another list may have the same items; another level may need another view, or a result of its own.
        "files" | "for-each" | "isolation" => InKey::Perhaps,
        // Which value is passed is not known before the run; a secret may have a digest of its value in the key.
        other if other.starts_with("env-pass ") || other.starts_with("secret ") => InKey::Perhaps,
        "run" | "uses" | "from" | "out" | "tool" | "timeout" | "needs" => InKey::Yes,
        other if other.starts_with("env ") || other.starts_with("config ") => InKey::Yes,
        _ => InKey::No,
    }
}

/// The fields of a stage. Taken apart whole, so that a field which is added is not forgotten here.
pub(super) fn fields(plan: &Resolved, id: StageId) -> Fields {
    let ResolvedStage {
        name: _,
        action,
        gate,
        approval,
        files,
        from,
        outs,
        env,
        tools,
        timeout_ms,
        retries,
        cpus,
        isolation,
        network,
        runtime,
        extra,
    } = plan.stage(id);
    let mut fields = Fields::new();
    let mut set = |name: &str, value: String| {
        if !value.is_empty() {
            fields.insert(name.to_owned(), value);
        }
    };
    let name = |id: StageId| plan.stage(id).name.as_str();
    match action {
        Action::Run(argv) => set("run", list(argv)),
        Action::Compile(compiler) => set("uses", compiler.tool().name().to_owned()),
        Action::Tool { name, config } => {
            set("uses", name.clone());
            for (key, value) in config_of(config) {
                set(&format!("config {key}"), value);
            }
        }
    }
    set("gate", gate.map_or_else(String::new, |g| plan.gates[g as usize].name.clone()));
    set("approval", approval.map_or_else(String::new, |a| plan.approvals[a as usize].name.clone()));
    set("files", list(files));
    let edge = |(i, (needed, at)): (usize, &(StageId, String))| match plan.stage(id).artifact(i) {
        Some(output) => format!("{output} of {} at {at}", name(*needed)),
        None => format!("{} at {at}", name(*needed)),
    };
    set("from", from.iter().enumerate().map(edge).collect::<Vec<_>>().join(", "));
    if let Some(list) = plan.stage(id).pending() {
        set("for-each", format!("{} from {} of {}", list.item, list.output, name(list.stage)));
    }
    let read =
        |id: &&StageId| !from.iter().any(|(s, _)| s == *id) && gate.is_none_or(|g| plan.gates[g as usize].on != **id);
    let after: Vec<&str> = plan.graph.dependencies(id).iter().filter(read).map(|s| name(*s)).collect();
    set("after", after.join(", "));
    set("out", list(outs));
    for (variable, value) in env.iter() {
        set(&format!("env {variable}"), if value.is_empty() { "(empty)".to_owned() } else { value.clone() });
    }
    set("tool", list(tools));
    set("timeout", duration(*timeout_ms));
    set("retries", if *retries == 0 { String::new() } else { retries.to_string() });
    set("cpus", cpus.to_string());
    set("isolation", isolation.as_str().to_owned());
    set("network", network_word(*network).to_owned());
    if let Some(runtime) = runtime {
        set_runtime(plan, runtime, &mut set);
    }
    if let Some(extra) = extra {
        set_extra(extra, &mut set);
    }
    fields
}

/// What few stages say; the outputs of edges are told with the edges.
fn set_extra(extra: &Extra, set: &mut impl FnMut(&str, String)) {
    let Extra { artifacts: _, env_pass, secrets, changed, params, step, list: _ } = extra;
    set("step", step.map_or_else(String::new, |s| s.as_str().to_owned()));
    for variable in env_pass {
        set(&format!("env-pass {variable}"), "as the runner has it".to_owned());
    }
    for secret in secrets {
        let keyed = if secret.keyed_digest { ", with a keyed digest in the key" } else { "" };
        set(&format!("secret {}", secret.name), format!("{}{keyed}", secret.from));
    }
    let changed = changed.iter().map(|patterns| format!("{} changed", list(patterns)));
    let params = params.iter().map(|p| format!("{} is \"{}\"", p.name, p.is.escape_debug()));
    set("when", changed.chain(params).collect::<Vec<_>>().join(" and "));
}

fn set_runtime(plan: &Resolved, runtime: &StageRuntime, set: &mut impl FnMut(&str, String)) {
    let StageRuntime { retry, claims, memory_bytes, optional, finally, services } = runtime;
    set("retry", retry.as_ref().map_or_else(String::new, retry_text));
    let resource = |at: u32| plan.resources[at as usize].name.as_str();
    set("pool", claims.iter().map(|(at, n)| format!("{} {n}", resource(*at))).collect::<Vec<_>>().join(", "));
    set("memory", memory_bytes.map_or_else(String::new, |b| format!("{b} bytes")));
    let flag = |on: bool| if on { "yes".to_owned() } else { String::new() };
    set("optional", flag(*optional));
    set("finally", flag(*finally));
    let service = |at: &u32| plan.services[*at as usize].name.as_str();
    set("needs", services.iter().map(service).collect::<Vec<_>>().join(", "));
}

fn retry_text(retry: &Retry) -> String {
    let Retry { on_exit, on_timeout, backoff_ms, factor, max_ms } = retry;
    let exits: Vec<String> = on_exit.iter().map(u32::to_string).collect();
    let exits = if exits.is_empty() { "any exit code".to_owned() } else { format!("exit codes {}", exits.join(", ")) };
    let timeout = if *on_timeout { " and timeouts" } else { "" };
    format!("after {exits}{timeout}, pause {} times {factor} up to {}", duration(*backoff_ms), duration(*max_ms))
}

/// A service as one text.
pub(super) fn service(service: &ResolvedService) -> String {
    let ResolvedService {
        name: _,
        argv,
        files,
        env,
        tools,
        isolation,
        ready,
        ready_timeout_ms,
        stop_signal,
        stop_timeout_ms,
    } = service;
    let ready = match ready {
        Readiness::Started => "when started".to_owned(),
        Readiness::Program(argv) => format!("when {} ends well", list(argv)),
        Readiness::Port(port) => format!("on port {port}"),
    };
    let env: Vec<String> = env.iter().map(|(n, v)| format!("{n}={v}")).collect();
    format!(
        "run {}; files {}; env {}; tools {}; isolation {}; ready {ready} within {}; {stop_signal:?}, then {}",
        list(argv),
        list(files),
        list(&env),
        list(tools),
        isolation.as_str(),
        duration(*ready_timeout_ms),
        duration(*stop_timeout_ms)
    )
}

/// The word that is written for a network.
pub(super) const fn network_word(network: Network) -> &'static str {
    match network {
        Network::None => "none",
        Network::Host => "host",
    }
}

/// Whether a stage runs at less isolation than before.
pub(super) fn is_lower(before: Isolation, after: Isolation) -> bool {
    after < before
}

fn config_of(config: &[u8]) -> Vec<(String, String)> {
    use orgo_spec::canonical::{self, Profile};
    let Ok(config) = canonical::parse(config, Profile::DOCUMENT) else { return Vec::new() };
    let text = |value: &canonical::Value| match value.as_str() {
        Some(text) => text.to_owned(),
        None => String::from_utf8(canonical::to_bytes(value)).unwrap_or_default(),
    };
    config.as_object().map(|o| o.iter().map(|(k, v)| (k.to_owned(), text(v))).collect()).unwrap_or_default()
}

/// Words as they would be written in a document.
fn list(words: &[String]) -> String {
    words.iter().map(|w| format!("\"{}\"", w.escape_debug())).collect::<Vec<_>>().join(" ")
}

/// A duration in the largest unit that gives a whole number.
fn duration(ms: u64) -> String {
    let units = [(3_600_000, "h"), (60_000, "m"), (1000, "s")];
    match units.iter().find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit)) {
        Some((unit, word)) => format!("{}{word}", ms / unit),
        None => format!("{ms}ms"),
    }
}
