//! Owns the checks of single values of a rules file that have no grammar of their own. Must never repeat a URL in a
//! message.

use crate::object::RepoPath;

use super::problem::Fault;
use super::rule::UrlText;

/// A URL of any kind; whether it can be used is for the repository to say.
pub(super) fn git_url(text: &str) -> Result<UrlText, Fault> {
    let text = text.trim();
    if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(Fault::new("the URL holds white space"));
    }
    Ok(UrlText(text.to_owned()))
}

/// A branch by its short name, as `git check-ref-format --branch` allows it.
pub(super) fn branch(text: &str) -> Result<String, Fault> {
    if let Some(short) = text.strip_prefix("refs/heads/") {
        return Err(Fault::new(format!("`{text}` is a reference")).hint(format!("did you mean `{short}`?")));
    }
    let foreign = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let bad_segment = |segment: &str| {
        segment.is_empty() || segment.starts_with('.') || segment.ends_with(".lock") || segment.ends_with('.')
    };
    let refused = text.contains(foreign)
        || text.contains("..")
        || text.contains("@{")
        || text.starts_with('-')
        || matches!(text, "@" | "HEAD")
        || text.split('/').any(bad_segment);
    if refused { Err(Fault::new(format!("`{text}` is no name of a branch"))) } else { Ok(text.to_owned()) }
}

/// A folder of the repository, in its shortest form; `.` is the repository's root.
pub(super) fn folder(text: &str) -> Result<String, Fault> {
    if text.starts_with('/') {
        let relative = text.trim_matches('/');
        let hint = if relative.is_empty() { ".".to_owned() } else { relative.to_owned() };
        let fault = Fault::new(format!("`{text}` is absolute; gitPath starts at the repository's root"));
        return Err(fault.hint(format!("did you mean `{hint}`?")));
    }
    let mut path = text;
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    let path = path.trim_end_matches('/');
    if path.is_empty() || path == "." {
        return Ok(".".to_owned());
    }
    match RepoPath::parse(path) {
        Ok(path) => Ok(path.as_str().to_owned()),
        Err(error) => Err(Fault::new(error.to_string())),
    }
}

/// Text of a commit's author: Git's own format has no place for `<`, `>` and line ends.
pub(super) fn person(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    if text.is_empty() || text.contains(|c: char| c.is_control() || c == '<' || c == '>') {
        return Err(Fault::new("a commit's author is not empty and holds no `<`, `>` or line end"));
    }
    Ok(text.to_owned())
}

/// A name of a rule.
pub(super) fn name(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 63 || text.contains(char::is_control) {
        return Err(Fault::new("a name has 1 to 63 characters and no control characters"));
    }
    Ok(text.to_owned())
}

/// An API group without its version.
pub(super) fn api_group(text: &str) -> Result<String, Fault> {
    let fault = Fault::new(format!("`{text}` is no API group"));
    if let Some((group, _)) = text.split_once('/') {
        return Err(fault.hint(format!("versions do not matter: write `{group}`")));
    }
    if text == "core" || text == "v1" {
        return Err(fault.hint("the core group is written \"\""));
    }
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    if text.is_empty() || text == "*" || text.bytes().all(is_part) {
        return Ok(text.to_owned());
    }
    let lower = text.to_lowercase();
    let hint = if lower.bytes().all(is_part) {
        format!("did you mean `{lower}`?")
    } else {
        "write it as in `apiVersion`, or '*' for any; there are no patterns".to_owned()
    };
    Err(fault.hint(hint))
}

/// A name of a kind: plural, singular, kind, short name, `plural.group`, or `*`.
pub(super) fn resource(text: &str) -> Result<String, Fault> {
    let fault = Fault::new(format!("`{text}` names no kind"));
    if text.is_empty() {
        return Err(fault.hint("for any kind leave `resources` out"));
    }
    if let Some((kind, part)) = text.split_once('/') {
        let field = if part == "scale" { "/spec/replicas" } else { "/status" };
        return Err(fault.hint(format!("subresources are fields: write `{kind}` and filters: [{field}]")));
    }
    if text == "*" || text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.') {
        return Ok(text.to_owned());
    }
    let hint = if text.contains([',', ' ']) {
        "write each kind as its own item"
    } else {
        "there are no patterns: name each kind, or write '*' for any"
    };
    Err(fault.hint(hint))
}

