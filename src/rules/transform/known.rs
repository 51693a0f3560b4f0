//! Owns the names that an expression may use. Must never let an expression load that could only ever fail.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{CallExpr, EntryExpr, Expr};

use super::super::problem::{Fault, nearest};
use super::Refusal;

/// Deepest expression: evaluation is recursive.
const DEPTH: usize = 48;

/// The variables.
pub(super) const VARIABLES: [&str; 2] = ["value", "object"];

/// Macros, and the functions of CEL and of Kubernetes. A test asks the library for each.
#[rustfmt::skip]
pub(super) const FUNCTIONS: &[&str] = &[
    "add", "all", "asApproximateFloat", "asInteger", "base64.decode", "base64.encode", "bytes", "charAt", "cidr",
    "compareTo", "contains", "containsCIDR", "containsIP", "distinct", "double", "duration", "endsWith", "exists",
    "exists_one", "family", "filter", "find", "findAll", "first", "flatten", "format", "getDate", "getDayOfMonth",
    "getDayOfWeek", "getDayOfYear", "getEscapedPath", "getFullYear", "getHost", "getHostname", "getHours",
    "getMilliseconds", "getMinutes", "getMonth", "getPort", "getQuery", "getScheme", "getSeconds", "has", "hasValue",
    "indexOf", "int", "ip", "ip.isCanonical", "isCIDR", "isCIDRv4", "isCIDRv6", "isGlobalUnicast", "isGreaterThan",
    "isIP", "isIPv4", "isIPv6", "isInteger", "isLessThan", "isLinkLocalMulticast", "isLinkLocalUnicast", "isLoopback",
    "isQuantity", "isSemver", "isSorted", "isURL", "isUnspecified", "join", "last", "lastIndexOf", "lists.range",
    "lowerAscii", "major", "map", "masked", "matches", "math.abs", "math.bitAnd", "math.bitNot", "math.bitOr",
    "math.bitShiftLeft", "math.bitShiftRight", "math.bitXor", "math.ceil", "math.floor", "math.greatest",
    "math.isFinite", "math.isInf", "math.isNaN", "math.least", "math.round", "math.sign", "math.sqrt", "math.trunc",
    "max", "min", "minor", "optional.none", "optional.of", "optional.ofNonZeroValue", "or", "orValue", "patch",
    "prefixLength", "quantity", "replace", "reverse", "semver", "sets.contains", "sets.equivalent", "sets.intersects",
    "sign", "size", "slice", "sort", "split", "startsWith", "string", "strings.quote", "sub", "substring", "sum",
    "timestamp", "trim", "uint", "upperAscii", "url", "value",
];

/// Refuses names that nobody knows, what the library cannot do, and expressions that are too deep; how deep it is.
pub(super) fn check(expression: &IdedExpr, text: &str) -> Result<usize, Refusal> {
    let scope = VARIABLES.iter().map(|name| (*name).to_owned()).collect();
    let mut check = Check { text, scope, depth: 0, deepest: 0 };
    check.walk(expression)?;
    Ok(check.deepest)
}

/// Whether a call of `name` on the plain name `prefix` is a function of its own, as `math.abs`.
pub(super) fn is_qualified(prefix: &str, name: &str) -> bool {
    FUNCTIONS.iter().any(|known| known.split_once('.') == Some((prefix, name)))
}

struct Check<'t> {
    text: &'t str,
    /// The variables that are known here.
    scope: Vec<String>,
    depth: usize,
    deepest: usize,
}

impl Check<'_> {
    fn walk(&mut self, expression: &IdedExpr) -> Result<(), Refusal> {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        if self.depth > DEPTH {
            let fault = Fault::new(format!("the expression is nested more than {DEPTH} deep"));
            return Err(fault.hint("`a + b + c` is nested too: use [a, b, c].join('')").into());
        }
        match &expression.expr {
            Expr::Literal(_) | Expr::Unspecified => Ok(()),
            Expr::Ident(name) if self.scope.contains(name) => Ok(()),
            Expr::Ident(name) => Err(self.unknown("variable", name, &self.scope)),
            Expr::Select(select) => self.walk(&select.operand),
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.walk(element)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => self.walk(&entry.key).and_then(|()| self.walk(&entry.value)),
                EntryExpr::StructField(field) => self.walk(&field.value),
            }),
            Expr::Struct(message) => {
                let fault =
                    Fault::new(format!("`{}{{...}}` makes a message, which has no place in YAML", message.type_name));
                Err(fault.hint("write a map: {'key': value}").into())
            }
            Expr::Comprehension(comprehension) => {
                self.walk(&comprehension.iter_range)?;
                self.walk(&comprehension.accu_init)?;
                let outer = self.scope.len();
                self.scope.push(comprehension.iter_var.clone());
                self.scope.extend(comprehension.iter_var2.clone());
                self.scope.push(comprehension.accu_var.clone());
                self.walk(&comprehension.loop_cond)?;
                self.walk(&comprehension.loop_step)?;
                self.walk(&comprehension.result)?;
                self.scope.truncate(outer);
                Ok(())
            }
            Expr::Call(call) => self.call(call),
        }?;
        self.depth -= 1;
        Ok(())
    }

    fn call(&mut self, call: &CallExpr) -> Result<(), Refusal> {
        let name = call.func_name.as_str();
        let mut qualified = false;
        if let Some(target) = &call.target {
            qualified = matches!(&target.expr, Expr::Ident(prefix) if is_qualified(prefix, name));
            if let Expr::Ident(prefix) = &target.expr
                && !qualified
                && !self.scope.contains(prefix)
                && FUNCTIONS.iter().any(|known| known.split_once('.').is_some_and(|(first, _)| first == prefix))
            {
                let full = format!("{prefix}.{name}");
                return Err(self.unknown("function", &full, FUNCTIONS));
            }
            if !qualified {
                self.walk(target)?;
            }
        }
        // Operators have names that no one can write.
        let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if is_word && !qualified && !FUNCTIONS.contains(&name) {
            return Err(self.unknown("function", name, FUNCTIONS));
        }
        call.args.iter().try_for_each(|argument| self.walk(argument))
    }

    fn unknown<T: AsRef<str>>(&self, what: &str, name: &str, known: &[T]) -> Refusal {
        let known = known.iter().map(AsRef::as_ref).filter(|known| !known.starts_with('@'));
        let hint = match nearest(name, known) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if what == "variable" => Some("`value` is the field, `object` the live object".to_owned()),
            None => None,
        };
        let fault = Fault::new(format!("`{name}` is no {what} of expressions")).maybe_hint(hint);
        let before = self.text.find(name).and_then(|at| self.text.get(..at));
        let at = before.map(|before| {
            let line = before.rsplit('\n').next().unwrap_or(before);
            (before.matches('\n').count() + 1, line.chars().count() + 1)
        });
        Refusal { fault, at, width: name.chars().count() }
    }
}
