//! A sandbox that somebody enters: the folder that a failed stage left, or a new one from the plan.
//!
//! It is started through the same door as the stage, with the same inputs, environment, working folder and level. Nothing
//! of what is done there is collected: no cache, no store, no `out/` and no record learns of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use orgo_kernel::graph::StageId;
use orgo_spec::pipeline::Isolation;

use crate::file::{At, PathError};
use crate::isolation::{Confined, Launchers, Shown, can_show, is_host_root};
use crate::kept::{self, FOLDER, Kept, MOUNT_POINT, Scene, Story, TEMPORARY};
use crate::process::{Ending, Exit, Invocation, StartError, Streams, Waker, run};
use crate::sandbox::Sandbox;
use crate::store::ObjectError;
use crate::terminal::Lent;
use crate::workspace::{Aside, Workspace};

use super::Problem;
use super::planner::Planner;
use super::prepare::Prepared;
use super::secrets::SecretValues;
use super::worker::fill;

/// Nobody is sent away.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Shells, the ones that people like first, unless they say which.
const SHELLS: [&str; 2] = ["bash", "sh"];

/// A sandbox, and how the stage is started in it.
#[derive(Debug)]
pub struct Visit {
    scene: Scene,
    folder: PathBuf,
    temporary: PathBuf,
    mount_point: PathBuf,
    kept: Option<Kept>,
    /// Folders that are shown where they lay when the stage ran; none where that is not needed, or cannot be done.
    shown: Vec<Shown>,
    /// A new one, and what it lies in; removed in this order.
    _new: Option<(Sandbox, Aside)>,
}

impl Visit {
    /// Enters what a failed stage left; `None` if nothing was kept.
    ///
    /// # Errors
    /// [`PathError`] if it is there and cannot be read.
    pub fn kept(workspace: &Workspace, pipeline: &str, stage: &str) -> Result<Option<Self>, PathError> {
        let found = kept::enter(&workspace.kept().join(pipeline).join(stage))?;
        Ok(found.map(|kept| {
            let now = |name: &str| kept.place.join(name);
            let lay_at = kept.story.lay_at.iter().map(|(name, at)| Shown { from: now(name), at: at.clone() });
            let mut shown: Vec<Shown> = lay_at.collect();
            // At `hermetic` it is where it was in any case.
            if kept.story.scene.isolation == Isolation::Hermetic || !can_show(&shown) {
                shown.clear();
            }
            let seen = |name: &str| {
                let now = now(name);
                shown.iter().find(|shown| shown.from == now).map_or(now, |shown| shown.at.clone())
            };
            Self {
                scene: kept.story.scene.clone(),
                folder: seen(FOLDER),
                temporary: seen(TEMPORARY),
                mount_point: now(MOUNT_POINT),
                shown,
                kept: Some(kept),
                _new: None,
            }
        }))
    }

    /// Makes a new sandbox with the inputs of a stage; it goes with the value.
    ///
    /// # Errors
    /// [`ObjectError`] if an input cannot be had or a folder not be made.
    pub fn new(planner: &mut Planner<'_>, id: StageId, prepared: &Prepared) -> Result<Self, ObjectError> {
        let aside = planner.workspace.aside()?;
        let mut sandbox = Sandbox::new(aside.path(), "0")?;
        let shared = planner.store.share()?;
        fill(&mut sandbox, &prepared.contents, planner.workspace.root(), &planner.store)?;
        drop(shared);
        let scene = planner.scene(id, prepared);
        let annex = sandbox.annex()?;
        if scene.isolation == Isolation::Hermetic {
            sandbox.fix_times()?;
        }
        Ok(Self {
            scene,
            folder: sandbox.root().to_owned(),
            temporary: annex.temporary,
            mount_point: annex.mount_point,
            kept: None,
            shown: Vec::new(),
            _new: Some((sandbox, aside)),
        })
    }

    /// How the stage is started here.
    #[must_use]
    pub const fn scene(&self) -> &Scene {
        &self.scene
    }

    /// How the stage failed; `None` in a new sandbox.
    #[must_use]
    pub fn story(&self) -> Option<&Story> {
        self.kept.as_ref().map(|kept| &kept.story)
    }

    /// Whether the folder is seen at another path than when the stage ran.
    #[must_use]
    pub fn was_moved(&self) -> bool {
        self.kept.is_some() && self.shown.is_empty() && self.scene.isolation != Isolation::Hermetic
    }

    /// Adds the secrets of the stage to its environment, as they are now.
    ///
    /// # Errors
    /// [`Problem`] if one cannot be had.
    pub fn tell_secrets(&mut self, planner: &Planner<'_>, id: StageId) -> Result<(), Problem> {
        self.scene.env.extend(SecretValues::variables(planner.plan.stage(id))?);
        Ok(())
    }

    /// The file of a program as the stage finds it: in the working folder, at an absolute path, or on its `PATH`; `None`
    /// if there is none that it may start.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        if name.contains('/') && !name.starts_with('/') {
            return Some(PathBuf::from(name));
        }
        let path = self.scene.env.iter().find(|(n, _)| n == "PATH").map_or("", |(_, value)| value.as_str());
        let on_path = path.split(':').filter(|_| !name.contains('/')).map(|folder| Path::new(folder).join(name));
        let all = std::iter::once(PathBuf::from(name)).chain(on_path);
        all.filter(|file| file.is_absolute()).find(|file| self.may_start(file))
    }

    /// A shell that the stage may start: the one that is asked for, or another one.
    #[must_use]
    pub fn shell(&self, liked: Option<&str>) -> Option<PathBuf> {
        liked.into_iter().chain(SHELLS).find_map(|name| self.program(name))
    }

    fn may_start(&self, file: &Path) -> bool {
        let Ok(real) = file.canonicalize() else { return false };
        let Some(confinement) = &self.scene.confinement else { return real.is_file() };
        let own = |path: &Path| confinement.programs.iter().any(|program| program == path);
        real.is_file() && (own(file) || own(&real) || is_host_root(&real) && !real.starts_with(&confinement.hidden))
    }

    /// Starts a program here, with this process's own input and outputs, and waits for its end. `more` is added to the
    /// environment; `shell` says whether it is one that somebody types to.
    ///
    /// # Errors
    /// [`StartError`] if it cannot be started, or not within the stage's confinement.
    pub fn start(
        &self,
        program: &Path,
        argv: &[String],
        more: &[(String, String)],
        shell: bool,
    ) -> Result<Exit, StartError> {
        let program = self.folder.join(program); // an absolute path stays what it is
        let env = [self.scene.env.as_slice(), more].concat();
        let launchers = &mut Launchers::default();
        let confined = self.scene.confinement.as_ref().map(|confinement| Confined {
            confinement,
            temporary: &self.temporary,
            mount_point: &self.mount_point,
            launchers,
        });
        let waker = Waker::new().at("make a descriptor for", &program)?;
        let _lent = Lent::now().at("lend the terminal to", &program)?;
        let invocation = Invocation {
            program: &program,
            argv,
            env: &env,
            folder: &self.folder,
            streams: Streams::Own { shell, shown: &self.shown },
            timeout: LONGEST,
            ending: Ending::default(),
            confined,
        };
        run(invocation, &waker)
    }
}
