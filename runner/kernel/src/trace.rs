//! What a stage should declare, from what it touched.
//!
//! A traced run tells what each stage asked for by name. Here that becomes lines for its declaration: files of the repository
//! that it read and does not declare, results of other stages, programs that it starts; and what it declares and never touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use crate::plan::{Action, Resolved, ResolvedStage};

/// How many files of one kind in a folder are named before a pattern stands for them.
const NAMED: usize = 3;

/// What a stage touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Paths in the working folder that it looked at, opened or started.
    pub inside: BTreeSet<String>,
    /// Folders in the working folder that it listed; empty for that folder itself.
    pub listed: BTreeSet<String>,
    /// Files of the repository that it asked for in its working folder, and does not declare.
    pub undeclared: BTreeSet<String>,
    /// Folders of the repository that it listed there, and of which it declares nothing.
    pub undeclared_folders: BTreeSet<String>,
    /// Files of the repository that it read at another place.
    pub astray: BTreeSet<String>,
    /// Stages of the same pipeline whose results it read below `out/`.
    pub results: BTreeSet<String>,
    /// Host programs that it started and does not declare, by name if they are on its `PATH`.
    pub programs: BTreeSet<String>,
    /// Host programs that other programs start from places of their own.
    pub helpers: BTreeSet<String>,
    /// Declared programs that it started, by the name that is declared.
    pub tools: BTreeSet<String>,
    /// Files outside of the repository that are kept away from it and cannot be declared.
    pub elsewhere: BTreeSet<String>,
    /// How many files of the system it read, which every stage may.
    pub system: u64,
}

/// What follows for its declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// The stage.
    pub stage: String,
    /// Lines to be added to it.
    pub add: Vec<String>,
    /// The files of the repository that these are about.
    pub undeclared: Vec<String>,
    /// Of these, files that it read outside of its working folder, where they are out of reach.
    pub astray: Vec<String>,
    /// What it declares and did not touch.
    pub unneeded: Vec<String>,
    /// Files that cannot be declared.
    pub elsewhere: Vec<String>,
    /// Programs that others start, from places of their own.
    pub helpers: Vec<String>,
    /// How many files of the system it read.
    pub system_files: u64,
}

/// What follows from what a stage touched. `matches` says whether a declared pattern matches a path.
pub fn findings(
    plan: &Resolved,
    stage: &ResolvedStage,
    touched: &Touched,
    mut matches: impl FnMut(&str, &str) -> bool,
) -> Findings {
    let declared = |path: &String, matches: &mut dyn FnMut(&str, &str) -> bool| {
        stage.files.iter().any(|pattern| matches(pattern, path))
    };
    let undeclared: BTreeSet<&String> =
        touched.undeclared.iter().chain(&touched.astray).filter(|path| !declared(path, &mut matches)).collect();
    let mut patterns = patterns(&undeclared);
    patterns.extend(touched.undeclared_folders.iter().map(|folder| format!("{}/**", literal(folder))));
    let mut add = Vec::new();
    add.extend(line("files", patterns.iter().map(String::as_str)));
    let froms = touched.results.iter().filter(|name| !reads_from(plan, stage, name));
    add.extend(line("from", froms.map(String::as_str)));
    add.extend(line("tool", touched.programs.iter().map(String::as_str)));
    let own = |set: &BTreeSet<String>| set.iter().cloned().collect();
    Findings {
        stage: stage.name.clone(),
        add,
        undeclared: undeclared.into_iter().cloned().collect(),
        astray: own(&touched.astray),
        unneeded: unneeded(plan, stage, touched, matches),
        elsewhere: own(&touched.elsewhere),
        helpers: own(&touched.helpers),
        system_files: touched.system,
    }
}

fn reads_from(plan: &Resolved, stage: &ResolvedStage, name: &str) -> bool {
    stage.from.iter().any(|(needed, _)| plan.stage(*needed).name == name)
}

/// Names of files, and patterns where there are many of a kind.
fn patterns(files: &BTreeSet<&String>) -> BTreeSet<String> {
    let mut kinds: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for file in files {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        kinds.entry((folder, ending)).or_default().push(file);
    }
    let mut patterns = BTreeSet::new();
    for ((folder, ending), files) in kinds {
        if files.len() > NAMED && !ending.is_empty() {
            let slash = if folder.is_empty() { "" } else { "/" };
            patterns.insert(format!("{}{slash}*.{}", literal(folder), literal(ending)));
        } else {
            patterns.extend(files.into_iter().map(literal));
        }
    }
    patterns
}

/// A path as a pattern that matches it alone.
fn literal(path: &str) -> String {
    path.chars().fold(String::new(), |mut text, c| {
        match c {
            '*' | '?' | '[' | '{' => text.extend(['[', c, ']']),
            c => text.push(c),
        }
        text
    })
}

