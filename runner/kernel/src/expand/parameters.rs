//! Parameters get their values.

use std::collections::BTreeMap;

use orgo_spec::ReasonCode;
use orgo_spec::document::{Problem, Problems, closest};
use orgo_spec::pipeline::Pipeline;

/// The value of every parameter of the pipeline, by name: what was given, or the default. With `lenient` a parameter
/// without either gets some value of its type, and what the pipeline does not declare is left alone: for checks.
pub(super) fn bind(
    pipeline: &Pipeline,
    given: &BTreeMap<String, String>,
    lenient: bool,
    problems: &mut Problems,
) -> Vec<(String, String)> {
    let mut values = Vec::with_capacity(pipeline.params.len());
    for param in &pipeline.params {
        let name = param.name.as_str();
        let invalid = |message: String| Problem::new(ReasonCode::ParameterInvalid, message, param.name.span);
        let value = match given.get(name) {
            Some(text) => param.kind.read(text).or_else(|| {
                problems.push(
                    invalid(format!(
                        "`{}` is no value for `{name}`",
                        text.escape_debug().take(100).collect::<String>()
                    ))
                    .label(format!("it takes {}", param.kind.expected()))
                    .help(format!("give it as `-p {name}={}`", param.kind.example())),
                );
                None
            }),
            None => match (&param.default, lenient) {
                (Some(default), _) => Some(default.clone()),
                (None, true) => Some(param.kind.example()),
                (None, false) => {
                    let what = param.help.as_ref().map_or(String::new(), |help| format!(" ({help})"));
                    problems.push(
                        invalid(format!("`{name}` has no value{what}"))
                            .label(format!("it takes {}", param.kind.expected()))
                            .help(format!("give it as `-p {name}={}`, or declare a default", param.kind.example())),
                    );
                    None
                }
            },
        };
        values.push((name.to_owned(), value.unwrap_or_else(|| param.kind.example())));
    }
    let known = || pipeline.params.iter().map(|p| p.name.as_str());
    for name in given.keys().filter(|name| !lenient && !known().any(|k| k == name.as_str())) {
        let message = format!("`{}` has no parameter `{}`", *pipeline.name, name.escape_debug());
        let problem = Problem::new(ReasonCode::ParameterUnknown, message, pipeline.name.span);
        problems.push(match closest(name, known()) {
            Some(near) => problem.label(format!("did you mean `{near}`?")).help(format!("give it as `-p {near}=…`")),
            None if pipeline.params.is_empty() => problem.help("it has no parameters: leave out `-p`"),
            None => problem.help(format!("it knows {}", known().collect::<Vec<_>>().join(", "))),
        });
    }
    values.sort_unstable();
    values
}
