use super::*;
use serde_json::json;

fn read(text: &str) -> Result<Value, LoadError> {
    load(text, &Caps::default())
}

fn fixtures() -> Vec<(String, String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/yaml-kubectl");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".yaml")?.to_owned()))
        .collect();
    names.sort();
    let text = |name: String| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    names.into_iter().map(|name| (text(format!("{name}.yaml")), text(format!("{name}.kubectl.json")), name)).collect()
}

#[test]
fn documents_read_as_kubectl_reads_them() {
    let fixtures = fixtures();
    assert_eq!(fixtures.len(), 42);
    let (mut same, mut twice, mut other) = (0, Vec::new(), Vec::new());
    for (yaml, kubectl, name) in &fixtures {
        let own = read(yaml);
        let theirs = serde_json::from_str::<Value>(kubectl);
        assert_eq!(theirs.is_err(), kubectl.starts_with("ERR"), "{name}");
        match (&own, theirs) {
            (Ok(own), Ok(theirs)) if *own == theirs => same += 1,
            (Err(_), Err(_)) => same += 1,
            (Err(error), Ok(_)) if error.message.contains("twice") => twice.push((name.as_str(), error.line)),
            _ => other.push((name.as_str(), own)),
        }
    }
    assert_eq!(same, 36);
    // kubectl takes the last one in silence.
    assert_eq!(twice, [("02_boolkeys", 2), ("14_dupkey", 2), ("15_dupnested", 4), ("16_dup_boolspelling", 3)]);
    // There kubectl lets a merge that comes later win over the map's own key; here it takes no pair of surrogates.
    let differ = [
        ("13_mergeafter", Ok(json!({"b1": {"a": 1}, "d": {"a": 5}}))),
        ("32b_surrogates", Ok(json!({"a": "\u{1f600}"}))),
    ];
    assert_eq!(other, differ);
}

#[test]
fn an_error_names_line_and_column() {
    let error = read("a:\n  b: 1\n  b: 2\n").unwrap_err();
    assert_eq!(error.to_string(), r#"line 3, column 3: the key "b" stands twice in one map"#);
    assert_eq!(read("a: b: c").unwrap_err().line, 1);
}

#[test]
fn tags_that_are_not_of_yaml_leave_a_text() {
    assert_eq!(
        read("a: !Ref 12\nb: ! 12\nc: !!str\nd: !!int '7'").unwrap(),
        json!({"a": "12", "b": "12", "c": "", "d": 7})
    );
}

#[test]
fn merges_give_way_to_own_keys_and_to_later_merges() {
    let text = "x: &x {a: 1, b: 1, c: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: *x\n  <<: *y\n  c: 3\n";
    assert_eq!(read(text).unwrap()["z"], json!({"a": 1, "b": 2, "c": 3}));
    assert_eq!(read("z: {'<<': 1}").unwrap(), json!({"z": {"<<": 1}}));
    assert!(read("z:\n  <<: [{a: 1}, 2]").is_err());
}

#[test]
fn json_reads_as_it_stands() {
    let text = r#"{
	"a": [1, -2.5, 1E3, true, null],
	"b\u0041\/": "\ud83d\ude00\/",
	"c":{},"d":"x: #y"
}
"#;
    let wanted = json!({"a": [1, -2.5, 1000, true, null], "bA/": "\u{1f600}/", "c": {}, "d": "x: #y"});
    assert_eq!(read(text).unwrap(), wanted);
}

#[test]
fn hostile_documents_end_at_a_cap() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        laughs += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(", "));
    }
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), ["*a"; 100].join(", "));
    let nested = format!("a: {}1{}\n", "&x [".repeat(150), "]".repeat(150));
    let anchors = nested.replacen('1', &format!("[{}]", ["1"; 2000].join(", ")), 1);
    for (text, reason) in [
        (laughs, "too much is repeated"),
        (long, "too much is repeated"),
        (anchors, "too much is repeated"),
        ("[".repeat(20_000), ""),
        ((0..3000).map(|level| format!("{}a:\n", " ".repeat(level))).collect(), ""),
        ("a: &x [*x]".to_owned(), "inside of what it stands for"),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.message.contains(reason), "{error}");
    }
    let merges = format!("a: &a {{b: 1}}\nc:\n{}", "- <<: [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n".repeat(2000));
    assert!(read(&merges).is_ok());
    assert!(load("[1, 2, 3]", &Caps { nodes: 3, ..Caps::default() }).is_err());
    assert!(load("[[[1]]]", &Caps { depth: 2, ..Caps::default() }).is_err());
    let wide: String = (0..200_000).map(|key| format!("k{key}: v\n")).collect();
    assert_eq!(read(&wide).unwrap().as_object().unwrap().len(), 200_000);
}