/// A line of a declaration, in KDL; none if it would say nothing.
fn line<'v>(field: &str, values: impl Iterator<Item = &'v str>) -> Option<String> {
    let mut text = field.to_owned();
    for value in values {
        let value = value.replace('\\', r"\\").replace('"', "\\\"").replace("${", "$${");
        let _ = write!(text, " \"{value}\""); // writing to memory does not fail
    }
    (text != field).then_some(text)
}

/// What is declared and was not touched. Who lists a folder has seen what is in it.
fn unneeded(
    plan: &Resolved,
    stage: &ResolvedStage,
    touched: &Touched,
    mut matches: impl FnMut(&str, &str) -> bool,
) -> Vec<String> {
    let Action::Run(argv) = &stage.action else { return Vec::new() };
    let lists = |folder: &str| touched.listed.contains(folder);
    let mut found = Vec::new();
    let folder = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    for pattern in stage.files.iter() {
        let wild = pattern.contains(['*', '?', '[', '{']);
        let start = if wild { pattern.split(['*', '?', '[', '{']).next().unwrap_or("") } else { pattern };
        // A folder that was listed may have been asked for whatever the pattern matches in it or below it.
        let seen = |listed: &String| lists(&folder(start)) || wild && listed.starts_with(start) && !listed.is_empty();
        let program = argv.first().is_some_and(|program| program.trim_start_matches("./") == pattern);
        let read = touched.inside.iter().any(|path| matches(pattern, path));
        if !(read || program || touched.listed.iter().any(seen)) {
            found.extend(line("files", std::iter::once(pattern.as_str())));
        }
    }
    for (needed, at) in &stage.from {
        let below = |path: &String| at.is_empty() || path == at || path.starts_with(&format!("{at}/"));
        if !touched.inside.iter().chain(&touched.listed).any(below) {
            found.extend(line("from", std::iter::once(plan.stage(*needed).name.as_str())));
        }
    }
    let tools = stage.tools.iter().filter(|tool| !touched.tools.contains(*tool));
    found.extend(tools.filter_map(|tool| line("tool", std::iter::once(tool.as_str()))));
    found
}

#[cfg(test)]
mod tests {
    use orgo_spec::document::Document;
    use orgo_spec::pipeline::parse_pipelines;

    use super::*;
    use crate::expand::expand;

    fn plan(stage: &str) -> Resolved {
        let text = format!("pipeline \"p\" {{ stage \"a\" {{ run \"x\"; out \"o\" }}\n stage \"s\" {{ {stage} }} }}");
        let document = Document::new("p.kdl", text);
        expand(&document, &parse_pipelines(&document).expect("decodes")[0]).expect("expands")
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn found(stage: &str, touched: &Touched) -> Findings {
        let plan = plan(stage);
        let like = |pattern: &str, path: &str| {
            pattern == path || pattern.split_once('*').is_some_and(|(before, _)| path.starts_with(before))
        };
        findings(&plan, plan.stages.iter().find(|s| s.name == "s").expect("there"), touched, like)
    }

    #[test]
    fn what_is_missing_becomes_lines_that_can_be_pasted() {
        let touched = Touched {
            undeclared: set(&["src/a.h", "odd\"[1].txt", "inc/1.h", "inc/2.h", "inc/3.h", "inc/4.h", "main.c"]),
            undeclared_folders: set(&["data"]),
            results: set(&["a"]),
            programs: set(&["as", "/opt/x/ld"]),
            ..Touched::default()
        };
        let found = found("files \"main.c\"; run \"cc\"", &touched);
        assert_eq!(
            found.add,
            [r#"files "data/**" "inc/*.h" "odd\"[[]1].txt" "src/a.h""#, r#"from "a""#, r#"tool "/opt/x/ld" "as""#,]
        );
        assert!(!found.undeclared.contains(&"main.c".to_owned()), "it is declared");
    }

    #[test]
    fn what_is_never_touched_is_told_and_what_was_listed_was_touched() {
        let stage = r#"files "main.c" "docs/**" "listed/*"; from "a"; tool "ld" "as"; run "cc""#;
        let touched =
            Touched { inside: set(&["main.c"]), listed: set(&["listed"]), tools: set(&["ld"]), ..Touched::default() };
        assert_eq!(found(stage, &touched).unneeded, ["files \"docs/**\"", "from \"a\"", "tool \"as\""]);
        let touched = Touched { inside: set(&["in/a/o"]), listed: set(&["", "docs"]), ..touched };
        // Who lists a folder has not seen what lies in the folders that are in it.
        assert_eq!(found(stage, &touched).unneeded, ["files \"listed/*\"", "tool \"as\""]);
        assert!(found(stage, &touched).add.is_empty());
    }
}
