//! What is declared, what follows from it by a pure function, and the document that says the same to orgo.

use std::collections::BTreeMap;
use std::fmt::Write;

/// What a stage makes: content by path.
pub type Tree = BTreeMap<String, String>;

/// Which lines of its inputs a stage keeps. A line that begins with `!` makes it fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    All,
    /// Lines that begin with `#` make no difference.
    NoComments,
    /// Only how many there are that are no comments.
    Count,
}

/// Which outputs a stage declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `o`.
    One,
    /// `o`, and `d/x`, which is always the same.
    Two,
    /// `d`, a folder with a file for each line.
    Folder,
}

/// A source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub text: String,
    pub executable: bool,
}

/// A stage. Its `id` stands in what it makes and never changes; nothing that two stages make is the same.
#[derive(Debug, Clone)]
pub struct Stage {
    pub id: usize,
    pub name: String,
    /// Literal paths.
    pub files: Vec<String>,
    /// Whether it reads all of `src/<id>/`.
    pub folder: bool,
    /// Ids of stages that come before it, and whether their outputs appear at a place that does not tell their name.
    pub from: Vec<(usize, bool)>,
    pub keep: Keep,
    pub shape: Shape,
    /// Part of the command that makes no difference.
    pub salt: usize,
    /// The value of a variable that makes no difference.
    pub variable: Option<usize>,
}

/// Everything that is declared: what a branch of the repository holds.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    pub sources: BTreeMap<String, Source>,
    /// In an order in which each stage comes after what it reads.
    pub stages: Vec<Stage>,
}

impl Declared {
    pub fn stage(&self, id: usize) -> &Stage {
        self.stages.iter().find(|s| s.id == id).expect("edges lead to stages that are there")
    }

    /// Where outputs of the stage `id` appear.
    fn place(&self, id: usize, fixed: bool) -> String {
        if fixed { format!("in/by-id-{id}") } else { format!("in/{}", self.stage(id).name) }
    }

    /// The source files that a stage reads.
    pub fn files(&self, stage: &Stage) -> Vec<(&String, &Source)> {
        let folder = format!("src/{}/", stage.id);
        let is_read = |path: &str| stage.files.iter().any(|f| f == path) || stage.folder && path.starts_with(&folder);
        self.sources.iter().filter(|(path, _)| is_read(path)).collect()
    }

    /// What the command reads, in its order, as the shell is told.
    fn reads(&self, stage: &Stage) -> Vec<String> {
        let mut reads = stage.files.clone();
        reads.extend(stage.folder.then(|| format!("src/{}/*", stage.id)));
        for (id, fixed) in &stage.from {
            let inner = if self.stage(*id).shape == Shape::Folder { "d/*" } else { "o" };
            reads.push(format!("{}/{inner}", self.place(*id, *fixed)));
        }
        reads
    }

    pub fn command(&self, stage: &Stage) -> String {
        let id = stage.id;
        let keep = match (stage.keep, stage.shape) {
            (Keep::Count, _) => "n=$((n+1))",
            (_, Shape::Folder) => &format!("n=$((n+1)); echo \"{id}:$l\" > d/$n"),
            (_, Shape::One | Shape::Two) => "echo \"$l\"",
        };
        let comments = if stage.keep == Keep::All { "" } else { "\\#*) ;; " };
        let end = match (stage.keep, stage.shape) {
            (Keep::Count, Shape::Folder) => &format!("; echo {id}:n=$n > d/n"),
            (Keep::Count, Shape::One | Shape::Two) => "; echo n=$n",
            (Keep::All | Keep::NoComments, _) => "",
        };
        let read = format!(
            "for f in {}; do while read -r l; do case $l in !*) exit 3;; {comments}*) {keep};; esac; done < $f; done{end}",
            self.reads(stage).join(" ")
        );
        let body = match stage.shape {
            Shape::One => format!("{{ echo o{id}; {read}; }} > o"),
            Shape::Two => format!("echo x{id} > d/x; {{ echo o{id}; {read}; }} > o"),
            Shape::Folder => format!("mkdir d; echo o{id} > d/0; {read}"),
        };
        format!(": {}; n=0; {body}", stage.salt)
    }

