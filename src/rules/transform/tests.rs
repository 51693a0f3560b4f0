use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn object() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"b": "2", "a": "1", "c": "3"}, "annotations": {"note": "hunter2"}},
        "spec": {"replicas": 3, "template": {"spec": {"containers": [
            {"name": "web", "image": "registry.io/shop/web:1.2.3", "resources": {"limits": {"memory": "512Mi"}}},
            {"name": "proxy", "image": "proxy@sha256:aa", "env": [{"name": "A", "value": "x"}]},
        ]}}},
    })
}

fn evaluate(text: &str, value: Value) -> Result<Value, String> {
    let transform = Transform::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    transform.evaluate(&value, &object()).map_err(|error| error.reason)
}

#[test]
fn a_value_is_made_of_the_field_and_of_the_object() {
    for (text, value, result) in [
        ("value", json!({"a": [1, "x", null, 1.5, true]}), json!({"a": [1, "x", null, 1.5, true]})),
        ("value.split(':')[1]", json!("web:1.2.3"), json!("1.2.3")),
        ("value > 3 ? 3 : value", json!(5), json!(3)),
        ("object.metadata.name + '-' + string(value)", json!(5), json!("web-5")),
        ("object.spec.template.spec.containers.map(c, c.name)", json!(null), json!(["web", "proxy"])),
        (
            "object.spec.template.spec.containers.filter(c, c.name == 'web')[0].image",
            json!(0),
            json!("registry.io/shop/web:1.2.3"),
        ),
        ("object.spec.template.spec.containers[0].image.split(':')[1]", json!(0), json!("1.2.3")),
        ("object['metadata']['labels']['a']", json!(0), json!("1")),
        ("value.exists(x, x > 2) && value.all(x, x > 0)", json!([1, 2, 3]), json!(true)),
        ("value.exists_one(x, x == 2)", json!([1, 2, 3]), json!(true)),
        ("has(object.spec.replicas) ? object.spec.replicas : 1", json!(0), json!(3)),
        ("has(object.spec.paused)", json!(0), json!(false)),
        ("object.spec.?paused.orValue(false)", json!(0), json!(false)),
        ("object.?spec.?replicas", json!(0), json!(3)),
        ("object.?spec.?nothing", json!(0), json!(null)),
        ("object.?nothing.deeper.orValue('x')", json!(0), json!("x")),
        (
            "object.spec.template.spec.containers.map(c, c.?env.orValue([]).map(e, e.name))",
            json!(0),
            json!([[], ["A"]]),
        ),
        ("value.map(c, c.a.b)", json!([{"a": {"b": 1}}]), json!([1])),
        ("value[?5].orValue('none')", json!(["a"]), json!("none")),
        ("optional.ofNonZeroValue(value)", json!(""), json!(null)),
        ("null", json!(0), json!(null)),
        ("{'tag': value, 'n': [1, 2u, 1.5]}", json!("v1"), json!({"tag": "v1", "n": [1, 2, 1.5]})),
        // Kubernetes.
        ("quantity(value).isGreaterThan(quantity('256Mi'))", json!("512Mi"), json!(true)),
        ("quantity(value).asInteger()", json!("2Ki"), json!(2048)),
        ("value.lowerAscii().replace('_', '-').trim()", json!(" A_B "), json!("a-b")),
        ("value.replace('a', 'b', 1)", json!("aaa"), json!("baa")),
        ("value.join(',')", json!(["a", "b"]), json!("a,b")),
        ("value.sort().distinct()", json!([2, 1, 2]), json!([1, 2])),
        ("sets.contains(value, [1])", json!([1, 2]), json!(true)),
        ("value.find('[0-9]+')", json!("v12"), json!("12")),
        ("value.matches('^v[0-9]+$')", json!("v12"), json!(true)),
        ("semver(value).major()", json!("1.2.3"), json!(1)),
        ("'%s has %d, %.2f'.format([value, 2, 1.5])", json!("web"), json!("web has 2, 1.50")),
        ("math.greatest(value, 2)", json!(1), json!(2)),
        ("url(value).getHost()", json!("https://a.b:80/c"), json!("a.b:80")),
        ("isIP(value) && ip(value).family() == 4", json!("10.0.0.1"), json!(true)),
        ("base64.encode(bytes(value))", json!("x"), json!("eA==")),
        ("string(base64.decode(value))", json!("eA=="), json!("x")),
        ("lists.range(value)", json!(3), json!([0, 1, 2])),
        ("duration(value)", json!("1h30m"), json!("5400s")),
        ("duration('-1.5s')", json!(0), json!("-1.5s")),
        ("timestamp(value) + duration('1h')", json!("2026-01-01T00:00:00Z"), json!("2026-01-01T01:00:00Z")),
        ("value", json!(18_446_744_073_709_551_615_u64), json!(18_446_744_073_709_551_615_u64)),
        // A variable of a loop hides ours.
        ("[1, 2].map(value, value * 2)", json!("x"), json!([2, 4])),
        ("[[1, 2], [3]].map(x, x.map(y, y + size(value)))", json!("ab"), json!([[3, 4], [5]])),
    ] {
        assert_eq!(evaluate(text, value), Ok(result), "{text}");
    }
}

