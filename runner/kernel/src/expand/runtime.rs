//! Pools, mutexes and services become positions.

use std::collections::BTreeMap;

use orgo_spec::pipeline::{Pipeline, Ready, Retry as Declared, Service, Stage};

use super::{DEFAULT_PATH, SERVICE_ISOLATION};
use crate::plan::{Readiness, ResolvedService, Resource, Retry, StageRuntime};

/// What stages of a pipeline share, and where it is.
pub(super) struct Shared<'p> {
    pub(super) resources: Vec<Resource>,
    pub(super) services: Vec<ResolvedService>,
    pools: BTreeMap<&'p str, u32>,
    mutexes: BTreeMap<&'p str, u32>,
    named: BTreeMap<&'p str, u32>,
}

impl<'p> Shared<'p> {
    pub(super) fn of(pipeline: &'p Pipeline) -> Self {
        let mut shared = Self {
            resources: Vec::new(),
            services: pipeline.runtime.services.iter().map(service).collect(),
            pools: BTreeMap::new(),
            mutexes: BTreeMap::new(),
            named: (0..).zip(&pipeline.runtime.services).map(|(i, s)| (s.name.as_str(), i)).collect(),
        };
        for (i, pool) in (0..).zip(&pipeline.runtime.pools) {
            shared.pools.insert(pool.name.as_str(), i);
            shared.resources.push(Resource {
                name: pool.name.to_string(),
                capacity: u64::from(*pool.capacity),
                is_mutex: false,
            });
        }
        for mutex in pipeline.stages.iter().flat_map(|s| &s.runtime.mutexes) {
            if !shared.mutexes.contains_key(mutex.as_str()) {
                let at = u32::try_from(shared.resources.len()).expect("fewer than stages");
                shared.mutexes.insert(mutex.as_str(), at);
                shared.resources.push(Resource { name: mutex.to_string(), capacity: 1, is_mutex: true });
            }
        }
        shared
    }

    /// How a stage is run; nothing, if it says nothing about it.
    pub(super) fn stage(&self, stage: &Stage) -> Option<Box<StageRuntime>> {
        let declared = &stage.runtime;
        let pools =
            declared.pools.iter().filter_map(|p| Some((*self.pools.get(p.pool.as_str())?, u64::from(*p.weight))));
        let mutexes = declared.mutexes.iter().filter_map(|m| Some((*self.mutexes.get(m.as_str())?, 1)));
        let mut services: Vec<u32> =
            declared.needs.iter().filter_map(|n| self.named.get(n.as_str()).copied()).collect();
        services.sort_unstable();
        let runtime = StageRuntime {
            retry: declared.retry.as_ref().map(retry),
            claims: pools.chain(mutexes).collect(),
            memory_bytes: stage.memory.map(|m| m.0),
            optional: declared.is_optional(),
            finally: declared.is_finally(),
            services,
        };
        (runtime != StageRuntime::default()).then(|| Box::new(runtime))
    }
}

fn retry(declared: &Declared) -> Retry {
    Retry {
        on_exit: declared.on_exit.clone(),
        on_timeout: declared.on_timeout,
        backoff_ms: declared.backoff.map_or(0, |b| b.0),
        factor: declared.factor,
        max_ms: declared.max.0,
    }
}

fn service(declared: &Service) -> ResolvedService {
    let texts = |list: &[orgo_spec::document::Spanned<String>]| list.iter().map(|t| t.value.clone()).collect();
    let mut env = vec![("PATH".to_owned(), DEFAULT_PATH.to_owned())];
    for variable in &declared.env {
        env.retain(|(name, _)| *name != *variable.name);
        env.push((variable.name.value.clone(), variable.value.value.clone()));
    }
    env.sort_unstable();
    let mut tools: Vec<String> = texts(&declared.tools);
    tools.sort_unstable();
    tools.dedup();
    ResolvedService {
        name: declared.name.to_string(),
        argv: texts(&declared.run),
        files: texts(&declared.files),
        env,
        tools,
        isolation: declared.isolation.as_ref().map_or(SERVICE_ISOLATION, |i| i.value),
        ready: match &declared.ready {
            Ready::Started => Readiness::Started,
            Ready::Program(argv) => Readiness::Program(texts(argv)),
            Ready::Port(port) => Readiness::Port(u16::try_from(*port).expect("checked when it was decoded")),
        },
        ready_timeout_ms: declared.ready_timeout.0,
        stop_signal: declared.stop_signal,
        stop_timeout_ms: declared.stop_timeout.0,
    }
}
