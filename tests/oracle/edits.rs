//! What people, programs and accidents do between two runs.

use std::fs;

use super::model::{Declared, Keep, Shape, Source, Stage};
use super::world::World;

const KEEPS: [Keep; 3] = [Keep::All, Keep::NoComments, Keep::Count];
const SHAPES: [Shape; 4] = [Shape::One, Shape::One, Shape::Two, Shape::Folder];

impl World {
    /// Declares a few stages and writes everything down.
    pub fn begin(&mut self) {
        for path in ["a.txt", "b.txt", "c.txt", "d.txt"] {
            let text = self.text();
            self.write(path, text);
        }
        for _ in 0..5 + self.random.below(4) {
            self.add_stage();
        }
        self.write_pipeline();
    }

    fn number(&mut self) -> usize {
        self.counter += 1;
        self.counter
    }

    fn line(&mut self) -> String {
        match self.random.below(8) {
            0..3 => format!("# {}", self.random.below(100)),
            _ => format!("s{}", self.random.below(100)),
        }
    }

    fn text(&mut self) -> String {
        (0..1 + self.random.below(3)).map(|_| self.line() + "\n").collect()
    }

    fn write(&mut self, path: &str, text: String) {
        self.repo.write(path, &text);
        self.history.entry(path.to_owned()).or_default().push(text.clone());
        let executable = self.declared.sources.get(path).is_some_and(|s| s.executable);
        self.declared.sources.insert(path.to_owned(), Source { text, executable });
    }

    fn write_pipeline(&mut self) {
        let mut order: Vec<usize> = (0..self.declared.stages.len()).collect();
        if self.random.one_in(4) {
            let (one, other) = (self.random.below(order.len()), self.random.below(order.len()));
            order.swap(one, other);
        }
        self.repo.write("pipelines/p.kdl", &self.declared.document(&order));
    }

    fn add_stage(&mut self) {
        let id = self.number();
        let literal: Vec<String> = ["a.txt", "b.txt", "c.txt", "d.txt"].map(str::to_owned).to_vec();
        let mut files: Vec<String> = Vec::new();
        let before: Vec<usize> = self.declared.stages.iter().map(|s| s.id).collect();
        let mut from: Vec<(usize, bool)> = Vec::new();
        for _ in 0..self.random.below(3) {
            files.extend(self.random.pick(&literal).cloned());
        }
        for _ in 0..if before.is_empty() { 0 } else { self.random.below(4) } {
            let near = &before[before.len().saturating_sub(4)..];
            from.extend(self.random.pick(near).map(|id| (*id, false)));
        }
        files.sort();
        files.dedup();
        from.sort_unstable();
        from.dedup();
        from.iter_mut().for_each(|(_, fixed)| *fixed = self.random.one_in(2));
        let folder = files.is_empty() && from.is_empty() || self.random.one_in(4);
        if folder {
            let text = self.text();
            self.write(&format!("src/{id}/one"), text);
        }
        let stage = Stage {
            id,
            name: format!("n{id}"),
            files,
            folder,
            from,
            keep: *self.random.pick(&KEEPS).expect("there are some"),
            shape: *self.random.pick(&SHAPES).expect("there are some"),
            salt: 0,
            variable: None,
        };
        self.told.push(format!("add the stage {stage:?}"));
        self.declared.stages.push(stage);
    }

    /// Does one thing, or nothing if what it needs is not there.
    pub fn edit(&mut self) {
        match self.random.below(30) {
            0..5 => self.edit_source(),
            5 => self.revert_source(),
            6 => self.touch_source(),
            7..9 => self.edit_racily(),
            9 => self.change_mode(),
            10 => self.edit_folder(),
            11 => self.break_source(),
            12..16 => self.touch_results(),
            16..18 => self.lose_object(false),
            18 => self.lose_object(true),
            19 => self.lose_action(false),
            20 => self.lose_action(true),
            21 => self.lose_memory(),
            22..26 => self.edit_pipeline(),
            26..29 => self.switch_branch(),
            _ => std::thread::sleep(std::time::Duration::from_millis(25)),
        }
    }

