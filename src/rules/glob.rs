//! Owns patterns over names of objects and namespaces: `*` is any text, `?` one character. Must never take more than
//! linear memory, nor exponential time.

use std::fmt;

use super::problem::Fault;

/// A pattern. The whole name must match; case matters.
#[derive(Clone, PartialEq, Eq)]
pub struct Glob(Box<str>);

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// When it is empty or holds what no name of an object can hold.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.is_empty() {
            return Err(
                Fault::new("an empty pattern matches nothing").hint("write '*' for any name, or leave the key out")
            );
        }
        let foreign =
            |c: &char| c.is_control() || c.is_whitespace() || matches!(c, '/' | '%' | '[' | ']' | '{' | '}' | ',');
        match text.chars().find(foreign) {
            None => Ok(Self(text.into())),
            Some(',') => {
                Err(Fault::new(format!("`{text}`: no name holds a comma")).hint("write each pattern as its own item"))
            }
            Some('/') => {
                let fault = Fault::new(format!("`{text}`: no name holds a `/`"));
                Err(fault.hint("`names` are names only; the namespace belongs into `namespaces`"))
            }
            Some(c) => Err(Fault::new(format!("`{text}`: no name holds {c:?}")).hint("patterns know `*` and `?` only")),
        }
    }

    /// Reads a pattern over field managers, whose names may hold more than those of objects.
    ///
    /// # Errors
    ///
    /// When it is empty or holds a control character.
    pub fn parse_manager(text: &str) -> Result<Self, Fault> {
        if text.is_empty() || text.contains(char::is_control) {
            let fault = Fault::new(format!("`{text}` names no field manager"));
            return Err(fault.hint("for example argocd-controller, helm or 'flux-*'"));
        }
        Ok(Self(text.into()))
    }

    /// Whether `name` as a whole fits.
    pub fn matches(&self, name: &str) -> bool {
        // Only the latest `*` is ever returned to: what an earlier one could take, that one can take too.
        let (mut pattern, mut rest) = (self.0.chars(), name.chars());
        let mut retry = None;
        loop {
            let mut after = pattern.clone();
            match (after.next(), rest.clone().next()) {
                (Some('*'), _) => {
                    retry = Some((after.clone(), rest.clone()));
                    pattern = after;
                    continue;
                }
                (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                    rest.next();
                    pattern = after;
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            let Some((after_star, mut from)) = retry.take() else { return false };
            if from.next().is_none() {
                return false;
            }
            pattern = after_star.clone();
            rest = from.clone();
            retry = Some((after_star, from));
        }
    }

    /// Whether it is a name and not a pattern.
    pub fn is_exact(&self) -> bool {
        !self.0.contains(['*', '?'])
    }

    /// Whether everything that `other` matches is matched. May say no where the answer is yes.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self == other || *self.0 == *"*" || other.is_exact() && self.matches(&other.0)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_and_question_marks_match() {
        for (pattern, name, matches) in [
            ("*", "", true),
            ("*", "web", true),
            ("web", "web", true),
            ("web", "web-1", false),
            ("Web", "web", false),
            ("web-*", "web-", true),
            ("*-web", "a-web", true),
            ("*-web", "a-web-1", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("w?b", "web", true),
            ("w?b", "wb", false),
            ("?", "ä", true),
            ("system:*", "system:node", true),
            ("**", "x", true),
        ] {
            assert_eq!(Glob::parse(pattern).unwrap().matches(name), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn what_no_name_can_hold_is_refused() {
        for text in ["", "a b", "a/b", "a,b", "[ab]", "a\n"] {
            assert!(Glob::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_pattern_covers_what_it_surely_covers() {
        let covers = |a: &str, b: &str| Glob::parse(a).unwrap().covers(&Glob::parse(b).unwrap());
        assert!(covers("*", "a-*") && covers("a-*", "a-*") && covers("a-*", "a-b"));
        assert!(!covers("a-*", "*") && !covers("a", "a-b"));
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = Glob::parse(&format!("{}b", "*a".repeat(500))).unwrap();
        assert!(!pattern.matches(&"a".repeat(5_000)));
    }

    /// The definition, word for word.
    fn by_definition(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|taken| by_definition(rest, &name[taken..])),
            Some((wanted, rest)) => {
                name.split_first().is_some_and(|(c, name)| (*wanted == '?' || wanted == c) && by_definition(rest, name))
            }
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_definition(pattern in "[ab*?]{1,8}", name in "[ab]{0,8}") {
            let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(Glob::parse(&pattern).unwrap().matches(&name), by_definition(&p, &n));
        }
    }
}