#[test]
fn maps_are_gone_through_in_the_order_of_their_keys() {
    let labels: Value = (0..40).map(|n| (format!("k{n:02}"), json!(n))).collect::<serde_json::Map<_, _>>().into();
    let sorted: Vec<String> = (0..40).map(|n| format!("k{n:02}")).collect();
    for _ in 0..20 {
        assert_eq!(evaluate("value.map(k, k)", labels.clone()), Ok(json!(sorted)));
        let keys = evaluate("value", labels.clone()).unwrap();
        assert_eq!(keys.as_object().unwrap().keys().cloned().collect::<Vec<_>>(), sorted);
        assert!(evaluate("'%s'.format([value])", labels.clone()).is_err(), "a map has no order to be printed in");
    }
}

#[test]
fn every_known_function_is_one_of_the_library() {
    let macros = ["all", "exists", "exists_one", "filter", "map", "has"];
    for name in known::FUNCTIONS.iter().filter(|name| !macros.contains(name)) {
        let text = if name.contains('.') { format!("{name}()") } else { format!("value.{name}()") };
        let reason = evaluate(&text, json!(0)).err().unwrap_or_default();
        assert!(!reason.contains("is not known"), "{text}: {reason}");
    }
    assert!(known::FUNCTIONS.is_sorted());
}

#[test]
fn what_can_never_work_is_refused_when_the_rules_load() {
    for (text, message, hint, at) in [
        ("", "the expression is empty", "leave `transform` out", None),
        ("value +", "not CEL", "for example", Some((1, 8))),
        ("value.split(':'", "not CEL", "", Some((1, 16))),
        ("value\n  ++ 1", "not CEL", "", Some((2, 4))),
        ("vale > 1", "`vale` is no variable", "did you mean `value`?", Some((1, 1))),
        ("value > self", "`self` is no variable", "`object` the live object", Some((1, 9))),
        ("value.spilt(':')", "`spilt` is no function", "did you mean `split`?", Some((1, 7))),
        ("math.grates(1)", "`math.grates` is no function", "did you mean `math.greatest`?", Some((1, 1))),
        ("value.map(x, y)", "`y` is no variable", "", Some((1, 14))),
        ("[1].map(x, x) + x", "`x` is no variable", "", None),
        ("Pod{name: 'x'}", "makes a message", "write a map", None),
    ] {
        let refusal = Transform::compile(text).unwrap_err();
        assert!(refusal.fault.message.contains(message), "{text}: {refusal:?}");
        assert!(refusal.fault.hint.clone().unwrap_or_default().contains(hint), "{text}: {refusal:?}");
        assert!(at.is_none() || refusal.at == at, "{text}: {refusal:?}");
    }
}

