//! Owns the names that people give on the command line and their form. Must never know where they are used.

use std::fmt;
use std::str::FromStr;

/// Longest name of an instance, so that `kubeferry:NAMESPACE/NAME` fits the 128 bytes of a field manager.
const INSTANCE_MAX: usize = 54;
/// Longest DNS label.
const LABEL_MAX: usize = 63;
/// Longest DNS subdomain.
const SUBDOMAIN_MAX: usize = 253;

/// Why a name does not have the right form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("it is empty")]
    Empty,
    /// Longer than Kubernetes allows.
    #[error("it has {0} characters; at most {1} are allowed")]
    Long(usize, usize),
    /// Not a DNS label.
    #[error("use lower-case letters, digits and `-`, beginning and ending with a letter or digit")]
    Label,
    /// Not two names.
    #[error("write NAMESPACE/NAME")]
    Pair,
    /// Not one or two names.
    #[error("write NAME or NAMESPACE/NAME")]
    Object,
}

fn label(text: &str, max: usize) -> Result<&str, NameError> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    match text {
        "" => Err(NameError::Empty),
        _ if text.len() > max => Err(NameError::Long(text.chars().count(), max)),
        _ if text.starts_with('-') || text.ends_with('-') => Err(NameError::Label),
        _ if !text.bytes().all(|byte| inner(byte) || byte == b'-') => Err(NameError::Label),
        _ => Ok(text),
    }
}

fn subdomain(text: &str) -> Result<&str, NameError> {
    match text.len() {
        0 => Err(NameError::Empty),
        length if length > SUBDOMAIN_MAX => Err(NameError::Long(length, SUBDOMAIN_MAX)),
        _ => text
            .split('.')
            .try_for_each(|part| label(part, SUBDOMAIN_MAX).map(drop))
            .map_err(|_| NameError::Label)
            .map(|()| text),
    }
}

/// Name of an instance: a DNS label of at most 54 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceName(String);

impl InstanceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InstanceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        label(text, INSTANCE_MAX).map(|text| Self(text.to_owned()))
    }
}

/// Name of a namespace: a DNS label of at most 63 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceName(String);

impl NamespaceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NamespaceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        label(text, LABEL_MAX).map(|text| Self(text.to_owned()))
    }
}

/// `NAMESPACE/NAME`: a ConfigMap, or the identity of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespacedName {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl FromStr for NamespacedName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (namespace, name) = text.split_once('/').ok_or(NameError::Pair)?;
        Ok(Self { namespace: label(namespace, LABEL_MAX)?.to_owned(), name: subdomain(name)?.to_owned() })
    }
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// `[NAMESPACE/]NAME` of any object. Names of some kinds hold `:` and capitals, so only what no kind allows is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// Namespace; none for a cluster-scoped object.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl FromStr for ObjectName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(label(namespace, LABEL_MAX)?.to_owned()), name),
            None => (None, text),
        };
        match name {
            "" => Err(NameError::Empty),
            "." | ".." => Err(NameError::Object),
            _ if name.contains(|character: char| "/%".contains(character) || character.is_control()) => {
                Err(NameError::Object)
            }
            _ => Ok(Self { namespace, name: name.to_owned() }),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_names_are_dns_labels_of_at_most_54_characters() {
        for good in ["a", "prod-1", "0", &"n".repeat(54)] {
            assert_eq!(good.parse::<InstanceName>().unwrap().as_str(), good);
        }
        assert_eq!("".parse::<InstanceName>(), Err(NameError::Empty));
        assert_eq!("n".repeat(55).parse::<InstanceName>(), Err(NameError::Long(55, 54)));
        for bad in ["-a", "a-", "A", "a.b", "a/b", "ä"] {
            assert_eq!(bad.parse::<InstanceName>(), Err(NameError::Label), "{bad}");
        }
        assert_eq!("n".repeat(63).parse::<NamespaceName>().unwrap().as_str().len(), 63);
    }

    #[test]
    fn pairs_need_both_names() {
        let pair: NamespacedName = "team-a/rules.prod".parse().unwrap();
        assert_eq!(
            (pair.namespace.as_str(), pair.name.as_str(), pair.to_string()),
            ("team-a", "rules.prod", "team-a/rules.prod".into())
        );
        for bad in ["x", "/x", "x/", "x/y/z", "x/.y", "X/y"] {
            assert!(bad.parse::<NamespacedName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn objects_may_have_names_that_only_rbac_allows() {
        let name: ObjectName = "system:controller:X".parse().unwrap();
        assert_eq!((name.namespace, name.name.as_str()), (None, "system:controller:X"));
        assert_eq!("shop/web".parse::<ObjectName>().unwrap().namespace.as_deref(), Some("shop"));
        for bad in ["", "a/", "/a", "a/b/c", "..", "a%2f"] {
            assert!(bad.parse::<ObjectName>().is_err(), "{bad}");
        }
    }
}
