//! Wrong documents: every problem at once, each with its place, its code and a way out.

use crate::support::Repo;

fn report(pipeline: &str) -> (Vec<String>, String) {
    let repo = Repo::with_pipeline(pipeline);
    let json = repo.orgo(&["check", "--json"]).exits(2).json();
    let codes =
        json["problems"].as_array().unwrap().iter().map(|p| p["code"].as_str().unwrap_or("-").to_owned()).collect();
    let text = repo.orgo(&["check"]).exits(2).stderr;
    (codes, text)
}

macro_rules! refuses {
    ($($test:ident: $pipeline:literal => $codes:expr;)+) => { $(
        #[test]
        fn $test() {
            let (codes, text) = report($pipeline);
            assert_eq!(codes, $codes, "{text}");
            insta::with_settings!({ snapshot_path => "../snapshots/cli", prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(stringify!($test), text);
            });
        }
    )+ };
}

refuses! {
    syntax_errors_are_shown: "pipeline \"p\" { stage \"a\" { run \"x }\n" => ["DOCUMENT_INVALID"];
    unknown_fields_get_a_suggestion: "pipeline \"p\" {\n    stage \"a\" {\n        run \"x\"\n        timeuot \"1m\"\n    }\n}\n" => ["FIELD_UNKNOWN"];
    unknown_stages_get_a_suggestion: "pipeline \"p\" {\n    stage \"build\" { run \"x\"; out \"o\" }\n    stage \"test\" { from \"biuld\"; run \"x\" }\n}\n" => ["STAGE_UNKNOWN"];
    duplicate_fields_show_both_places: "pipeline \"p\" {\n    stage \"a\" timeout=\"1m\" {\n        run \"x\"\n        timeout \"2m\"\n    }\n}\n" => ["FIELD_DUPLICATE"];
    duplicate_stages_show_both_places: "pipeline \"p\" {\n    stage \"a\" { run \"x\" }\n    stage \"a\" { run \"y\" }\n}\n" => ["FIELD_DUPLICATE"];
    cycles_show_every_edge: "pipeline \"p\" {\n    stage \"a\" { from \"c\"; run \"x\"; out \"o\" }\n    stage \"b\" { from \"a\"; run \"x\"; out \"o\" }\n    stage \"c\" { from \"b\"; run \"x\"; out \"o\" }\n}\n" => ["CYCLE_IN_GRAPH"];
    compile_without_a_gate_is_refused: "pipeline \"p\" {\n    stage \"r\" { run \"x\"; out \"report\" }\n    stage \"canon\" uses=\"compile-exchange\" { from \"r\" }\n}\n" => ["GATE_REQUIRED"];
    unknown_gates_are_refused: "pipeline \"p\" {\n    stage \"r\" { run \"x\"; out \"report\" }\n    gate \"accept\" on=\"r\"\n    stage \"canon\" uses=\"compile-exchange\" gate=\"acept\" { from \"r\" }\n}\n" => ["GATE_UNKNOWN"];
    unknown_tools_get_a_suggestion: "pipeline \"p\" { stage \"a\" uses=\"ingset\" }\n" => ["DOCUMENT_INVALID"];
    wrong_values_say_what_is_expected: "pipeline \"p\" {\n    stage \"A B\" { run \"x\" }\n    stage \"b\" { run \"x\"; timeout \"10\"; retries \"two\"; isolation \"tight\"; memory \"4GB\" }\n}\n" => ["DOCUMENT_INVALID", "DOCUMENT_INVALID", "DOCUMENT_INVALID", "DOCUMENT_INVALID", "DOCUMENT_INVALID"];
    outputs_may_not_meet_inputs: "pipeline \"p\" {\n    stage \"a\" { files \"src/a.c\"; run \"x\"; out \"src\" }\n}\n" => ["OUTPUT_CONFLICT"];
    a_stage_needs_something_to_do: "pipeline \"p\" {\n    stage \"a\" { out \"o\" }\n}\n" => ["DOCUMENT_INVALID"];
    paths_may_not_leave: "pipeline \"p\" {\n    stage \"a\" { run \"x\"; out \"../o\" }\n}\n" => ["DOCUMENT_INVALID"];
    retries_are_said_in_one_way: "pipeline \"p\" {\n    stage \"a\" { run \"x\"; retries 2; retry { times 20; on-exit 0; max \"1m\" } }\n}\n" => ["FIELD_DUPLICATE", "DOCUMENT_INVALID", "DOCUMENT_INVALID", "DOCUMENT_INVALID"];
    unknown_pools_get_a_suggestion: "pipeline \"p\" {\n    pool \"gpu\" capacity=2\n    stage \"a\" { run \"x\"; pool \"gpus\" }\n}\n" => ["POOL_UNKNOWN"];
    a_weight_over_the_capacity_is_refused: "pipeline \"p\" {\n    pool \"gpu\" capacity=2\n    stage \"a\" { run \"x\"; pool \"gpu\" weight=3 }\n}\n" => ["POOL_EXCEEDED"];
    unknown_services_get_a_suggestion: "pipeline \"p\" {\n    service \"postgres\" { run \"x\" }\n    stage \"a\" { run \"x\"; needs \"postgre\" }\n}\n" => ["SERVICE_UNKNOWN"];
    a_service_needs_something_to_run_and_is_ready_in_one_way: "pipeline \"p\" {\n    service \"a\" { ready-port 5432 }\n    service \"b\" { run \"${x}\"; ready \"y\"; ready-port 99999; stop-signal \"USR1\" }\n    stage \"s\" { run \"x\" }\n}\n" => ["DOCUMENT_INVALID", "DOCUMENT_INVALID", "FIELD_DUPLICATE", "DOCUMENT_INVALID"];
    nothing_waits_for_what_comes_last: "pipeline \"p\" {\n    stage \"a\" { run \"x\"; out \"o\" }\n    stage \"f\" { from \"a\"; run \"x\"; finally #true }\n    stage \"b\" { after \"f\"; run \"x\" }\n}\n" => ["DOCUMENT_INVALID", "DOCUMENT_INVALID"];
    a_gate_waits_for_nothing_optional: "pipeline \"p\" {\n    stage \"a\" { run \"x\"; out \"o\"; optional #true }\n    stage \"r\" { from \"a\"; run \"x\"; out \"report\" }\n    gate \"accept\" on=\"r\"\n    stage \"canon\" uses=\"compile-exchange\" gate=\"accept\" { from \"r\" }\n}\n" => ["DOCUMENT_INVALID"];
    several_programs_are_refused: "pipeline \"p\" {\n    stage \"a\" {\n        run \"x\"\n        run \"y\"\n    }\n}\n" => ["FIELD_DUPLICATE"];
    parameters_need_a_type_that_there_is: "pipeline \"p\" {\n    param \"level\" type=\"int\"\n    param \"n\" type=\"integer\" default=0 { min 1 }\n    stage \"a\" { run \"x\" }\n}\n" => ["DOCUMENT_INVALID", "DOCUMENT_INVALID"];
    names_in_texts_get_a_suggestion: "pipeline \"p\" {\n    param \"level\" default=\"x\"\n    stage \"a\" { run \"x\" \"${levl}\" }\n}\n" => ["DOCUMENT_INVALID"];
    one_name_means_one_thing: "pipeline \"p\" {\n    param \"os\" default=\"x\"\n    matrix { os \"linux\" }\n    stage \"a\" { run \"x\" }\n}\n" => ["FIELD_DUPLICATE"];
    excluded_values_exist: "pipeline \"p\" {\n    matrix { os \"linux\" \"mac\"; exclude os=\"max\" }\n    stage \"a\" { run \"x\" }\n}\n" => ["DOCUMENT_INVALID"];
    added_combinations_are_whole: "pipeline \"p\" {\n    matrix { os \"linux\"; cc \"gcc\"; include os=\"mac\" }\n    stage \"a\" { run \"x\" }\n}\n" => ["DOCUMENT_INVALID"];
    unknown_templates_get_a_suggestion: "template \"shell\" { tool \"cat\" }\npipeline \"p\" {\n    stage \"a\" template=\"shel\" { run \"x\" }\n}\n" => ["TEMPLATE_UNKNOWN"];
    templates_that_nobody_uses_are_checked: "template \"shell\" { tol \"cat\" }\npipeline \"p\" {\n    stage \"a\" { run \"x\" }\n}\n" => ["FIELD_UNKNOWN"];
    includes_do_not_go_in_circles: "include \"pipelines/p.kdl\"\npipeline \"p\" {\n    stage \"a\" { run \"x\" }\n}\n" => ["DOCUMENT_INVALID"];
    included_documents_exist: "include \"pipelines/none.kdl\"\npipeline \"p\" {\n    stage \"a\" { run \"x\" }\n}\n" => ["INPUT_MISSING"];
    lists_exist: "pipeline \"p\" {\n    stage \"a\" { for-each \"case\" in=\"none.txt\"; run \"x\" \"${case}\" }\n}\n" => ["INPUT_MISSING"];
    passed_variables_are_no_secrets: "pipeline \"p\" {\n    stage \"a\" { run \"x\"; env-pass \"HOME\" \"API_TOKEN\" \"SSH_AUTH_SOCK\" }\n}\n" => ["SECRET_NOT_ALLOWED", "SECRET_NOT_ALLOWED"];
    secrets_are_references: "pipeline \"p\" {\n    stage \"a\" { run \"x\"; secret \"TOKEN\" from=\"hunter2\" }\n}\n" => ["DOCUMENT_INVALID"];
    conditions_name_parameters: "pipeline \"p\" {\n    param \"level\" type=\"integer\" default=1\n    stage \"a\" { when param=\"levle\" is=1; run \"x\" }\n    stage \"b\" { when param=\"level\" is=\"high\"; run \"x\" }\n    stage \"c\" { when changed=\"x\" param=\"level\"; run \"x\" }\n}\n" => ["PARAMETER_UNKNOWN", "PARAMETER_INVALID", "DOCUMENT_INVALID"];
    named_outputs_exist: "pipeline \"p\" {\n    stage \"a\" { run \"x\"; out \"bin/hello\" as=\"program\" }\n    stage \"b\" { from \"a\" artifact=\"progam\" at=\"tools/hello\"; run \"x\" }\n}\n" => ["STAGE_UNKNOWN"];
    gates_read_one_report: "pipeline \"p\" {\n    stage \"r\" { matrix { os \"a\" \"b\" }; run \"x\"; out \"report\" }\n    gate \"accept\" on=\"r\"\n    stage \"b\" gate=\"accept\" { run \"x\" }\n}\n" => ["DOCUMENT_INVALID"];
    the_spine_is_not_negotiable: "pipeline \"p\" profile=\"kristal\" mandate=\"m\" blueprint=\"b\" {\n    stage \"r\" { run \"x\"; out \"report\" }\n    gate \"accept\" on=\"r\"\n    stage \"canon\" uses=\"compile-exchange\" gate=\"accept\" { from \"r\" }\n}\n" => ["SPINE_ORDER"; 6];
    unknown_approvals_get_a_suggestion: "pipeline \"p\" {\n    approval \"release\" { need 1; by \"alice\" }\n    stage \"a\" approval=\"relese\" { run \"x\" }\n}\n" => ["APPROVAL_UNKNOWN"];
    more_approvals_than_approvers_are_refused: "pipeline \"p\" {\n    approval \"release\" { need 3; by \"alice\" \"bob\" }\n    stage \"a\" approval=\"release\" { run \"x\" }\n}\n" => ["DOCUMENT_INVALID"];
    an_approval_says_who_and_how_many: "pipeline \"p\" {\n    approval \"one\" { need 1 }\n    approval \"two\" { role \"boss\"; by \"alice\" \"alice\"; need 0; expires \"soon\" }\n    approval \"three\" { role \"boss\"; need 1 }\n    approval \"four\" { role \"approver\" }\n    stage \"a\" { run \"x\" }\n}\n" => ["DOCUMENT_INVALID", "FIELD_DUPLICATE", "FIELD_DUPLICATE", "DOCUMENT_INVALID", "DOCUMENT_INVALID", "DOCUMENT_INVALID", "DOCUMENT_INVALID"];
    what_needs_an_approval_is_neither_a_tool_nor_optional: "pipeline \"p\" {\n    approval \"release\" { need 1; role \"approver\" }\n    stage \"s\" uses=\"ingest\" approval=\"release\" { source \"one\" file=\"a.csv\" license=\"MIT\" version=\"1\" }\n    stage \"a\" approval=\"release\" { run \"x\"; optional #true }\n    stage \"b\" approval=\"release\" { run \"x\"; finally #true }\n}\n" => ["DOCUMENT_INVALID", "DOCUMENT_INVALID", "DOCUMENT_INVALID", "DOCUMENT_INVALID"];
    sources_need_provenance: "pipeline \"p\" {\n    stage \"s\" uses=\"ingest\" { source \"one\" file=\"a.csv\" version=\"1\" retrieved-at=\"yesterday\" }\n}\n" => ["DOCUMENT_INVALID", "PROVENANCE_INCOMPLETE"];
}
