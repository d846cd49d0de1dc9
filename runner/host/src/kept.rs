//! Working folders of stages that failed, kept so that people can look around in them.
//!
//! ```text
//! .orgo/kept/<pipeline>/<stage>/
//!     folder/      the working folder, as the stage left it
//!     tmp/         its temporary files, above `open`
//!     root/        empty; the root of a hermetic stage is mounted on it
//!     kept.json    how the stage was started, and how it ended
//!     lock         locked while somebody is in it
//! ```
//!
//! One folder a stage, of the last attempt that failed; it goes when the stage has a result again, with `orgo gc`, and
//! when others take its place. A stage that sees a secret leaves none: it may have written it down.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use orgo_kernel::key::StageKey;
use orgo_kernel::plan::ResolvedStage;
use orgo_spec::ReasonCode;
use orgo_spec::pipeline::Isolation;
use orgo_spec::secret::{names_a_secret, scan};
use serde::{Deserialize, Serialize};

use crate::file::{At, PathError, read_if_there, remove_tree, write_atomic};
use crate::isolation::Confinement;
use crate::sandbox::Sandbox;

/// How many folders are kept in a repository.
pub const MOST: usize = 8;
/// The most that one of them takes on disk, in bytes.
pub const MOST_BYTES: u64 = 1 << 30;

/// The working folder, within a kept one.
pub(crate) const FOLDER: &str = "folder";
/// Temporary files.
pub(crate) const TEMPORARY: &str = "tmp";
/// What a root is mounted on.
pub(crate) const MOUNT_POINT: &str = "root";
const STORY: &str = "kept.json";
const LOCK: &str = "lock";
/// How names begin of folders that are not whole yet.
const NEW: &str = ".new-";
/// The version of [`Story`].
const SCHEMA: u32 = 1;

/// How a stage is started: all that a sandbox needs but its files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scene {
    /// What it was started for.
    pub key: StageKey,
    /// The program's file; relative to the working folder if it is an input.
    pub program: PathBuf,
    /// Arguments, with the program's name.
    pub argv: Vec<String>,
    /// The environment.
    pub env: Vec<(String, String)>,
    /// The level.
    pub isolation: Isolation,
    /// What is kept away from it; nothing at `open`.
    pub confinement: Option<Confinement>,
}

/// A failed attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Story {
    /// The version of this document.
    pub schema: u32,
    /// When it ended, in milliseconds since the epoch.
    pub ended_ms: i64,
    /// Why it failed.
    pub code: ReasonCode,
    /// Its exit code, if it ended by itself.
    pub exit_code: Option<i32>,
    /// More about it, without secrets.
    pub message: Option<String>,
    /// How it was started.
    pub scene: Scene,
    /// Where what was kept lay then, by its name here.
    #[serde(default)]
    pub lay_at: Vec<(String, PathBuf)>,
}

impl Story {
    /// The story of an attempt that ended now.
    pub(crate) const fn new(
        scene: Scene,
        ended_ms: i64,
        code: ReasonCode,
        exit_code: Option<i32>,
        message: Option<String>,
    ) -> Self {
        Self { schema: SCHEMA, ended_ms, code, exit_code, message, scene, lay_at: Vec::new() }
    }
}

/// Whether a stage may leave its working folder: not if it sees a secret, and not if a gate or people decide whether
/// it runs, as nobody may run it without them.
#[must_use]
pub fn may_be_kept(stage: &ResolvedStage) -> bool {
    !sees_secrets(stage) && stage.gate.is_none() && stage.approval.is_none()
}

/// Whether a stage sees a secret: one by reference, or a variable that promises one or holds what looks like one.
#[must_use]
pub fn sees_secrets(stage: &ResolvedStage) -> bool {
    let is_secret = |(name, value): &(String, String)| names_a_secret(name) || scan(value.as_bytes()).next().is_some();
    !stage.secrets().is_empty() || stage.env.iter().any(is_secret)
}

/// Keeps the folders of one pipeline's stages during a run.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Where the folders of this pipeline lie.
    place: PathBuf,
    /// The stages of this run that left one.
    stages: Mutex<BTreeSet<String>>,
}

impl Keeper {
    pub(crate) fn new(place: PathBuf) -> Self {
        Self { place, stages: Mutex::default() }
    }

    /// Takes what an attempt left; says whether it was kept. What does not work is no fault of the run: the next attempt
    /// gets a new working folder in any case.
    pub(crate) fn keep(&self, sandbox: &Sandbox, stage: &str, story: &Story) -> bool {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let is_one_more = !stages.contains(stage);
        if is_one_more && stages.len() >= MOST || !self.take(sandbox, stage, story).unwrap_or(false) {
            return false;
        }
        stages.insert(stage.to_owned());
        true
    }