    fn outs(stage: &Stage) -> &'static str {
        match stage.shape {
            Shape::One => r#"out "o""#,
            Shape::Two => r#"out "o" "d/x""#,
            Shape::Folder => r#"out "d"; tool "mkdir""#,
        }
    }

    /// The pipeline as orgo reads it, with stages in the given order.
    pub fn document(&self, order: &[usize]) -> String {
        let mut text = "pipeline \"p\" {\n".to_owned();
        for stage in order.iter().map(|at| &self.stages[*at]) {
            let mut line = |part: &str| text.push_str(part);
            line(&format!(
                "    stage {:?} {{ run \"sh\" \"-c\" {:?}; {}",
                stage.name,
                self.command(stage),
                Self::outs(stage)
            ));
            stage.files.iter().for_each(|f| line(&format!("; files {f:?}")));
            if stage.folder {
                line(&format!("; files \"src/{}/*\"", stage.id));
            }
            for (id, fixed) in &stage.from {
                let at = if *fixed { format!(" at={:?}", self.place(*id, true)) } else { String::new() };
                line(&format!("; from {:?}{at}", self.stage(*id).name));
            }
            if let Some(value) = stage.variable {
                line(&format!("; env \"V\" \"{value}\""));
            }
            line(" }\n");
        }
        text + "}\n"
    }

    /// What a stage makes from what the stages before it made; `None` if it fails.
    pub fn makes(&self, stage: &Stage, made: &BTreeMap<usize, Tree>) -> Option<Tree> {
        let mut inputs: Vec<&str> = stage.files.iter().map(|f| self.sources[f].text.as_str()).collect();
        let folder = format!("src/{}/", stage.id);
        if stage.folder {
            inputs.extend(self.sources.iter().filter(|(p, _)| p.starts_with(&folder)).map(|(_, s)| s.text.as_str()));
        }
        for (id, _) in &stage.from {
            let tree = &made[id];
            match self.stage(*id).shape {
                Shape::One | Shape::Two => inputs.push(&tree["o"]),
                Shape::Folder => inputs.extend(tree.values().map(String::as_str)),
            }
        }
        let lines: Vec<&str> = inputs.iter().flat_map(|text| text.lines()).collect();
        if lines.iter().any(|l| l.starts_with('!')) {
            return None;
        }
        let kept = lines.iter().filter(|l| stage.keep == Keep::All || !l.starts_with('#'));
        let kept: Vec<String> = match stage.keep {
            Keep::All | Keep::NoComments => kept.map(|l| (*l).to_owned()).collect(),
            Keep::Count => vec![format!("n={}", kept.count())],
        };
        let first = format!("o{}\n", stage.id);
        let mut tree = Tree::new();
        match stage.shape {
            Shape::One | Shape::Two => {
                let text = kept.iter().fold(first, |mut text, line| {
                    let _ = writeln!(text, "{line}");
                    text
                });
                tree.insert("o".to_owned(), text);
                if stage.shape == Shape::Two {
                    tree.insert("d/x".to_owned(), format!("x{}\n", stage.id));
                }
            }
            Shape::Folder => {
                tree.insert("d/0".to_owned(), first);
                for (n, line) in kept.iter().enumerate() {
                    let name = if stage.keep == Keep::Count { "n".to_owned() } else { (n + 1).to_string() };
                    tree.insert(format!("d/{name}"), format!("{}:{line}\n", stage.id));
                }
            }
        }
        Some(tree)
    }

    /// All that a stage's result depends on, in words: two stages have the same key exactly if they have the same.
    pub fn key(&self, stage: &Stage, made: &BTreeMap<usize, Tree>) -> String {
        let mut trees: Vec<(String, &Tree)> =
            stage.from.iter().map(|(id, fixed)| (self.place(*id, *fixed), &made[id])).collect();
        trees.sort();
        let files = self.files(stage);
        let variable = stage.variable;
        format!("{} {} {files:?} {trees:?} {variable:?}", self.command(stage), Self::outs(stage))
    }
}