    fn source(&mut self) -> String {
        let all: Vec<String> = self.declared.sources.keys().cloned().collect();
        self.random.pick(&all).cloned().expect("there are sources")
    }

    fn edit_source(&mut self) {
        let path = self.source();
        let mut lines: Vec<String> = self.declared.sources[&path].text.lines().map(str::to_owned).collect();
        let line = self.line();
        let at = self.random.below(lines.len());
        match self.random.below(3) {
            0 => lines.insert(at, line),
            1 if lines.len() > 1 => drop(lines.remove(at)),
            _ => lines[at] = line,
        }
        let text = lines.join("\n") + "\n";
        self.told.push(format!("write {path}: {text:?}"));
        self.write(&path, text);
    }

    fn revert_source(&mut self) {
        let path = self.source();
        let text = self.random.pick(&self.history[&path]).cloned().expect("it was written once");
        self.told.push(format!("go back to {path}: {text:?}"));
        self.write(&path, text);
    }

    fn touch_source(&mut self) {
        let path = self.source();
        self.told.push(format!("touch {path}"));
        let text = self.declared.sources[&path].text.clone();
        self.repo.write(&path, &text);
    }

    /// Changes a file in place: same size, same time of modification.
    fn edit_racily(&mut self) {
        let path = self.source();
        let text = self.declared.sources[&path].text.clone();
        let Some(at) = text.find(|c: char| c.is_ascii_digit()) else { return };
        let digit = self.random.below(10).to_string();
        let text = format!("{}{digit}{}", &text[..at], &text[at + 1..]);
        let full = self.repo.root().join(&path);
        let before = fs::metadata(&full).and_then(|m| m.modified()).expect("it has a time");
        self.told.push(format!("write {path} without a trace: {text:?}"));
        self.write(&path, text);
        fs::File::options().write(true).open(&full).and_then(|f| f.set_modified(before)).expect("its time can be set");
    }