#[test]
fn a_failure_names_the_reason_and_no_value() {
    for (text, value, reason) in [
        ("value.split(':')[9]", json!("hunter2"), "fewer items"),
        ("value[9]", json!(["hunter2"]), "fewer items"),
        ("int(value)", json!("hunter2"), "`int` cannot take"),
        ("quantity(value)", json!("hunter2"), "`quantity` cannot take"),
        ("value + 1", json!("hunter2"), ""),
        ("-value", json!("hunter2"), ""),
        ("value.missing", json!({"hunter2": 1}), "there is no `missing`"),
        ("{'a': 1}[value]", json!("hunter2"), "no such key"),
        ("object.metadata.labels.hunter", json!(0), "there is no `hunter`"),
        ("value < 1", json!("hunter2"), ""),
        ("1 / value", json!(0), "divides by zero"),
        ("value * 9223372036854775807", json!(2), "too large"),
        ("value.matches('(')", json!("hunter2"), ""),
        ("timestamp(value)", json!("hunter2"), ""),
        ("value.join()", json!(["hunter2", 1]), ""),
        ("bytes(value)", json!("hunter2"), "base64.encode"),
        ("quantity(value)", json!("1Gi"), "asInteger()"),
        ("value / 0.0", json!(1.0), "no finite number"),
        ("semver(value)", json!("1.2.3"), "major()"),
        ("'%.999999999f'.format([1.0])", json!(0), "at most 100 digits"),
        ("value.substring(1, 99)", json!("hunter2"), ""),
        ("value.charAt(99)", json!("hunter2"), ""),
        ("value ? 1 : 2", json!("hunter2"), ""),
        ("math.bitShiftLeft(1, value)", json!(9_000), ""),
        ("lists.range(-1)", json!(0), ""),
        ("value.slice(3, 1)", json!(["hunter2"]), ""),
        ("value.size(1, 2, 3)", json!("hunter2"), ""),
        ("split()", json!("hunter2"), ""),
        // The library alone takes this for false.
        ("value.name", json!("hunter2"), "a type that it does not take"),
        ("[value].map(x, x.name)[0]", json!("hunter2"), "a type that it does not take"),
        ("[value].map(x, x.nam)[0]", json!({"hunter2": 1}), "there is no `nam`"),
    ] {
        let transform = Transform::parse(text).unwrap();
        match transform.evaluate(&value, &object()) {
            Err(error) => {
                assert!(error.reason.contains(reason), "{text}: {error}");
                assert!(!error.to_string().contains("hunter2") && error.to_string().contains(text), "{error}");
            }
            Ok(result) => assert!(reason.is_empty(), "{text}: {result}"),
        }
    }
}

#[test]
fn hostile_expressions_end_soon() {
    let tens = "[0,1,2,3,4,5,6,7,8,9]";
    let nested = |body: &str| {
        ["a", "b", "c", "d", "e", "f", "g", "h"]
            .iter()
            .fold(body.to_owned(), |body, name| format!("{tens}.map({name}, {body})"))
    };
    let hiding = ["a", "b", "c", "d", "e", "f", "g", "h"].iter().fold("1 / 0 == 1".to_owned(), |body, name| {
        format!("lists.range(50000).exists({name}, {body} || {body})").chars().take(4000).collect()
    });
    let doubling =
        (0..8).fold("value".to_owned(), |text, _| format!("[{text}].map(x, x + x + x + x + x + x + x + x)[0]"));
    let replacing = (0..12).fold("value".to_owned(), |text, _| format!("{text}.replace('a', 'aaaaaaaaaaaaaaaa')"));
    let joining = "lists.range(100000).map(x, value).join(value)".to_owned();
    for text in [
        nested("0"),
        nested("[h, h]"),
        "[0].map(x, lists.range(1000000000))".to_owned(),
        "lists.range(40000).exists(a, lists.range(40000).exists(b, lists.range(40000).exists(c, 1 / 0 == 1)))"
            .to_owned(),
        "lists.range(40000).all(a, lists.range(40000).all(b, true))".to_owned(),
        "lists.range(20000).distinct()".to_owned(),
        "sets.equivalent(lists.range(20000), lists.range(20000))".to_owned(),
        "lists.range(100000).map(x, object)".to_owned(),
        "lists.range(100000).map(x, size(value))".to_owned(),
        "lists.range(100000).filter(x, value.matches('(a{1000}){1000}'))".to_owned(),
        "lists.range(100000).filter(x, value.matches('(a|b|ab)*c'))".to_owned(),
        "lists.range(100000).map(x, value.findAll('a'))".to_owned(),
        joining,
        doubling,
        replacing,
    ]
    .into_iter()
    .chain(Transform::parse(&hiding).is_ok().then_some(hiding))
    {
        let start = Instant::now();
        let transform = match Transform::parse(&text) {
            Ok(transform) => transform,
            Err(fault) => panic!("{fault}: {text}"),
        };
        let result = transform.evaluate(&json!("ab".repeat(500)), &object());
        let took = start.elapsed();
        assert!(result.is_err(), "{text}");
        // Its own bound is 2 s, and one call of the library.
        assert!(took < Duration::from_secs(20), "{took:?} {text}");
    }
}

