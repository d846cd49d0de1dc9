//! How stages are run, written out: approvals, pools, mutexes, memory, services, retries, what is optional and what
//! comes last.

use std::fmt::Write as _;

use orgo_spec::document::kdl_text as quoted;

use super::super::{Readiness, Resolved, ResolvedService, ResolvedStage, Retry};

impl Resolved {
    /// What stages share: approvals, pools and services. Mutexes are named where they are taken.
    pub(super) fn shared_kdl(&self, out: &mut String) {
        for approval in &self.approvals {
            let who = if approval.by.is_empty() { "role \"approver\"".to_owned() } else { list("by", &approval.by) };
            // Writing to memory does not fail, here and below.
            let _ = writeln!(
                out,
                "    approval {} {{ need {}; {who}; expires \"{}s\"; }}",
                quoted(&approval.name),
                approval.need,
                approval.expires_s
            );
        }
        for pool in self.resources.iter().filter(|r| !r.is_mutex) {
            let _ = writeln!(out, "    pool {} capacity={}", quoted(&pool.name), pool.capacity);
        }
        self.services.iter().for_each(|service| service_kdl(service, out));
    }

    /// How one stage is run.
    pub(super) fn runtime_kdl(&self, stage: &ResolvedStage, out: &mut String) {
        match stage.runtime.as_ref().and_then(|r| r.retry.as_ref()) {
            Some(retry) => retry_kdl(stage.retries, retry, out),
            None => {
                let _ = writeln!(out, "        retries {}", stage.retries);
            }
        }
        let Some(runtime) = &stage.runtime else { return };
        for (at, amount) in &runtime.claims {
            let resource = &self.resources[*at as usize];
            let name = quoted(&resource.name);
            let _ = match resource.is_mutex {
                true => writeln!(out, "        mutex {name}"),
                false => writeln!(out, "        pool {name} weight={amount}"),
            };
        }
        if let Some(bytes) = runtime.memory_bytes {
            let _ = writeln!(out, "        memory {bytes}");
        }
        for (word, holds) in [("optional", runtime.optional), ("finally", runtime.finally)] {
            if holds {
                let _ = writeln!(out, "        {word} #true");
            }
        }
        for service in &runtime.services {
            let _ = writeln!(out, "        needs {}", quoted(&self.services[*service as usize].name));
        }
    }
}

fn retry_kdl(times: u32, retry: &Retry, out: &mut String) {
    let _ = write!(out, "        retry {{ times {times}; on-timeout #{}", retry.on_timeout);
    if !retry.on_exit.is_empty() {
        let codes: Vec<String> = retry.on_exit.iter().map(u32::to_string).collect();
        let _ = write!(out, "; on-exit {}", codes.join(" "));
    }
    if retry.backoff_ms > 0 {
        let (backoff, factor, max) = (retry.backoff_ms, retry.factor, retry.max_ms);
        let _ = write!(out, "; backoff \"{backoff}ms\"; factor {factor}; max \"{max}ms\"");
    }
    out.push_str("; }\n");
}

/// Nothing is replaced in a service, so its texts are written as they are.
fn service_kdl(service: &ResolvedService, out: &mut String) {
    let _ = writeln!(out, "    service {} {{", quoted(&service.name));
    let mut line = |text: String| {
        let _ = writeln!(out, "        {text}");
    };
    line(list("run", &service.argv));
    service.files.iter().for_each(|file| line(format!("files {}", quoted(file))));
    service.env.iter().for_each(|(name, value)| line(format!("env {} {}", quoted(name), quoted(value))));
    service.tools.iter().for_each(|tool| line(format!("tool {}", quoted(tool))));
    line(format!("isolation {}", quoted(service.isolation.as_str())));
    match &service.ready {
        Readiness::Started => {}
        Readiness::Program(argv) => line(list("ready", argv)),
        Readiness::Port(port) => line(format!("ready-port {port}")),
    }
    line(format!("ready-timeout \"{}ms\"", service.ready_timeout_ms));
    line(format!("stop-signal {}", quoted(service.stop_signal.as_str())));
    line(format!("stop-timeout \"{}ms\"", service.stop_timeout_ms));
    out.push_str("    }\n");
}

fn list(field: &str, values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|v| quoted(v)).collect();
    format!("{field} {}", values.join(" "))
}