    fn take(&self, sandbox: &Sandbox, stage: &str, story: &Story) -> Result<bool, PathError> {
        let (new, kept) = (self.place.join(format!("{NEW}{stage}")), self.place.join(stage));
        remove_all(&new);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&new).at("create the folder", &new)?;
        let moved = sandbox.leave(&new, story.scene.confinement.is_some());
        let written = moved.and_then(|lay_at| {
            let mount_point = new.join(MOUNT_POINT);
            fs::create_dir(&mount_point).at("create the folder", &mount_point)?;
            File::create(new.join(LOCK)).at("create", &new)?;
            let text = serde_json::to_vec_pretty(&Story { lay_at, ..story.clone() });
            write_atomic(&new.join(STORY), &text.map_err(std::io::Error::other).at("write", &new)?)
        });
        if written.is_err() || size_over(&new, MOST_BYTES) || !remove(&kept) {
            remove_all(&new);
            return Ok(false);
        }
        fs::rename(&new, &kept).at("move to", &kept).map(|()| true)
    }
}

/// Removes a kept folder, unless somebody is in it; says whether it is gone.
fn remove(kept: &Path) -> bool {
    let lock = OpenOptions::new().write(true).open(kept.join(LOCK));
    if lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock))) {
        return false;
    }
    remove_all(kept);
    !kept.exists()
}

/// Removes a folder whose stage may have taken the right to do so from us. What cannot be removed is left to a later run.
fn remove_all(folder: &Path) {
    if remove_tree(folder).is_err() {
        open_up(folder);
        let _ = remove_tree(folder);
    }
}

/// Lets us list and change everything below a folder.
fn open_up(folder: &Path) {
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    let folders = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.for_each(|entry| open_up(&entry.path()));
}

/// Whether what lies in a folder takes more than `limit` bytes.
fn size_over(folder: &Path, limit: u64) -> bool {
    let mut left = limit;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { return true }; // it could not be removed again either
        for entry in entries.flatten() {
            let Ok(status) = entry.metadata() else { return true };
            let Some(rest) = left.checked_sub(status.blocks() * 512) else { return true };
            left = rest;
            if status.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    false
}

/// A kept folder that somebody is in.
#[derive(Debug)]
pub struct Kept {
    /// Where it lies.
    pub place: PathBuf,
    /// What became of the attempt.
    pub story: Story,
    _lock: File,
}

/// Enters the kept folder of a stage; `None` if there is none. Several people may be in it.
///
/// # Errors
/// [`PathError`] if it is there and cannot be read.
pub fn enter(place: &Path) -> Result<Option<Kept>, PathError> {
    let path = place.join(LOCK);
    let lock = match File::open(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.at("open", &path)?,
    };
    lock.lock_shared().at("lock", &path)?;
    let Some(text) = read_if_there(&place.join(STORY))? else { return Ok(None) };
    // Another version of this program wrote what cannot be read.
    let story = serde_json::from_slice::<Story>(&text).ok().filter(|story| story.schema == SCHEMA);
    Ok(story.map(|story| Kept { place: place.to_owned(), story, _lock: lock }))
}

/// Removes, of one pipeline, the folders of stages that `is_done` names, and what a killed run left of one; and of all
/// pipelines those beyond [`MOST`], the oldest first. To be called under the workspace's lock.
///
/// # Errors
/// [`PathError`] if a folder cannot be listed.
pub(crate) fn settle(all: &Path, pipeline: &str, is_done: impl Fn(&str) -> bool) -> Result<(), PathError> {
    let place = all.join(pipeline);
    for name in names(&place)? {
        if name.starts_with(NEW) {
            remove_all(&place.join(&name));
        } else if is_done(&name) {
            remove(&place.join(&name));
        }
    }
    let mut kept = list(all)?;
    kept.sort_unstable_by_key(|(_, ended_ms)| std::cmp::Reverse(*ended_ms));
    for (place, _) in kept.iter().skip(MOST) {
        remove(place);
    }
    Ok(())
}

/// Removes the folders that were left before a moment, in milliseconds since the epoch; says how many there are. With
/// `dry_run`, nothing is removed.
///
/// # Errors
/// [`PathError`] if a folder cannot be listed.
pub(crate) fn collect(all: &Path, before_ms: i64, dry_run: bool) -> Result<u64, PathError> {
    let mut count = 0;
    for (place, ended_ms) in list(all)? {
        if ended_ms < before_ms && (dry_run || remove(&place)) {
            count += 1;
        }
    }
    Ok(count)
}

/// All kept folders, and when their stages ended.
fn list(all: &Path) -> Result<Vec<(PathBuf, i64)>, PathError> {
    let mut found = Vec::new();
    for pipeline in names(all)? {
        let place = all.join(pipeline);
        for name in names(&place)?.into_iter().filter(|name| !name.starts_with(NEW)) {
            let kept = place.join(name);
            let story = read_if_there(&kept.join(STORY))?;
            let story = story.and_then(|text| serde_json::from_slice::<Story>(&text).ok());
            found.push((kept, story.map_or(0, |story| story.ended_ms)));
        }
    }
    Ok(found)
}

fn names(folder: &Path) -> Result<Vec<String>, PathError> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.at("list", folder)?,
    };
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(folders.filter_map(|entry| entry.file_name().into_string().ok()).collect())
}
