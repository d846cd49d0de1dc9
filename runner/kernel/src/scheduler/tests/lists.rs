//! Stages that are repeated for what others write: the run goes on with a larger plan, in any order of events.

use orgo_spec::pipeline::Pipeline;
use proptest::prelude::*;

use super::world::World;
use super::*;

/// A pipeline in which stages write lists and others are repeated for them, as the numbers have it.
fn source(stages: &[[u8; 4]], last: usize) -> (Document, Pipeline) {
    let mut text = String::from("pipeline \"p\" { pool \"a\" capacity=2; service \"x\" { run \"x\" }\n");
    // For each stage, the one that writes its list.
    let mut writers: Vec<Option<usize>> = Vec::new();
    for (i, s) in stages.iter().enumerate() {
        let plain: Vec<usize> = (0..i).filter(|j| writers[*j].is_none()).collect();
        let writer = (s[0] % 2 == 1 && !plain.is_empty()).then(|| plain[usize::from(s[1]) % plain.len()]);
        writers.push(writer);
        let mut fields = vec!["run \"x\"".to_owned(), format!("out \"o{i}\" as=\"list\"")];
        fields.extend(
            writer.map(|w| format!("for-each \"i{w}\" from=\"s{w}\" artifact=\"list\"; env \"I\" \"${{i{w}}}\"")),
        );
        if i > 0 {
            let needed = usize::from(s[2]) % i;
            fields.push(
                [format!("from \"s{needed}\""), format!("after \"s{needed}\""), String::new()]
                    [usize::from(s[0] / 2 % 3)]
                .clone(),
            );
        }
        fields.push(
            ["pool \"a\" weight=2", "needs \"x\"", "mutex \"m\"; retries 1", "optional #true", ""]
                [usize::from(s[3] % 5)]
            .to_owned(),
        );
        if writer.is_some() && s[3] % 7 == 6 {
            fields.push("matrix { cc \"gcc\" \"clang\" }".to_owned());
        }
        fields.retain(|f| !f.is_empty());
        text.push_str(&format!("stage \"s{i}\" {{ {} }}\n", fields.join("; ")));
    }
    for i in 0..last {
        text.push_str(&format!("stage \"f{i}\" {{ run \"x\"; finally #true; needs \"x\" }}\n"));
    }
    text.push('}');
    let document = Document::new("p.kdl", text.as_str());
    let pipelines = parse_pipelines(&document);
    let mut pipelines = pipelines.unwrap_or_else(|e| panic!("{:?}\n{text}", e.problems().collect::<Vec<_>>()));
    (document, pipelines.remove(0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_plan_that_grows_keeps_the_promises_in_any_order_of_events(
        stages in proptest::collection::vec(any::<[u8; 4]>(), 1..16),
        dice in proptest::collection::vec(any::<u8>(), 1..64),
        jobs in 1u32..5,
        keep_going in any::<bool>(),
        last in 0usize..3,
        cancels in proptest::collection::vec(0usize..90, 0..3),
    ) {
        let source = source(&stages, last);
        let plan = expand(&source.0, &source.1).unwrap_or_else(|e| panic!("{:?}\n{}", e.problems().collect::<Vec<_>>(), source.0.text()));
        let options = Options { jobs, keep_going, run: RUN.to_owned(), memory_bytes: None };
        let mut world = World::listing(&source, &plan, options);
        world.play(&dice, &cancels, 20_000)?;
    }
}

#[test]
fn a_stage_that_nobody_wants_is_not_wanted_for_any_item() {
    let document = Document::new(
        "p.kdl",
        r#"pipeline "p" { stage "list" { run "x"; out "l" as="l" }
           stage "a" { for-each "i" from="list" artifact="l"; run "x" "${i}" }
           stage "b" { for-each "i" from="list" artifact="l"; run "x" "${i}" } }"#,
    );
    let pipeline = parse_pipelines(&document).expect("decodes").remove(0);
    let plan = expand(&document, &pipeline).expect("expands");
    let mut scheduler = Scheduler::new(&plan, &[true, true, false], options(4, false));
    let _ = scheduler.begin();
    let commands = scheduler.step(Event::Looked { stage: StageId(0), hit: true, admission: None });
    assert!(matches!(commands.as_slice(), [Command::List(StageId(1))]), "{commands:?}");
    let lists = [KnownList { stage: "list".into(), output: "l".into(), text: "x\ny\n".into() }];
    let refuse = |_: &orgo_spec::document::RelativePath| unreachable!("it has no committed list");
    let parameters = &std::collections::BTreeMap::new();
    let given = Given { parameters, lenient: false, read: &refuse, lists: &lists, document: &document };
    let growth = grow(&pipeline, &given).expect("grows");
    let names: Vec<&str> = growth.plan.stages.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["list", "a.x", "b.x", "a.y", "b.y"]);
    assert_eq!(growth.origins, [StageId(1), StageId(2)]);
    let commands = scheduler.grow(&growth.plan, &growth.origins);
    assert!(
        matches!(commands.as_slice(), [Command::Look { .. }, Command::Look { stage: StageId(3), .. }]),
        "{commands:?}"
    );
    assert_eq!(scheduler.state(StageId(4)), State::Skipped(ReasonCode::RunCancelled));
}