#[test]
fn deep_and_long_expressions_are_refused_or_read() {
    for text in [
        "(".repeat(4000),
        format!("{}1{}", "(".repeat(1500), ")".repeat(1500)),
        "[".repeat(4000),
        format!("{}{}", "[".repeat(2000), "]".repeat(2000)),
        format!("{}true", "!".repeat(4000)),
        format!("{}1", "-".repeat(4000)),
        format!("1{}", "+1".repeat(2000)),
        format!("true{}", "?1:true".repeat(500)),
        format!("value{}", ".a".repeat(2000)),
        format!("value{}", "[0]".repeat(1300)),
        format!("value{}", ".size()".repeat(500)),
        format!("true{}", "||true".repeat(600)),
        format!("{}1{}", "{1:".repeat(1000), "}".repeat(1000)),
        format!("{}1{}", "[1].map(x,".repeat(350), ")".repeat(350)),
        "a".repeat(5000),
        "\"".to_owned(),
        "'\\".to_owned(),
        "\0".to_owned(),
        "é".to_owned(),
    ] {
        let start = Instant::now();
        // On a stack as small as that of a test or a worker.
        if let Ok(transform) = Transform::parse(&text) {
            let _ = transform.evaluate(&json!(1), &json!({}));
        }
        // Seconds on a machine of its own; what would not end takes hours.
        assert!(start.elapsed() < Duration::from_secs(120), "{:?} {text}", start.elapsed());
    }
}

#[test]
fn the_deepest_expressions_are_evaluated_on_a_small_stack() {
    let shapes: [(&str, &str, &str); 9] = [
        ("[1].map(x, ", "1", ")"),
        ("[1].exists(x, ", "true", ")"),
        ("[1].filter(x, size([1].filter(x, x == ", "1", ")) > 0)"),
        ("1 + ", "1", ""),
        ("", "1", " + 1"),
        ("size([", "1", "]) + 1"),
        ("true ? ", "1", " : 2"),
        ("{'a': ", "1", "}"),
        ("string(", "1", ")"),
    ];
    for (open, middle, close) in shapes {
        // At the bound, and at that of what needs no thread of its own.
        let nested = move |depth: usize| format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
        let deepest = (1..100).take_while(|depth| Transform::parse(&nested(*depth)).is_ok()).last().unwrap();
        let work = move || {
            let result = Transform::parse(&nested(deepest)).unwrap().evaluate(&json!(1), &json!({}));
            eprintln!("{:?}", result.map(|_| ()));
        };
        std::thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap().join().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_expression_makes_it_panic(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("value"), Just("object"), Just("."), Just("metadata"), Just("("), Just(")"), Just("[0]"), Just("'a'"),
                Just(" + "), Just("["), Just("]"), Just(","), Just(".map(x, "), Just("x"), Just(".split("), Just("int("),
                Just("1"), Just(" ? "), Just(" : "), Just(".size()"), Just("substring(1)"), Just(" in "), Just("{"), Just("}"),
            ],
            1..12,
        ),
    ) {
        if let Ok(transform) = Transform::parse(&pieces.concat()) {
            let _ = transform.evaluate(&json!("äöü"), &object());
            let _ = transform.evaluate(&json!([{"a": 1}]), &object());
        }
    }
}
