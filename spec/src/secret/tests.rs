//! Every rule finds what it is for and leaves alone what is near it; what comes in pieces is redacted as a whole.

use proptest::prelude::*;

use super::*;

/// A text with `<n>` for n random letters and without `¦`: this file itself holds nothing that looks like a secret.
fn made(template: &str) -> Vec<u8> {
    const RANDOM: &str = "q7Rw2ZkT9xVb4LmNc8HsYd3GfJp6UaEi5oXnQt1KvBr0WzSyMe";
    let mut text = template.to_owned();
    for n in (16..=60).rev() {
        text = text.replace(&format!("<{n}>"), &RANDOM.repeat(2)[..n]);
        text = text
            .replace(&format!("<HEX{n}>"), &"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"[..n]);
        text = text.replace(&format!("<CAP{n}>"), &RANDOM.repeat(2).to_uppercase()[..n]);
    }
    text.replace("<HEX64>", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
        .replace("<LINE>", &RANDOM.repeat(2)[..64])
        .replace("<PEM", "-----BEGIN ")
        .replace("</PEM", "-----END ")
        .replace('¦', "")
        .into_bytes()
}

fn found(text: &[u8]) -> Vec<(&'static str, String)> {
    scan(text).map(|f| (f.rule, String::from_utf8_lossy(&text[f.offset..f.end()]).into_owned())).collect()
}

#[test]
fn every_rule_finds_its_secret() {
    for (rule, template, secret) in [
        (
            "private-key",
            "a <PEMPRIVATE KEY-----\n<LINE>\n</PEMPRIVATE KEY----- b",
            "<PEMPRIVATE KEY-----\n<LINE>\n</PEMPRIVATE KEY-----",
        ),
        (
            "private-key",
            "<PEMOPENSSH PRIVATE KEY-----\\n<LINE>\\n<LINE>\\n!",
            "<PEMOPENSSH PRIVATE KEY-----\\n<LINE>\\n<LINE>\\n",
        ),
        (
            "private-key",
            "<PEMPGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n<LINE>\n</PEMPGP PRIVATE KEY BLOCK-----",
            "<PEMPGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n<LINE>\n</PEMPGP PRIVATE KEY BLOCK-----",
        ),
        ("private-key", "{\"a\":\"<PEMPRIVATE KEY-----\\n<LINE>\",\"b\":\"-----\"}", "<PEMPRIVATE KEY-----\\n<LINE>"),
        (
            "private-key",
            "| <PEMPRIVATE KEY-----\n| <LINE>\n| <LINE>\n| </PEMPRIVATE KEY-----",
            "<PEMPRIVATE KEY-----\n| <LINE>\n| <LINE>\n| </PEMPRIVATE KEY-----",
        ),
        ("orgo-key", "public ssh-ed25519 AAAA\nsecret <HEX64>\n", "<HEX64>"),
        ("orgo-key", r#""orgo private key 1\nsecret <HEX64>\n""#, "<HEX64>"),
        ("aws-key", "AKIA<CAP16>, <40>\n", "AKIA<CAP16>, <40>"),
        ("github-token", "x gh¦p_<36> y", "gh¦p_<36>"),
        ("github-token", "(gh¦s_<40>)", "gh¦s_<40>"),
        ("github-token", "github_¦pat_<22>_<58>", "github_¦pat_<22>_<58>"),
        ("gitlab-token", "glp¦at-<20>", "glp¦at-<20>"),
        ("slack-token", "xo¦xb-123456789012-<24>", "xo¦xb-123456789012-<24>"),
        ("google-key", "?key=AI¦za<35>&x", "AI¦za<35>"),
        ("npm-token", "npm¦_<36>", "npm¦_<36>"),
        ("crates-token", "\"ci¦o<32>\"", "ci¦o<32>"),
        ("pypi-token", "pypi-¦AgEIcHlwaS5vcmc<40>", "pypi-¦AgEIcHlwaS5vcmc<40>"),
        ("jwt", "ey¦JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.<43>", "ey¦JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.<43>"),
        ("url-password", "git clone https://ann:¦hunter2@example.com/x", "hunter2"),
        ("authorization", "Authorization: Bearer <20>", "<20>"),
        ("authorization", "> authorization: basic ¦YW5uOmh1bnRlcjI=", "YW5uOmh1bnRlcjI="),
        ("authorization", r#"{"Authorization": "token <20>"}"#, "<20>"),
        ("assignment", "export DB_PASSWORD=<20>", "<20>"),
        ("assignment", "password: <16>\n", "<16>"),
        ("assignment", r#"{"clientSecret": "<20>"}"#, "<20>"),
        ("assignment", r#"{\"api_key\": \"<20>\"}"#, "<20>"),
        ("assignment", "x-api-key := '<24> and more'", "<24> and more"),
        ("assignment", "aws_secret_access_key = <40>", "<40>"),
        ("assignment", "?access_token=<30>&next", "<30>"),
    ] {
        let (text, secret) = (made(template), made(secret));
        assert_eq!(found(&text), [(rule, String::from_utf8_lossy(&secret).into_owned())], "{template}");
        let clean = Redactor::default().redact(&text);
        assert_eq!(found(&clean), [], "what is redacted is clean: {}", String::from_utf8_lossy(&clean));
    }
}

#[test]
fn what_is_near_a_secret_is_left_alone() {
    for template in [
        "<PEMPUBLIC KEY-----\n<LINE>\n</PEMPUBLIC KEY-----",
        "<PEMSSH SIGNATURE-----\n<LINE>\n<LINE>\n</PEMSSH SIGNATURE-----",
        "a line such as `<PEMPRIVATE KEY-----` begins a key",
        "<PEMprivate key-----\n<LINE>",
        "secret <HEX60>\n",
        "secret <HEX64>0\n",
        "secret sha256:<HEX64>\n",
        "AKIA<CAP16> alone",
        "AKIA<CAP16> <HEX40>",
        "AKIA<CAP17> <40>",
        "<20>AKIA<CAP16> <40>",
        "gh¦p_<35>",
        "agh¦p_<36>",
        "gh¦p_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "github_¦pat_<22>",
        "glp¦at-<18>",
        "xo¦xb-and-some-words-without-number",
        "AI¦za<34>",
        "AI¦za<36>",
        "/AI¦za<35>",
        "npm¦_config_registry_and_other_settings_of_it",
        "ci¦o<31>",
        "ci¦o<32>=",
        "+ci¦o<32>",
        "pypi-¦AgEI<20>",
        "eyJhbGciOiJIUzI1NiJ9",
        "ey¦JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.short",
        "https://ann@example.com/a:b@c",
        "https://ann:$TOKEN@example.com",
        "https://ann:${TOKEN}@example.com",
        "https://ann:****@example.com",
        "https://ann:[redacted]@example.com",
        "http://[::1]:8080/a@b",
        "Authorization: Bearer $TOKEN",
        "Authorization: Bearer",
        "authorization is required: Bearer <20>",
        "DB_PASSWORD=hunter2",
        "DB_PASSWORD=aaaaaaaaaaaaaaaabbbbbbbb",
        "API_TOKEN=sha256:<HEX64>",
        "API_TOKEN=<HEX64>",
        "api_token: \"${{ secrets.NAME_OF_THE_TOKEN_2 }}\"",
        "let token = parser.next_token_of_line_27(input)",
        "token_url=https://example.com/<20>",
        "TOKEN=https://example.com/<20>",
        "SIGNING_TOKEN=env:NAME_OF_A_VARIABLE_2",
        "TOKEN=/run/secrets/the/token/file",
        "PASSWORD: a sentence about it, which is long",
        "PASSWORD=[redacted]",
        "monkey=<30>",
    ] {
        let text = made(template);
        assert_eq!(found(&text), [], "{template}");
    }
}

#[test]
fn names_of_secrets_are_known() {
    for name in ["GITHUB_TOKEN", "aws_secret_access_key", "X_SECRET", "MYPASSWORD2", "SIGNING_KEY", "TOKEN", "DB_PASS"]
    {
        assert!(names_a_secret(name), "{name}");
    }
    for name in ["PATH", "HOME", "KEYBOARD", "MONKEY", "TOKENS_USED", "SECRETARY", "COMPASS", "SSH_AUTH_SOCK"] {
        assert!(!names_a_secret(name), "{name}");
    }
}

#[test]
fn a_known_value_is_found_in_every_spelling() {
    let value = b"p\xc3\xa4ss w/rd+?";
    let redactor = Redactor::new(&[value]);
    let neighbours = |before: &str, after: &str| {
        data_encoding::BASE64.encode(&[before.as_bytes(), value, after.as_bytes()].concat())
    };
    for (text, shown) in [
        ("a p\u{e4}ss w/rd+? b".to_owned(), "a [redacted] b"),
        ("q=p%C3%A4ss%20w%2Frd%2B%3F&".to_owned(), "q=[redacted]&"),
        ("q=p%c3%a4ss%20w%2frd%2b%3f&".to_owned(), "q=[redacted]&"),
        ("q=p%C3%A4ss+w%2Frd%2B%3F&".to_owned(), "q=[redacted]&"),
        (data_encoding::BASE64.encode(value), "[redacted]"),
        (data_encoding::BASE64URL_NOPAD.encode(value), "[redacted]"),
    ] {
        assert_eq!(String::from_utf8_lossy(&redactor.redact(text.as_bytes())), shown, "{text}");
    }
    for before in ["", "u", "us", "use", "user:"] {
        for after in ["", "x", "xy", "xyz"] {
            let text = neighbours(before, after);
            let clean = redactor.redact(text.as_bytes());
            assert!(clean.windows(MASK.len()).any(|w| w == MASK), "{text}");
        }
    }
    assert_eq!(Redactor::new(&[b"short"]).redact(b"a short text"), b"a short text", "five bytes occur by chance");
    let several = Redactor::new(&[b"first line of it\nsecond\nthe third line of it\n"]);
    assert_eq!(several.redact(b"| the third line of it\n| second"), b"| [redacted]\n| second");
}

#[test]
fn what_overlaps_is_hidden_as_a_whole() {
    let redactor = Redactor::new(&[b"abcdefgh", b"ghijklmn", b"cdefgh"]);
    assert_eq!(redactor.redact(b"<abcdefghijklmn>"), b"<[redacted]>");
    assert_eq!(redactor.redact(b"abcdefghcdefgh"), b"[redacted][redacted]");
}

#[test]
fn a_text_that_is_cut_off_does_not_end_with_half_a_secret() {
    let redactor = Redactor::new(&[b"the-known-value"]);
    let mut text = vec![b'.'; 400 << 10];
    text.extend_from_slice(b"the-known-");
    let mut out = Vec::new();
    redactor.stream().push(&text, &mut out);
    assert!(out.len() >= 200 << 10 && out.iter().all(|b| *b == b'.'));
}

#[test]
fn the_time_is_linear_in_the_text() {
    for piece in [
        "TOKEN=",
        "eyJa.",
        "<PEMPRIVATE KEY-----\n<LINE>!",
        "AKIA<CAP16> ",
        "://a:b",
        "authorization: ",
        "gh¦p_",
        "aaaaaa",
    ] {
        let piece = made(piece);
        let text = piece.repeat((4 << 20) / piece.len());
        let started = std::time::Instant::now();
        let clean = Redactor::new(&[b"aaaaaaa", b"TOKEN=TOKEN"]).redact(&text);
        assert!(started.elapsed().as_secs() < 30, "{:?}: {} bytes", String::from_utf8_lossy(&piece), clean.len());
    }
}

/// Every file of the repository below the named folders.
fn files(below: &str, out: &mut Vec<std::path::PathBuf>) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(below);
    let Ok(folder) = std::fs::read_dir(&root) else { return };
    for entry in folder.map(|e| e.expect("a readable folder")) {
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().expect("a known type").is_dir() {
            files(&path, out)
        } else {
            out.push(root.join(entry.file_name()))
        }
    }
}

#[test]
fn our_own_files_hold_nothing_that_looks_like_a_secret() {
    let mut all = Vec::new();
    for folder in ["examples", "snapshots", "spec/vectors", "schemas", "docs", "mandates", "blueprints", "pipelines"] {
        files(folder, &mut all);
    }
    assert!(all.len() > 60, "{}", all.len());
    for file in all {
        let bytes = std::fs::read(&file).expect("a readable file");
        assert_eq!(found(&bytes), [], "{}", file.display());
    }
}

/// Text in which known values, secrets of known shape and noise meet.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(b"k3y-val-ue".to_vec()),
        Just(b"val-ue-and-more".to_vec()),
        Just(b"ey-val-u".to_vec()),
        Just(made("gh¦p_<36>")),
        Just(made("PASSWORD=<20>")),
        Just(made("TOKEN = \"<24>\"")),
        Just(made("https://a:<16>@b")),
        Just(made("<PEMPRIVATE KEY-----\n<LINE>\n</PEMPRIVATE KEY-----")),
        Just(made("Authorization: Bearer <30>")),
        proptest::collection::vec(any::<u8>(), 0..40),
        (1usize..50_000, proptest::sample::select(vec![b'.', b'a', b'=', b'\n'])).prop_map(|(n, b)| vec![b; n]),
    ];
    proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_a_text_is_cut_the_same_comes_out(text in texts(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let values: [&[u8]; 3] = [b"k3y-val-ue", b"val-ue-and-more", b"ey-val-u"];
        let redactor = Redactor::new(&values);
        let whole = redactor.redact(&text);
        let mut cuts: Vec<usize> = cuts.iter().map(|i| i.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        let (mut pieces, mut redaction, mut from) = (Vec::new(), redactor.stream(), 0);
        for to in cuts.into_iter().chain([text.len()]) {
            redaction.push(&text[from..to], &mut pieces);
            from = to;
        }
        redaction.finish(&mut pieces);
        prop_assert_eq!(&pieces, &whole);
        for value in values {
            prop_assert!(!whole.windows(value.len()).any(|w| w == value));
        }
    }

    #[test]
    fn findings_are_in_order_and_within_the_text(text in texts()) {
        let mut at = 0;
        for finding in scan(&text) {
            prop_assert!(finding.offset >= at && finding.len > 0 && finding.len <= LOOKAHEAD);
            at = finding.end();
        }
        prop_assert!(at <= text.len());
    }
}
