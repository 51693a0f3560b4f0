use proptest::prelude::*;

use super::*;

fn field(name: &str) -> Step {
    Step::Field(name.into())
}

fn text(value: &str) -> Scalar {
    Scalar::String(value.into())
}

#[test]
fn every_way_of_writing_a_path_is_read() {
    let replicas = vec![field("spec"), field("replicas")];
    for written in [
        "/spec/replicas",
        ".spec.replicas",
        "spec.replicas",
        "$.spec.replicas",
        "{.spec.replicas}",
        "$['spec']['replicas']",
        "$.spec[\"replicas\"]",
        " /spec/replicas ",
        "['spec'].replicas",
    ] {
        assert_eq!(Filter::parse(written).unwrap().steps, replicas, "{written}");
    }
    let team = vec![field("metadata"), field("labels"), field("example.com/team~x")];
    for written in [
        "/metadata/labels/example.com~1team~0x",
        ".metadata.labels['example.com/team~x']",
        r".metadata.labels.example\.com\/team~x",
        r".metadata.labels.example\.com/team~x",
        r"{.metadata.labels.example\.com/team~x}",
        r#"{.metadata.labels["example.com/team~x"]}"#,
        "$['metadata']['labels']['example.com/team~x']",
    ] {
        assert_eq!(Filter::parse(written).unwrap().steps, team, "{written}");
    }
}

#[test]
fn items_of_lists_are_named_by_position_key_or_value() {
    let image = |step: Step| vec![field("spec"), field("containers"), step, field("image")];
    let web = || Step::Where(vec![("name".into(), text("web"))]);
    for (written, step) in [
        ("/spec/containers/0/image", Step::Digits(0, "0".into())),
        (".spec.containers[0].image", Step::Index(0)),
        (".spec.containers[*].image", Step::Each),
        (".spec.containers.*.image", Step::Each),
        (".spec.containers[?(@.name=='web')].image", web()),
        (".spec.containers[?(@.name == \"web\")].image", web()),
        (".spec.containers[?@.name=='web'].image", web()),
        ("{.spec.containers[?(@.name==\"web\")].image}", web()),
        ("$.spec.containers[?(@.name=='web')].image", web()),
        ("spec.containers[0].image", Step::Index(0)),
        (".spec.containers[?(@['name']=='web')].image", web()),
        (".spec.containers[name=\"web\"].image", web()),
        (".spec.containers[=\"web\"].image", Step::Value(text("web"))),
        (
            ".spec.containers[?(@.port==80 && @.protocol=='TCP')].image",
            Step::Where(vec![("port".into(), Scalar::Int(80)), ("protocol".into(), text("TCP"))]),
        ),
        (
            ".spec.containers[port=80,on=true].image",
            Step::Where(vec![("port".into(), Scalar::Int(80)), ("on".into(), Scalar::Bool(true))]),
        ),
        (r".spec.containers[name='it\'s'].image", Step::Where(vec![("name".into(), text("it's"))])),
    ] {
        assert_eq!(Filter::parse(written).unwrap().steps, image(step), "{written}");
    }
    // Digits with a leading zero are a key.
    assert_eq!(Filter::parse("/data/01").unwrap().steps, [field("data"), field("01")]);
}

#[test]
fn what_is_no_path_is_refused_with_advice() {
    for (written, message, hint) in [
        ("", "names no field", "leave `filters` out"),
        ("$", "names no field", "leave `filters` out"),
        (".", "names no field", "leave `filters` out"),
        ("/", "a segment is empty", "without a `/` at the end"),
        ("/spec/", "a segment is empty", "without a `/` at the end"),
        ("/spec//replicas", "a segment is empty", ""),
        ("/spec/a~2b", "after `~` stands 0 or 1", "`~1` is `/`"),
        ("/spec/containers/*/image", "it knows no `*`", "write .spec.containers[*].image"),
        ("spec/replicas", "mixes `.` and `/`", "did you mean `/spec/replicas`?"),
        (".metadata.annotations.example.com/key", "mixes `.` and `/`", "stands in brackets"),
        ("$..replicas", "any depth", "name the whole path"),
        (".spec.containers[0:2]", "ranges and unions", ""),
        (".spec.containers[0,1]", "ranges and unions", ""),
        (".spec.containers[-1]", "positions from the end", ""),
        (".spec.containers[(@.length-1)]", "positions from the end", ""),
        (".spec.containers[-1:]", "positions from the end", ""),
        (".spec.containers[:2]", "", ""),
        (".spec['replicas','paused']", "ranges and unions", ""),
        ("{range .items[*]}", "white space", ""),
        ("{.spec.replicas}{.spec.paused}", "cannot stand in a plain name", ""),
        (".spec.containers[?(@.name!='web')]", "tests know `==` only", ""),
        (".spec.containers[?(@.name=='web'", "`)` is missing", ""),
        (".spec.containers[?(@.name==web)]", "put `web` in quotes", ""),
        (".spec.containers[name]", "`name` in brackets needs quotes", ""),
        (".spec.containers['web", "a quote is never closed", ""),
        (".spec.containers[]", "cannot be read", ""),
        (".spec.['']", "a text in quotes is empty", ""),
        (".spec.re plicas", "white space", ""),
        ("/apiVersion", "cannot go its own way", ""),
        ("$['kind']", "cannot go its own way", ""),
        ("/metadata/name", "is never carried", "labels and annotations"),
        (".metadata.namespace", "is never carried", "labels and annotations"),
        ("/metadata/ownerReferences/0", "is never carried", "labels and annotations"),
    ] {
        let fault = Filter::parse(written).unwrap_err();
        assert!(fault.message.contains(message), "{written}: {fault}");
        assert!(fault.hint.clone().unwrap_or_default().contains(hint), "{written}: {fault:?}");
    }
}

#[test]
fn a_filter_knows_whether_it_is_about_the_status() {
    for (written, is_status) in
        [("/status", true), (".status.phase", true), ("/spec/status", false), ("/statuses", false)]
    {
        assert_eq!(Filter::parse(written).unwrap().is_status(), is_status, "{written}");
    }
}

#[test]
fn a_filter_covers_what_lies_below_it() {
    let covers = |a: &str, b: &str| Filter::parse(a).unwrap().covers(&Filter::parse(b).unwrap());
    assert!(covers("/spec", ".spec.replicas") && covers("/spec/replicas", "{.spec.replicas}"));
    assert!(!covers("/spec/replicas", "/spec") && !covers("/spec/rep", "/spec/replicas"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[/.$a-c0-2~*?@=&'\"\\\\ ()\\[\\]{}]{0,20}|\\PC{0,16}") {
        let _ = Filter::parse(&text);
    }

    #[test]
    fn a_printed_field_path_reads_back(names in proptest::collection::vec("[a-z]{1,4}|[a-z./]{1,6}", 1..4)) {
        let path = crate::object::FieldPath::fields(names.iter().map(String::as_str));
        let steps: Vec<Step> = names.iter().map(|name| field(name)).collect();
        prop_assume!(!matches!(names[0].as_str(), "kind" | "metadata"));
        prop_assert_eq!(Filter::parse(&path.to_string()).unwrap().steps, steps);
    }
}
