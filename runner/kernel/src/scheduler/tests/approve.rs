//! Stages that need an approval hold up nothing else, and start with a grant for their key only.

use super::*;

const APPROVAL: &str = "approval \"people\" { need 1; role \"approver\" }\n";

fn asked(commands: &[Command]) -> Vec<u32> {
    commands.iter().filter_map(|c| if let Command::Ask(stage) = c { Some(stage.0) } else { None }).collect()
}

fn granted(stage: StageId, key: &[u8]) -> Event {
    let grant = Grant::for_test(Digest::of(b"key"), RUN);
    Event::Asked { stage, grant: Ok((grant, Digest::of(key))) }
}

#[test]
fn everything_else_runs_while_a_stage_is_not_approved() {
    let plan = plan(&format!(
        "{APPROVAL} stage \"a\" {{ run \"x\" }}; stage \"d\" approval=\"people\" {{ after \"a\"; run \"x\" }}
         stage \"e\" {{ after \"d\"; run \"x\" }}; stage \"b\" {{ after \"a\"; run \"x\" }}; stage \"f\" {{ run \"x\"; finally #true }}"
    ));
    let (a, d, e, b, f) = (id(&plan, "a"), id(&plan, "d"), id(&plan, "e"), id(&plan, "b"), id(&plan, "f"));
    let mut scheduler = Scheduler::new(&plan, &[true; 5], options(4, false));
    let _ = scheduler.begin();
    let commands = scheduler.step(Event::Looked { stage: a, hit: true, admission: None });
    assert_eq!(asked(&commands), [d.0]);
    let _ = scheduler.step(Event::Asked { stage: d, grant: Err(ReasonCode::ApprovalInsufficient) });
    assert_eq!(scheduler.state(d), State::Unapproved(ReasonCode::ApprovalInsufficient));
    assert_eq!(scheduler.state(e), State::Skipped(ReasonCode::ApprovalInsufficient));
    assert_eq!(starts(&scheduler.step(miss(b))), [b.0], "what does not need it runs, without `keep_going` too");
    let commands = scheduler.step(well(b));
    assert!(commands.iter().any(|c| matches!(c, Command::Look { stage, .. } if *stage == f)), "{commands:?}");
}

#[test]
fn a_grant_for_another_key_starts_nothing() {
    let plan = plan(&format!("{APPROVAL} stage \"d\" approval=\"people\" {{ run \"x\" }}"));
    let d = id(&plan, "d");
    let mut scheduler = Scheduler::new(&plan, &[true], options(4, false));
    assert_eq!(asked(&scheduler.begin()), [d.0]);
    assert!(scheduler.step(granted(d, b"another key")).is_empty());
    assert_eq!(scheduler.state(d), State::Refused(ReasonCode::GateOrderViolation));
}

#[test]
fn a_stage_behind_a_gate_is_asked_about_when_the_gate_has_passed() {
    let body = "stage \"r\" { run \"x\" }; gate \"g\" on=\"r\"; stage \"c\" gate=\"g\" approval=\"people\" { run \"x\"; retries 1 }";
    let plan = plan(&format!("{APPROVAL} {body}"));
    let c = id(&plan, "c");
    let mut scheduler = Scheduler::new(&plan, &[true; 2], options(4, false));
    let _ = scheduler.begin();
    let _ = scheduler.step(Event::Looked { stage: StageId(0), hit: true, admission: None });
    let input = Digest::of(b"input");
    let pass = || Verdict::Pass { pass: Pass::for_test(input, RUN), input };
    assert_eq!(asked(&scheduler.step(Event::Decided { stage: c, verdict: pass() })), [c.0]);
    let mut commands = scheduler.step(granted(c, b"key"));
    let Some(Command::Look { admission: Some(admission), .. }) = commands.pop() else { panic!("{commands:?}") };
    let commands = scheduler.step(Event::Looked { stage: c, hit: false, admission: Some(admission) });
    assert_eq!(starts(&commands), [c.0]);
    // A further attempt is decided again, by the gate and by people.
    let commands = scheduler.step(badly(c, 1));
    assert!(matches!(commands.as_slice(), [Command::Decide(s)] if *s == c), "{commands:?}");
    assert_eq!(asked(&scheduler.step(Event::Decided { stage: c, verdict: pass() })), [c.0]);
}