/// A number of bytes, also as `512Ki`, `4Mi`, `1Gi`; from 1 to `most`.
pub(super) fn bytes(text: &str, most: usize) -> Result<usize, Fault> {
    let unit = |suffix: &str, shift: u32| text.strip_suffix(suffix).map(|number| (number, 1usize << shift));
    let (number, factor) = unit("Ki", 10).or_else(|| unit("Mi", 20)).or_else(|| unit("Gi", 30)).unwrap_or((text, 1));
    let bytes = number.trim_end().parse::<usize>().ok().and_then(|number| number.checked_mul(factor));
    match bytes {
        Some(bytes) if (1..=most).contains(&bytes) => Ok(bytes),
        Some(_) => Err(Fault::new(format!("`{text}` is not between 1 byte and {}Mi", most >> 20))),
        None => Err(Fault::new(format!("`{text}` is no number of bytes")).hint("for example 4194304 or 4Mi")),
    }
}

/// A whole number from 1 to `most`.
pub(super) fn count(text: &str, most: usize) -> Result<usize, Fault> {
    match text.parse() {
        Ok(count) if (1..=most).contains(&count) => Ok(count),
        _ => Err(Fault::new(format!("`{text}` is no whole number from 1 to {most}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_a_password_is_known_and_never_printed() {
        for url in
            ["git@github.com:justinbarrick/manifests.git", "ssh://git@host:2222/x.git", "https://bot@host:8443/x@y.git"]
        {
            let parsed = git_url(url).unwrap();
            assert!(!parsed.holds_password() && parsed.to_string() == url && &*parsed == url, "{url}");
        }
        for url in ["https://bot:secret@host/x", "https://bot:se/cret@host/x", "https://:secret@host/x"] {
            let parsed = git_url(url).unwrap();
            assert!(parsed.holds_password() && !format!("{parsed} {parsed:?}").contains("cret"), "{url}");
        }
        assert!(git_url("https://a b").is_err());
    }

    #[test]
    fn branches_are_checked_as_git_checks_them() {
        for name in ["main", "feature/x", "v1.2", "a-b", "a@b"] {
            assert!(branch(name).is_ok(), "{name}");
        }
        for name in
            ["", "a b", "-x", "a..b", "a.lock", ".a", "a/", "/a", "a//b", "a~1", "a@{1}", "HEAD", "@", "a.", "a\n"]
        {
            assert!(branch(name).is_err(), "{name:?}");
        }
        assert_eq!(branch("refs/heads/main").unwrap_err().hint.as_deref(), Some("did you mean `main`?"));
    }

    #[test]
    fn folders_have_one_form() {
        for (text, form) in
            [("", "."), (".", "."), ("./", "."), ("./a/b/", "a/b"), ("././a", "a"), ("clusters/prod", "clusters/prod")]
        {
            assert_eq!(folder(text).as_deref(), Ok(form), "{text}");
        }
        for text in ["/a", "..", "a/../b", "a//b", ".git", "a/.GIT/b", "a\tb"] {
            assert!(folder(text).is_err(), "{text}");
        }
        assert_eq!(folder("/clusters/prod").unwrap_err().hint.as_deref(), Some("did you mean `clusters/prod`?"));
    }

    #[test]
    fn groups_kinds_and_numbers_are_checked() {
        for group in ["", "*", "apps", "snapshot.storage.k8s.io"] {
            assert!(api_group(group).is_ok(), "{group}");
        }
        for (group, hint) in [
            ("apps/v1", "versions do not matter: write `apps`"),
            ("v1", "the core group is written \"\""),
            ("Apps", "did you mean `apps`?"),
            ("*.k8s.io", "write it as in `apiVersion`, or '*' for any; there are no patterns"),
        ] {
            assert_eq!(api_group(group).unwrap_err().hint.as_deref(), Some(hint));
        }
        for kind in ["*", "deployments", "Deployment", "deploy", "deployments.apps"] {
            assert!(resource(kind).is_ok(), "{kind}");
        }
        for kind in ["", "deployments/scale", "volume*", "a,b", "a b"] {
            assert!(resource(kind).is_err(), "{kind}");
        }
        assert_eq!(bytes("4Mi", 1 << 30), Ok(4 << 20));
        assert_eq!(bytes("512", 1 << 30), Ok(512));
        for text in ["0", "-1", "4M", "", "2Gi", "99999999999999999999"] {
            assert!(bytes(text, 1 << 30).is_err(), "{text}");
        }
        assert_eq!(count("7", 9), Ok(7));
        assert!(count("0", 9).is_err() && count("10", 9).is_err() && count("x", 9).is_err());
    }
}