    fn change_mode(&mut self) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.source();
        let source = self.declared.sources.get_mut(&path).expect("just picked");
        source.executable = !source.executable;
        let mode = if source.executable { 0o755 } else { 0o644 };
        self.told.push(format!("chmod {mode:o} {path}"));
        fs::set_permissions(self.repo.root().join(&path), fs::Permissions::from_mode(mode)).expect("changeable");
    }

    /// Adds a file to what a pattern matches, or removes one.
    fn edit_folder(&mut self) {
        let ids: Vec<usize> = self.declared.stages.iter().filter(|s| s.folder).map(|s| s.id).collect();
        let Some(id) = self.random.pick(&ids).copied() else { return };
        let folder = format!("src/{id}/");
        let paths: Vec<String> = self.declared.sources.keys().filter(|p| p.starts_with(&folder)).cloned().collect();
        if paths.len() > 1 && self.random.one_in(2) {
            let path = self.random.pick(&paths).cloned().expect("there are some");
            self.told.push(format!("remove {path}"));
            fs::remove_file(self.repo.root().join(&path)).expect("removable");
            self.declared.sources.remove(&path);
        } else {
            let (path, text) = (format!("{folder}f{}", self.number()), self.text());
            self.told.push(format!("write {path}: {text:?}"));
            self.write(&path, text);
        }
    }

    fn break_source(&mut self) {
        let path = self.source();
        let text = self.declared.sources[&path].text.clone();
        let broken: String = text.lines().filter(|l| l.starts_with('!')).collect();
        let text = if broken.is_empty() { text + "!\n" } else { "s1\n".to_owned() };
        self.told.push(format!("write {path}: {text:?}"));
        self.write(&path, text);
    }

    /// Deletes or edits what `out/` shows.
    fn touch_results(&mut self) {
        let shown = self.shown();
        let Some((name, tree)) = self.random.pick(&shown).cloned() else { return };
        let out = self.repo.root().join("out");
        let all: Vec<&String> = tree.keys().collect();
        let path = (*self.random.pick(&all).expect("a stage has results")).clone();
        let file = out.join("p").join(&name).join(&path);
        let what = self.random.below(7);
        self.told.push(format!("touch out/p/{name}/{path} in way {what}"));
        match what {
            0 => fs::remove_file(&file).expect("removable"),
            1 => fs::remove_dir_all(out.join("p").join(&name)).expect("removable"),
            2 => fs::remove_dir_all(&out).expect("removable"),
            3 => fs::write(&file, "other").expect("writable"),
            4 => {
                let before = fs::metadata(&file).and_then(|m| m.modified()).expect("it has a time");
                let text = tree[&path].replace(['s', 'o', 'x', 'n', ':', '='], "?");
                fs::write(&file, text).expect("writable");
                fs::File::options().write(true).open(&file).and_then(|f| f.set_modified(before)).expect("settable");
            }
            5 => {
                fs::remove_file(&file).expect("removable");
                fs::create_dir_all(file.join("deep")).expect("makeable");
            }
            _ => {
                let number = self.number();
                let moved = self.repo.beside(&format!("moved-{number}"));
                fs::rename(out.join("p").join(&name), &moved).expect("movable");
                std::os::unix::fs::symlink(&moved, out.join("p").join(&name)).expect("makeable");
                fs::write(moved.join(&path), "other").expect("writable");
            }
        }
        let name = (what != 2).then_some(name);
        self.touched(name.as_deref());
    }

    fn edit_pipeline(&mut self) {
        let at = self.random.below(self.declared.stages.len());
        let what = self.random.below(7);
        let id = self.declared.stages[at].id;
        self.told.push(format!("edit the stage {id} in way {what}"));
        match what {
            0 if self.declared.stages.len() < 12 => self.add_stage(),
            0 | 1 if self.declared.stages.len() > 2 => {
                self.declared.stages.remove(at);
                self.declared.stages.iter_mut().for_each(|s| s.from.retain(|(from, _)| *from != id));
            }
            2 => self.declared.stages[at].name = format!("n{id}-{}", self.number()),
            3 => self.declared.stages[at].keep = *self.random.pick(&KEEPS).expect("there are some"),
            4 => self.declared.stages[at].shape = *self.random.pick(&SHAPES).expect("there are some"),
            5 => self.declared.stages[at].variable = Some(self.random.below(3)),
            6 if at > 0 => {
                let before = self.declared.stages[self.random.below(at)].id;
                let from = &mut self.declared.stages[at].from;
                match from.iter().position(|(id, _)| *id == before) {
                    Some(there) => drop(from.remove(there)),
                    None => from.push((before, false)),
                }
            }
            _ => self.declared.stages[at].salt = self.random.below(3),
        }
        self.write_pipeline();
    }

    /// Commits, and goes to another branch or makes one.
    fn switch_branch(&mut self) {
        if self.branches.is_empty() {
            return; // a repository without commits
        }
        self.repo.commit("work");
        self.branches.insert(self.branch.clone(), self.declared.clone());
        let all: Vec<String> = self.branches.keys().filter(|b| **b != self.branch).cloned().collect();
        match self.random.pick(&all).cloned().filter(|_| !self.random.one_in(3)) {
            Some(branch) => {
                self.repo.git(&["checkout", "-q", &branch]);
                self.declared = self.branches[&branch].clone();
                self.branch = branch;
            }
            None => {
                self.branch = format!("branch-{}", self.number());
                self.repo.git(&["checkout", "-q", "-b", &self.branch]);
                self.branches.insert(self.branch.clone(), self.declared.clone());
            }
        }
        self.told.push(format!("go to the branch {}", self.branch));
    }

    /// Makes the first commit.
    pub fn commit(&mut self) {
        self.repo.git(&["init", "-q", "-b", "main"]);
        self.repo.commit("first");
        self.branches.insert(self.branch.clone(), Declared::clone(&self.declared));
    }
}
