//! The vectors of apimachinery's `labels` tests, and properties.

use proptest::prelude::*;

use super::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn matches(selector: &str, pairs: &[(&str, &str)]) -> bool {
    Selector::parse(selector).unwrap().matches(&labels(pairs))
}

#[test]
fn what_kubernetes_takes_is_taken() {
    for text in [
        "",
        "x=a,y=b,z=c",
        "x!=a,y=b",
        "x=",
        "x= ",
        "x=,z= ",
        "x= ,z= ",
        "x==",
        "!x",
        "x>1",
        "x>1,z<5",
        "x in ()",
        "x in (,)",
        "x in (,a)",
        "x in (a,,b)",
        "this-is-a-dns.domain.com/key-with-dash",
        "this-is-another-dns.domain.com/key-with-dash in (so,what)",
        "0.1.2.domain/99 notin (10.10.100.1, tick.tack.clock)",
        "foo=blah,bar=baz,baz!= bar",
        "!none-of-this,x notin (a,b),y",
        "notin",
        "in",
        "in in (in,notin)",
        "x=notin",
        "!in",
        "  a  \n in\t( b ,c ) ",
    ] {
        assert!(Selector::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn what_kubernetes_refuses_is_refused() {
    for text in [
        "x=a||y=b",
        "x==a==b",
        "!x=a",
        "x<a",
        "x>1.5",
        "x in a",
        "x in (a",
        "x in (a b)",
        "x in (in in)",
        "x y",
        "x,",
        ",x",
        "x,,y",
        "=a",
        "!",
        "!!x",
        "x!a",
        "x=(a)",
        "(a)",
        "x=a)",
        "-x=a",
        "x-=a",
        "x=-a",
        "x=a:b",
        "a/b/c=d",
        "/b=c",
        "a/=c",
        "A/b=c",
        "a_b/c=d",
        "ä=b",
        "x in ((a))",
        "x in (a=b)",
    ] {
        assert!(Selector::parse(text).is_err(), "{text}");
    }
    let long = "a".repeat(64);
    assert!(Selector::parse(&long).is_err() && Selector::parse(&format!("a={long}")).is_err());
    assert!(Selector::parse(&format!("{}/b", "a.".repeat(127))).is_err());
}

#[test]
fn selectors_answer_as_kubernetes_does() {
    for (selector, pairs, wanted) in [
        ("", &[("x", "y")] as &[_], true),
        ("x=y", &[("x", "y")], true),
        ("x=y,z=w", &[("x", "y"), ("z", "w")], true),
        ("x!=y,z!=w", &[("x", "z"), ("z", "a")], true),
        ("notin=in", &[("notin", "in")], true),
        ("x", &[("x", "z")], true),
        ("!x", &[("y", "z")], true),
        ("x>1", &[("x", "2")], true),
        ("x<1", &[("x", "0")], true),
        ("x=z", &[], false),
        ("x=y", &[("x", "z")], false),
        ("x=y,z=w", &[("x", "w"), ("z", "w")], false),
        ("x!=y,z!=w", &[("x", "z"), ("z", "w")], false),
        ("x", &[("y", "z")], false),
        ("!x", &[("x", "z")], false),
        ("x>1", &[("x", "0")], false),
        ("x>1", &[("x", "text")], false),
        ("x>1", &[], false),
        ("x<1", &[("x", "2")], false),
        // A missing label is not an empty one.
        ("x=", &[], false),
        ("x=", &[("x", "")], true),
        ("x==", &[("x", "")], true),
        ("x!=", &[], true),
        ("x!=a", &[], true),
        ("x notin (a,b)", &[], true),
        ("x notin (a,b)", &[("x", "b")], false),
        ("x in (a,b)", &[("x", "b")], true),
        ("x in (a,b)", &[], false),
        ("x in ()", &[("x", "")], true),
        ("x in (,a)", &[("x", "")], true),
        ("x in (a)", &[("x", "")], false),
        ("foo=bar,baz=blah", &[("foo", "bar")], false),
        ("foo in (a,b),!baz", &[("foo", "a"), ("baz", "")], false),
    ] {
        assert_eq!(matches(selector, pairs), wanted, "{selector} {pairs:?}");
    }
}

#[test]
fn selectors_print_in_one_form() {
    for (text, printed) in [
        ("z=c,x=a , y = b", "x=a,y=b,z=c"),
        ("x==a", "x=a"),
        ("x notin (b, a)", "x notin (a,b)"),
        ("x in ()", "x in ()"),
        ("x in (,a)", "x in (,a)"),
        ("! x, y", "!x,y"),
        ("x>1,x<5", "x>1,x<5"),
    ] {
        assert_eq!(Selector::parse(text).unwrap().to_string(), printed);
    }
}

#[test]
fn advice_names_what_people_mean() {
    for (text, hint) in [
        ("app: web", "write `key=value`"),
        ("a=b||c=d", "requirements are joined by commas and must all hold; for `or` write two rules, or `a in (b,c)`"),
        ("a in b", "values of `in` and `notin` stand in brackets: a in (b,c)"),
        ("a<b", "`<` and `>` compare whole numbers"),
    ] {
        assert_eq!(Selector::parse(text).unwrap_err().hint.as_deref(), Some(hint), "{text}");
    }
}

/// 800 random texts, with what `labels.Parse` and `Matches` of apimachinery 0.36.3 say: one digit for each set of labels,
/// or null for a text that is refused.
#[test]
fn random_texts_are_answered_as_apimachinery_answers_them() {
    #[derive(serde::Deserialize)]
    struct Recorded {
        labels: Vec<Labels>,
        selectors: Vec<(String, Option<String>)>,
    }
    let recorded: Recorded =
        serde_json::from_str(include_str!("../../../tests/fixtures/rules/selectors.json")).unwrap();
    assert_eq!(recorded.selectors.len(), 800);
    for (text, expected) in recorded.selectors {
        let answers = |selector: Selector| -> String {
            recorded.labels.iter().map(|labels| if selector.matches(labels) { '1' } else { '0' }).collect()
        };
        assert_eq!(Selector::parse(&text).ok().map(answers), expected, "{text:?}");
    }
}

fn word() -> impl Strategy<Value = String> {
    "[a-c]([-_.a-c0-2]{0,3}[a-c0-2])?"
}

fn requirement() -> impl Strategy<Value = String> {
    let key = prop_oneof![word(), Just("in".to_owned()), Just("dns.io/key".to_owned())];
    let value = prop_oneof![word(), Just(String::new()), Just("notin".to_owned())];
    let values = proptest::collection::vec(value.clone(), 0..3).prop_map(|values| values.join(","));
    (key, value, values, -9i64..9, 0..8).prop_map(|(key, value, values, number, form)| match form {
        0 => format!("{key}={value}"),
        1 => format!("{key} == {value}"),
        2 => format!("{key}!={value}"),
        3 => format!("{key} in ({values})"),
        4 => format!("{key} notin ({values})"),
        5 => key,
        6 => format!("!{key}"),
        // A negative number is no value of a label.
        _ => format!("{key}>{}", number.abs()),
    })
}

proptest! {
    #[test]
    fn a_printed_selector_reads_back_the_same(parts in proptest::collection::vec(requirement(), 0..4)) {
        let selector = Selector::parse(&parts.join(",")).unwrap();
        prop_assert_eq!(Selector::parse(&selector.to_string()).unwrap(), selector);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-a-b/.=!<>(), \t]{0,16}|\\PC{0,12}") {
        let _ = Selector::parse(&text);
    }

    #[test]
    fn a_covering_selector_matches_what_the_other_matches(
        wide in proptest::collection::vec(requirement(), 0..2),
        more in proptest::collection::vec(requirement(), 0..2),
        pairs in proptest::collection::btree_map(word(), word(), 0..4),
    ) {
        let narrow = Selector::parse(&[wide.clone(), more].concat().join(",")).unwrap();
        let wide = Selector::parse(&wide.join(",")).unwrap();
        prop_assert!(wide.covers(&narrow));
        prop_assert!(!narrow.matches(&pairs) || wide.matches(&pairs));
    }
}
