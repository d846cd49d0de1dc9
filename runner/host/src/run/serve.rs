//! Services as the loop sees them: prepared, started, heard, ended.

use std::sync::Arc;

use orgo_kernel::plan::Readiness;
use orgo_kernel::scheduler::Event;
use orgo_spec::pipeline::{Isolation, Network};
use orgo_spec::{Digest, Hasher, ReasonCode};

use crate::journal::Entry;
use crate::sandbox::Contents;

use super::engine::{Engine, Message};
use super::mailbox::Receiver;
use super::options::{Notice, RunError, ServiceNews};
use super::planner::Planner;
use super::problem::Problem;
use super::service::{Attendant, PreparedService, Running, ServiceEnd};

impl Planner<'_> {
    /// The digest over a stage's programs and what its services are.
    pub(super) fn with_services(&mut self, tools: Digest, services: &[u32]) -> Result<Digest, Problem> {
        let mut hasher = Hasher::new();
        hasher.update(tools.as_bytes());
        for service in services {
            hasher.update(self.service(*service)?.digest.as_bytes());
        }
        Ok(hasher.finish())
    }

    /// Finds the files and programs of a service.
    ///
    /// # Errors
    /// [`Problem`] if one is missing or unusable.
    pub(super) fn service(&mut self, service: u32) -> Result<PreparedService, Problem> {
        let at = service as usize;
        if let Some(prepared) = &self.services[at] {
            return Ok(prepared.clone());
        }
        let declared = &self.plan.services[at];
        let files = self.sources.select(&declared.files, &self.store)?;
        let path = declared.env.iter().find(|(n, _)| n == "PATH").map_or("", |(_, v)| v.as_str());
        let probe = if let Readiness::Program(argv) = &declared.ready { Some(&argv[0]) } else { None };
        let is_input = |program: &str| program.contains('/') && !program.starts_with('/');
        let mut names = declared.tools.clone();
        names.extend(std::iter::once(&declared.argv[0]).chain(probe).filter(|p| !is_input(p)).cloned());
        names.sort_unstable();
        names.dedup();
        let tools = self.tools.digest(&names, path)?;
        let mut find = |program: &str| match is_input(program) {
            true => Ok(std::path::PathBuf::from(program)),
            false => self.tools.find(program, path),
        };
        let program = find(&declared.argv[0])?;
        let probe = probe.map(|p| find(p)).transpose()?;
        let confinement = match declared.isolation {
            Isolation::Open => None,
            level @ (Isolation::Confined | Isolation::Hermetic) => {
                Some(self.confinement_of(level, Network::Host, &names, path, None))
            }
        };
        let mut hasher = Hasher::new();
        let mut text = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        declared.argv.iter().for_each(|a| text(a));
        text("");
        for (name, value) in &declared.env {
            text(name);
            text(value);
        }
        text("");
        for file in &files {
            text(&file.path);
            text(&file.blob.digest.to_string());
            text(if file.executable { "x" } else { "-" });
        }
        text(&tools.to_string());
        // Keys are what they were for services that say nothing.
        if declared.isolation > Isolation::Open {
            text(declared.isolation.as_str());
        }
        let digest = hasher.finish();
        let contents = Arc::new(Contents { files, ..Contents::default() });
        let prepared = PreparedService { digest, contents, program, probe, confinement };
        self.services[at] = Some(prepared.clone());
        Ok(prepared)
    }
}

impl Engine<'_, '_> {
    /// Starts a service for the first stage that needs it.
    pub(super) fn serve(
        &mut self,
        service: u32,
        notices: &mut dyn FnMut(Notice<'_>),
    ) -> Result<Option<Event>, RunError> {
        self.begin_work()?;
        let declared = &self.plan.services[service as usize];
        let prepared = match self.planner.service(service) {
            Ok(prepared) => prepared,
            Err(problem) => {
                notices(Notice::Service(&declared.name, ServiceNews::Gone(&problem.message)));
                return Ok(Some(Event::Service { service, ready: Err(problem.code) }));
            }
        };
        notices(Notice::Service(&declared.name, ServiceNews::Started));
        let attendant = Attendant {
            service,
            declared: declared.clone(),
            prepared,
            work: self.workspace.work(),
            store: Arc::clone(self.planner.store()),
            secrets: Arc::clone(&self.secrets),
            clock: self.options.clock.clone(),
            messages: self.sender.clone(),
        };
        self.services.insert(service, Running::start(attendant)?);
        Ok(None)
    }

    /// Tells a service to end.
    pub(super) fn dismiss(&mut self, service: u32) {
        if let Some(running) = self.services.get(&service) {
            running.dismiss();
        }
    }

    pub(super) fn service_ready(&mut self, service: u32, notices: &mut dyn FnMut(Notice<'_>)) -> Event {
        notices(Notice::Service(&self.plan.services[service as usize].name, ServiceNews::Ready));
        Event::Service { service, ready: Ok(()) }
    }

    pub(super) fn service_ended(&mut self, end: ServiceEnd, notices: &mut dyn FnMut(Notice<'_>)) -> Event {
        let name = &self.plan.services[end.service as usize].name;
        notices(Notice::Service(name, end.fault.as_deref().map_or(ServiceNews::Ended, ServiceNews::Gone)));
        self.journal.add(&Entry::Service {
            service: name.clone(),
            started_ms: end.started_ms,
            ended_ms: end.ended_ms,
            code: end.fault.as_ref().map(|_| ReasonCode::ServiceFailed),
            log: end.log,
            message: end.fault,
        });
        Event::Service { service: end.service, ready: Err(ReasonCode::ServiceFailed) }
    }

    /// Ends every service and hears what it has to say.
    pub(super) fn end_services(&mut self, messages: &Receiver<Message>, notices: &mut dyn FnMut(Notice<'_>)) {
        for running in self.services.values() {
            running.dismiss();
        }
        self.services.clear(); // waits for each
        while let Ok(message) = messages.try_recv() {
            if let Message::ServiceEnded(end) = message {
                self.service_ended(end, notices);
            }
        }
    }
}
